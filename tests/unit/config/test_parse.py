"""From text to value: exact, and clear about what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.config import parse
from keeper.domain.address import parse_address
from keeper.domain.fixed_point import WAD
from keeper.domain.plan import Objective
from keeper.domain.role import Role
from keeper.domain.token_rules import TokenClass

AAVE = "aave-v3:0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@given(st.decimals(min_value=0, max_value=10**9, places=18))
def test_scaled__any_decimal__exact(value: Decimal) -> None:
    assert parse.scaled(WAD)(f"{value:f}") == int(value.scaleb(18))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.02", 102 * 10**16), ("1", WAD), ("0.1", WAD // 10), ("1.020000000000000000000", 102 * 10**16)],
)
def test_scaled__wad__as_written(text: str, expected: int) -> None:
    assert parse.scaled(WAD)(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("1_000", 1_000), ("1e15", 10**15), ("25e3", 25_000), ("7e0", 7)]
)
def test_whole__digits_or_with_an_exponent__exactly(text: str, expected: int) -> None:
    assert parse.whole()(text) == expected


@pytest.mark.parametrize(
    ("parser", "text", "expected"),
    [
        (parse.whole(), "1e", "expected a whole number"),
        (parse.whole(), "1.5e3", "expected a whole number"),
        (parse.whole(most=10_000), "1e5", "a whole number between 0 and 10,000, got '1e5'"),
        (parse.scaled(WAD), "1.0000000000000000001", "at most 18 decimals, got '1.0000000000000000001'"),
        (parse.scaled(WAD), "1e18", "expected a decimal number"),
        (parse.scaled(WAD), "-1", "expected a decimal number of at least 0"),
        (parse.scaled(WAD), "nan", "expected a decimal number"),
        (parse.scaled(WAD, least="1"), "0.999999999999999999", "of at least 1"),
        (parse.whole(most=10_000), "10001", "a whole number between 0 and 10,000, got '10001'"),
        (parse.whole(), "1.0", "expected a whole number of at least 0, got '1.0'"),
        (parse.whole(), "٣", "expected a whole number"),
        (parse.whole(), "0x10", "expected a whole number"),
        (parse.seconds, "0", "more than 0"),
        (parse.seconds, "inf", "more than 0"),
        (parse.boolean, "maybe", "expected true or false, got 'maybe'"),
        (parse.choice(Objective), "max_proft", "got 'max_proft'; did you mean max_profit?"),
        (parse.address, "0x1234", "is not an address"),
        (parse.address, "0x" + "ab" * 32, "something else that may be secret"),
        (parse.address, "0x87870bca3F3fD6335C3F4ce8392D69350B4fA4E2", "fails its checksum"),
        (parse.endpoint, "localhost:8545", "begins with http://, https://, ws:// or wss://"),
        (parse.endpoint, "http://", "expected a URL"),
        (parse.endpoint, "http://host:port", "expected a URL"),
        (parse.endpoint, "http://host#privat", "expected private, trusted or sequencer after the #"),
        (parse.endpoint, "http://host#", "expected private, trusted or sequencer after the #"),
        (parse.endpoint, "wss://host#private", "expected no mark on a WebSocket"),
        (parse.listed(parse.endpoint), "http://host,http://host#private", "twice"),
        (parse.market, "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2", "such as aave-v3:ethereum-core"),
        (parse.market, "aave-v3:etherum-core", "did you mean ethereum-core?"),
        (parse.market, "aave-v3:", "a name that `keeper markets` lists, got ''"),
        (parse.market, "aave-v4:0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2", "did you mean aave-v3?"),
        (parse.market, "aave-v3:0x12", "is not an address"),
        (parse.market, AAVE + "@latest", "the number of a block after @, got 'latest'"),
        (parse.listed(parse.market), f"{AAVE},{AAVE}", "twice"),
        (parse.listed(parse.address), "0x" + "11" * 20 + ",,", "found an empty one"),
        (parse.private_key, "0x" + "00" * 32, "expected a private key"),
        (parse.private_key, f"{CURVE_ORDER:064x}", "expected a private key"),
        (parse.private_key, "0x12", "is not shown"),
        (parse.file, "/nowhere/at/all", "found none at '/nowhere/at/all'"),
    ],
)
def test_parser__what_it_does_not_take__says_what_it_expected(
    parser: Callable[[str], Any], text: str, expected: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        parser(text)


def test_market__with_and_without_a_block__both_parts() -> None:
    assert parse.market(AAVE + "@16291127").from_block == 16_291_127
    assert parse.market(AAVE).from_block is None
    assert str(parse.market(AAVE.lower())) == AAVE


def test_market__by_name__its_address_and_its_chain() -> None:
    found = parse.market("aave-v3:Ethereum-Core@16291127")
    assert (found.address, found.from_block) == (parse.market(AAVE).address, 16_291_127)
    assert str(found) == "aave-v3:ethereum-core"
    assert [one.chain_id for one in found.may_be_on] == [1]


def test_whole__underscores__allowed_as_in_python() -> None:
    assert parse.whole()("1_000_000") == 1_000_000


def test_endpoint__ipv6__host_and_port_shown() -> None:
    assert str(parse.endpoint("http://[::1]:8545")) == "http://[::1]:8545"


def test_endpoint__marked__its_roles_and_a_url_without_them() -> None:
    found = parse.endpoint("https://host/key#Private+trusted")
    assert found.roles == {Role.PRIVATE, Role.TRUSTED}
    assert found.url.reveal() == "https://host/key"
    assert parse.endpoint("https://host/key").roles == frozenset()


def test_endpoint__mark_that_is_none__not_quoted() -> None:
    with pytest.raises(ValueError, match="joined by") as raised:
        parse.endpoint("https://host/#s3cr3t")
    assert "s3cr3t" not in str(raised.value)


# --- tokens -------------------------------------------------------------------------------------------------


def test_token_rules__classes_by_address_and_of_all_others__as_written() -> None:
    one, two = "0x" + "11" * 20, "0x" + "22" * 20
    rules = parse.token_rules(f"{one}:never, {two}:atomic,*:never")
    assert rules.others is TokenClass.NEVER
    assert rules.named == {
        (parse_address(one), TokenClass.NEVER),
        (parse_address(two), TokenClass.ATOMIC),
    }
    assert parse.token_rules(f"{one}:never").others is TokenClass.ATOMIC


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0x" + "11" * 20, "expected address:atomic, address:carry"),
        ("0x" + "11" * 20 + ":sometimes", "expected address:atomic, address:carry"),
        ("*:carry", "by its own address"),
        ("WETH:never", "hex digits"),
        ("*:never,*:atomic", "twice"),
        ("0x" + "ab" * 20 + ":never,0x" + "ab" * 20 + ":atomic", "twice"),
    ],
)
def test_token_rules__anything_else__is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse.token_rules(text)
