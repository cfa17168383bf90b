"""Addresses and amounts refuse what would lose money."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.address import Address, address_of, checksum, parse_address, word
from keeper.domain.fixed_point import mul_div_down, mul_div_half_up, mul_div_up
from keeper.domain.token import Token, TokenAmount

WETH = Token(address=Address(b"\x01" * 20), symbol="WETH", decimals=18)
USDC = Token(address=Address(b"\x02" * 20), symbol="USDC", decimals=6)


@given(st.binary(min_size=20, max_size=20))
def test_parse_address__what_checksum_wrote__the_same_address(raw: bytes) -> None:
    address = Address(raw)
    assert parse_address(checksum(address)) == address
    assert parse_address("0x" + raw.hex()) == address
    assert address_of(word(address)) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0x87870bca3f3fd6335c3f4ce8392d69350b4fa4", "40 hex digits"),
        ("87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2", "expected 0x"),
        ("0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4Ez", "not hex"),
        ("0x87870bca3F3fD6335C3F4ce8392D69350B4fA4E2", "checksum"),
        ("", "expected 0x"),
    ],
)
def test_parse_address__malformed__says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_address(text)


def test_token_amount__two_tokens__never_meet() -> None:
    with pytest.raises(TypeError, match="WETH meets an amount of USDC"):
        TokenAmount(token=WETH, raw=1) + TokenAmount(token=USDC, raw=1)
    with pytest.raises(TypeError):
        assert TokenAmount(token=WETH, raw=1) < TokenAmount(token=USDC, raw=2)


def test_token_amount__one_token__adds_and_orders() -> None:
    one, two = TokenAmount(token=USDC, raw=1_500_000), TokenAmount(token=USDC, raw=2_000_000)
    assert (one + two).raw == 3_500_000
    assert one < two and one <= one and (two - one).raw == 500_000
    assert str(one) == "1.5 USDC"


@given(st.integers(0, 2**128), st.integers(0, 2**128), st.integers(1, 2**128))
def test_mul_div__each_rounding__brackets_the_quotient(a: int, b: int, d: int) -> None:
    down, half_up, up = mul_div_down(a, b, d), mul_div_half_up(a, b, d), mul_div_up(a, b, d)
    assert down * d <= a * b <= up * d
    assert up - down == (a * b % d != 0)
    assert abs(2 * half_up * d - 2 * a * b) <= d
