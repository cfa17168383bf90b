from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.venues.uniswap_v3.sqrt_price_math import (
    Q96,
    amount0_down,
    amount0_up,
    amount1_down,
    amount1_up,
    price_after_amount0_in,
    price_after_amount0_out,
    price_after_amount1_in,
    price_after_amount1_out,
)
from keeper.venues.uniswap_v3.tick_math import MAX_SQRT_RATIO, MIN_SQRT_RATIO

PRICES = st.integers(MIN_SQRT_RATIO, MAX_SQRT_RATIO - 1)
LIQUIDITY = st.integers(1, 2**100)


@settings(deadline=None)
@given(PRICES, PRICES, LIQUIDITY)
def test_amounts__between_two_prices__enclose_the_real_amount(one: int, other: int, liquidity: int) -> None:
    low, high = sorted((one, other))
    real0 = Fraction(liquidity * Q96 * (high - low), low * high)
    real1 = Fraction(liquidity * (high - low), Q96)
    assert amount1_down(low, high, liquidity) == floor(real1)
    assert amount1_up(low, high, liquidity) == ceil(real1)
    # the contract divides token0 twice, and rounds each time
    assert real0 - 1 - Fraction(1, low) < amount0_down(low, high, liquidity) <= real0
    assert real0 <= amount0_up(low, high, liquidity) < real0 + 1 + Fraction(1, low)


@settings(deadline=None)
@given(PRICES, LIQUIDITY, st.integers(0, 2**90))
def test_price_after_amount_in__any__moves_towards_the_pool_and_covers_no_more(
    price: int, liquidity: int, amount: int
) -> None:
    lower = price_after_amount0_in(price, liquidity, amount)
    assert lower <= price
    assert amount0_up(lower, price, liquidity) <= amount
    higher = price_after_amount1_in(price, liquidity, amount)
    assert higher >= price
    assert amount1_up(price, higher, liquidity) <= amount


@settings(deadline=None)
@given(PRICES, LIQUIDITY, st.integers(1, 99))
def test_price_after_amount_out__less_than_there_is__gives_it_whole(
    price: int, liquidity: int, percent: int
) -> None:
    amount1 = liquidity * price * percent // 100 // Q96
    assert amount1_down(price_after_amount1_out(price, liquidity, amount1), price, liquidity) >= amount1
    amount0 = liquidity * Q96 * percent // 100 // price
    assert amount0_down(price, price_after_amount0_out(price, liquidity, amount0), liquidity) >= amount0


def test_price_after_amount0_in__product_overflows__divides_first_as_the_contract() -> None:
    price, liquidity, amount = MAX_SQRT_RATIO - 1, 10**6, 2**100
    assert amount * price >= 2**256
    scaled = liquidity << 96
    assert price_after_amount0_in(price, liquidity, amount) == ceil(
        Fraction(scaled, scaled // price + amount)
    )
