from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.venues.uniswap_v3.tick_math import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    sqrt_ratio_at_tick,
    tick_at_sqrt_ratio,
)

TICKS = st.integers(MIN_TICK, MAX_TICK)


@pytest.mark.parametrize(
    ("tick", "ratio"),
    [(MIN_TICK, MIN_SQRT_RATIO), (MAX_TICK, MAX_SQRT_RATIO), (0, 1 << 96)],
)
def test_sqrt_ratio_at_tick__ends_and_middle__are_the_contract_constants(tick: int, ratio: int) -> None:
    assert sqrt_ratio_at_tick(tick) == ratio


@settings(deadline=None)
@given(TICKS)
def test_sqrt_ratio_at_tick__any_tick__is_the_power_of_1_0001(tick: int) -> None:
    assert sqrt_ratio_at_tick(tick) / 2**96 == pytest.approx(1.0001 ** (tick / 2), rel=1e-9)


@pytest.mark.parametrize("tick", [MIN_TICK - 1, MAX_TICK + 1])
def test_sqrt_ratio_at_tick__beyond_the_ends__raises(tick: int) -> None:
    with pytest.raises(ValueError, match="beyond"):
        sqrt_ratio_at_tick(tick)


@settings(deadline=None)
@given(st.integers(MIN_TICK, MAX_TICK - 1), st.data())
def test_tick_at_sqrt_ratio__any_price_of_a_tick__is_that_tick(tick: int, data: st.DataObject) -> None:
    low, high = sqrt_ratio_at_tick(tick), sqrt_ratio_at_tick(tick + 1)
    assert tick_at_sqrt_ratio(low) == tick
    assert tick_at_sqrt_ratio(high - 1) == tick
    assert tick_at_sqrt_ratio(data.draw(st.integers(low, high - 1))) == tick


@pytest.mark.parametrize("price", [MIN_SQRT_RATIO - 1, MAX_SQRT_RATIO])
def test_tick_at_sqrt_ratio__beyond_the_ends__raises(price: int) -> None:
    with pytest.raises(ValueError, match="beyond"):
        tick_at_sqrt_ratio(price)
