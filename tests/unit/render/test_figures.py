"""Figures are readable, and never more than there is."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.address import Hash32
from keeper.domain.plan import Waterfall
from keeper.domain.position import DOLLARS, Currency
from keeper.render.figures import (
    amount,
    gwei,
    health,
    native,
    number,
    percent,
    short,
    short_hash,
    short_market,
    waterfall,
    worth,
)
from tests.unit.render.reports import BORROWER, MARKET, USDC, WETH, of

WAD = 10**18


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0, 10**6, "0"),
        (1, 10**18, "0.000000000000000001"),
        (1234567891, 10**6, "1,234.56"),
        (1234500000, 10**6, "1,234.5"),
        (9_999_999_999, 10**6, "9,999.99"),
        (5 * WAD, WAD, "5"),
        (5 * WAD + 1, WAD, "5.00000"),
        (12_345_678_900_000_000, WAD, "0.0123456"),
        (-1_500_000, 10**6, "-1.5"),
        (10**40, 10**6, "10,000,000,000,000,000,000,000,000,000,000,000"),
    ],
)
def test_number__all_sizes__six_digits_and_thousands(value: int, unit: int, expected: str) -> None:
    assert number(value, unit) == expected


@given(st.integers(min_value=-(2**256), max_value=2**256), st.sampled_from([1, 10**6, 10**8, 10**18]))
def test_number__any_amount__toward_zero_and_close(value: int, unit: int) -> None:
    shown = Decimal(number(value, unit).replace(",", ""))
    sign, digits, exponent = shown.as_tuple()
    assert isinstance(exponent, int)
    scaled = int("".join(map(str, digits))) * unit * 10 ** max(exponent, 0)
    exact = abs(value) * 10 ** max(-exponent, 0)
    assert scaled <= exact, "more than there is"
    # a hundred-thousandth off, or a cent, or less than the last digit there is room for
    assert (exact - scaled) * 100_000 <= exact or exact - scaled <= unit * 10 ** max(-exponent, 0) // 100
    assert sign == (value < 0 and scaled > 0)


@pytest.mark.parametrize(
    ("value_wad", "expected"),
    [
        (WAD, "1.0000"),
        (WAD - 1, "0.9999"),
        (WAD + 1, "1.0000"),
        (2**256 - 1, "∞"),
        (123_456 * WAD, "123,456.0000"),
    ],
)
def test_health__around_one__below_stays_below(value_wad: int, expected: str) -> None:
    assert health(value_wad) == expected


@pytest.mark.parametrize(
    ("value_wei", "expected"),
    [
        (0, "0.000000"),
        (10**12, "0.000001"),
        (10**12 - 1, "999.999 gwei"),
        (-(10**18) - 1, "-1.000000"),
        (1234 * WAD, "1,234.000000"),
    ],
)
def test_native__large_and_tiny__to_a_millionth_or_in_gwei(value_wei: int, expected: str) -> None:
    assert native(value_wei) == expected


@pytest.mark.parametrize(
    ("value_base", "expected"),
    [(0, "$0.00"), (999_99999999, "$999.99"), (1000_00000000, "$1,000"), (-12_34500000, "-$12.34")],
)
def test_worth__small_and_large__cents_below_a_thousand(value_base: int, expected: str) -> None:
    assert worth(value_base, DOLLARS) == expected


def test_worth__another_currency_than_dollars__as_an_amount_of_it() -> None:
    assert worth(1_234_500_000, Currency(symbol="USDC", unit_base=10**6)) == "1,234.5 USDC"


def test_amount__token__with_its_symbol() -> None:
    assert amount(of(USDC, "12345.678901")) == "12,345.67 USDC"
    assert amount(of(WETH, "0.5")) == "0.5 WETH"


def test_short__address_hash_and_market__both_ends() -> None:
    assert short(BORROWER) == "0x1111…1aBc"
    assert short_hash(Hash32(bytes(range(32)))) == "0x00010203…1e1f"
    assert short_market(MARKET) == "aave-v3:0x8787…A4E2"
    assert short_market(f"morpho:0x{'ab' * 20}/0x{'cd' * 32}") == "morpho:0xabab…abab/0xcdcd…cdcd"
    assert short_market("morpho") == "morpho"


def test_percent_and_gwei__whole_and_parts__without_needless_zeros() -> None:
    assert [percent(bps) for bps in (0, 1, 5000, 4999, 10_000)] == [
        "0 %",
        "0.01 %",
        "50 %",
        "49.99 %",
        "100 %",
    ]
    assert gwei(12_345_000_000) == "12.345 gwei"


def test_waterfall__with_and_without_a_tip__adds_up_as_shown() -> None:
    plain = Waterfall(
        bonus_wei=WAD, price_impact_wei=WAD // 4, flash_fee_wei=WAD // 8, gas_wei=WAD // 8, tip_wei=0
    )
    assert waterfall(plain) == "bonus 1.000000 − impact 0.250000 − flash 0.125000 − gas 0.125000 = 0.500000"
    tipped = Waterfall(bonus_wei=WAD, price_impact_wei=0, flash_fee_wei=0, gas_wei=WAD // 4, tip_wei=WAD // 4)
    assert waterfall(tipped).endswith("− tip 0.250000 − gas 0.250000 = 0.500000")
