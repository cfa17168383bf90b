"""Selectors and topics are derived; these were taken from elsewhere, so that a wrong derivation shows."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from keeper.abi import interface, load, uint
from keeper.domain.address import Address, word

_SOMEBODY = Address(bytes.fromhex("00000000000000000000000000000000deadbeef"))


@pytest.mark.parametrize(
    ("name", "function", "selector"),
    [
        ("erc20", "balanceOf", "70a08231"),
        ("erc20", "approve", "095ea7b3"),
        ("aave_v3_pool", "liquidationCall", "00a718a9"),
        ("aave_v3_pool", "flashLoanSimple", "42b0b77c"),
        ("aave_v3_pool", "getUserAccountData", "bf92857c"),
        ("aave_v3_flash_receiver", "executeOperation", "1b11d0ff"),
    ],
)
def test_function__selector__is_the_known_one(name: str, function: str, selector: str) -> None:
    assert load(name).function(function).selector.hex() == selector


def test_event__topic__is_the_known_one() -> None:
    transfer = load("erc20").event("Transfer")
    assert transfer.topic.hex() == "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    borrow = load("aave_v3_pool").event("Borrow")
    assert borrow.topic.hex() == "b3d084820fb1a9decffb176436bd02558d15fac9b0ddfed8c465bc7359d7dce0"


def test_error__selector__is_the_known_one() -> None:
    assert load("aave_v3_pool").error("MustNotLeaveDust").selector.hex() == "b629b0e4"
    assert load("aave_v3_pool").error_name(bytes.fromhex("b629b0e4")) == "MustNotLeaveDust"
    assert load("aave_v3_pool").error_name(b"") is None


def test_function__encode__is_selector_and_words() -> None:
    data = load("erc20").function("balanceOf").encode(_SOMEBODY)
    assert data == bytes.fromhex("70a08231") + word(_SOMEBODY)


def test_function__arguments__are_what_was_encoded() -> None:
    call = load("aave_v3_pool").function("liquidationCall")
    arguments = (_SOMEBODY, _SOMEBODY, _SOMEBODY, 7, False)
    assert call.arguments(call.encode(*arguments)) == arguments
    with pytest.raises(ValueError, match="is not liquidationCall"):
        call.arguments(load("erc20").function("symbol").encode())


def test_function__decode__gives_addresses_as_raw_bytes() -> None:
    provider = load("aave_v3_pool").function("ADDRESSES_PROVIDER")
    assert provider.decode(word(_SOMEBODY)) == (_SOMEBODY,)


@pytest.mark.parametrize("answer", [b"", bytes(31), b"\xff" * 32], ids=["nothing", "short", "no bool"])
def test_function__decode__bytes_of_another_shape__raises(answer: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the wording is eth_abi's
        load("erc20").function("transfer").decode(answer)


def test_event__decode__joins_topics_and_data() -> None:
    transfer = load("erc20").event("Transfer")
    topics = (transfer.topic, word(_SOMEBODY), word(_SOMEBODY))
    assert transfer.decode(topics, (5).to_bytes(32, "big")) == {
        "from": _SOMEBODY,
        "to": _SOMEBODY,
        "value": 5,
    }
    with pytest.raises(ValueError, match="not of Transfer"):
        transfer.decode(topics[:2], (5).to_bytes(32, "big"))


def test_interface__name_that_is_not_there_or_twice__raises() -> None:
    twice = {"type": "error", "name": "Twice", "inputs": []}
    with pytest.raises(KeyError, match="2 fragments"):
        interface([twice, twice]).error("Twice")
    with pytest.raises(KeyError, match="0 fragments"):
        load("erc20").function("mint")


def test_uint__no_word__raises() -> None:
    assert uint((9).to_bytes(32, "big") + b"more") == 9
    with pytest.raises(ValueError, match="a word"):
        uint(b"")


def test_load__every_file__is_a_valid_interface() -> None:
    folder = files("keeper") / "abis"
    names = [entry.name for entry in folder.iterdir() if entry.name.endswith(".json")]
    assert "erc20.json" in names
    for name in names:
        found = load(name.removesuffix(".json"))
        fragments = json.loads((folder / name).read_text("utf-8"))
        kinds = [f for f in fragments if f["type"] in {"function", "event", "error"}]
        assert len(found.functions) + len(found.events) + len(found.errors) == len(kinds)
