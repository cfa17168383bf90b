from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.venues.uniswap_v3 import V3Pool, Walk
from keeper.venues.uniswap_v3.tick_math import MAX_TICK, MIN_TICK, sqrt_ratio_at_tick
from tests.unit.venues.uniswap_v3.pools import contract_swap, pool, random_pool, swapped

SEEDS = st.integers(0, 2**32)


def walk_of(v3_pool: V3Pool, *, zero_for_one: bool) -> Walk:
    return Walk(v3_pool.ticks, v3_pool.state, fee_ppm=v3_pool.fee_ppm, zero_for_one=zero_for_one)


def windowed(whole: V3Pool, words: int) -> V3Pool:
    """Return the pool as one sees it who read only `words` words to either side of the price.

    Upwards that begins with the word of the next tick, as it does for the contract.
    """
    word = 256 * whole.ticks.spacing
    tick, spacing = whole.state.tick, whole.ticks.spacing
    lowest = max((tick // word - words) * word, MIN_TICK)
    highest = min(((tick + spacing) // word + words + 1) * word - spacing, MAX_TICK)
    known = [
        (tick, net)
        for tick, net in zip(whole.ticks.initialised, whole.ticks.liquidity_net, strict=True)
        if lowest <= tick <= highest
    ]
    ticks = replace(
        whole.ticks,
        initialised=tuple(tick for tick, _ in known),
        liquidity_net=tuple(net for _, net in known),
        lowest=lowest,
        highest=highest,
    )
    return replace(whole, ticks=ticks)


@settings(max_examples=300, deadline=None)
@given(SEEDS, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 34))
def test_walk__random_swap__equals_the_contract_loop(
    seed: int, zero_for_one: bool, exact_in: bool, around: bool, magnitude: int
) -> None:
    drawn = random_pool(seed, around=around)
    amount = Random(seed).randint(1, 10**magnitude)
    walk = walk_of(drawn, zero_for_one=zero_for_one)
    moved = walk.exact_in(amount) if exact_in else walk.exact_out(amount)
    expected = contract_swap(
        drawn, zero_for_one=zero_for_one, amount_specified=amount if exact_in else -amount
    )
    assert swapped(moved) == expected


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.booleans(), st.booleans(), st.integers(1, 5))
def test_walk__second_swap_from_where_the_first_ended__equals_the_contract_loop(
    seed: int, zero_for_one: bool, back: bool, parts: int
) -> None:
    drawn = random_pool(seed)
    walk = walk_of(drawn, zero_for_one=zero_for_one)
    steps = list(walk.steps())
    total = sum(amount_in for _, _, amount_in in steps[: 1 + seed % len(steps)])
    after = replace(drawn, state=walk.exact_in(total // parts).state)
    direction = zero_for_one ^ back
    assert swapped(walk_of(after, zero_for_one=direction).exact_in(total)) == contract_swap(
        after, zero_for_one=direction, amount_specified=total
    )


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.booleans())
def test_walk__amounts_at_and_beside_every_step_end__equal_the_contract_loop(
    seed: int, zero_for_one: bool
) -> None:
    drawn = random_pool(seed)
    walk = walk_of(drawn, zero_for_one=zero_for_one)
    total_in = 0
    for _, _, amount_in in list(walk.steps())[:4]:
        total_in += amount_in
        total_out = walk.exact_in(total_in).amount_out
        for beside in (-1, 0, 1):
            if total_in + beside > 0:
                assert swapped(walk.exact_in(total_in + beside)) == contract_swap(
                    drawn, zero_for_one=zero_for_one, amount_specified=total_in + beside
                )
            if total_out + beside > 0:
                assert swapped(walk.exact_out(total_out + beside)) == contract_swap(
                    drawn, zero_for_one=zero_for_one, amount_specified=-(total_out + beside)
                )


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.booleans(), st.integers(0, 3), st.integers(1, 40))
def test_walk__window_of_words__agrees_with_the_whole_pool_up_to_its_end(
    seed: int, zero_for_one: bool, words: int, share: int
) -> None:
    whole = random_pool(seed)
    part = windowed(whole, words)
    walk, beyond = walk_of(part, zero_for_one=zero_for_one), walk_of(whole, zero_for_one=zero_for_one)
    *_, (price, liquidity, amount_in) = walk.steps()
    capacity = walk.exact_in(10**40).amount_in
    assert amount_in <= capacity and liquidity >= 0 and price > 0
    amount = max(1, capacity * share // 40)
    assert walk.exact_in(amount) == beyond.exact_in(amount)
    # at its very end the whole pool goes on; this one takes no more
    assert walk.exact_in(capacity + 10**6).amount_in == capacity
    edge = sqrt_ratio_at_tick(part.ticks.lowest if zero_for_one else part.ticks.highest)
    assert walk.exact_in(10**40).state.sqrt_price_x96 == edge


def test_walk__gap_without_liquidity__is_crossed_for_nothing() -> None:
    gap = pool(
        [(-600, 0, 10**18), (60_000, 120_000, 10**18)],
        sqrt_price_x96=sqrt_ratio_at_tick(-300),
    )
    walk = walk_of(gap, zero_for_one=False)
    filled = walk.exact_in(10**30)
    # the first step ends at a bitmap word's boundary, just below tick 0; the gap is one step, however wide
    assert [liquidity for _, liquidity, _ in walk.steps()][:4] == [10**18, 10**18, 0, 10**18]
    assert swapped(filled) == contract_swap(gap, zero_for_one=False, amount_specified=10**30)


def test_walk__rounding_carries_exact_output_to_the_tick__crosses_it_as_the_contract() -> None:
    # With more than 2**96 of liquidity one unit out moves the price by less than one of its units.
    deep = pool([(-60, 60, 2**110), (60, 120, 2**100)], sqrt_price_x96=(1 << 96) + 10**6)
    walk = walk_of(deep, zero_for_one=True)
    walk.exact_out(1)
    at_tick = [
        amount
        for step_out in (walk.exact_out(10**40).amount_out,)
        for amount in range(step_out - 3, step_out + 1)
    ]
    for amount in at_tick:
        assert swapped(walk.exact_out(amount)) == contract_swap(
            deep, zero_for_one=True, amount_specified=-amount
        )
    crossed = [walk.exact_out(amount).state.sqrt_price_x96 for amount in at_tick]
    assert crossed[-2] == crossed[-1], "one unit less reaches the same price"


@pytest.mark.parametrize("zero_for_one", [True, False])
def test_walk__nothing_asked__moves_nothing(zero_for_one: bool) -> None:
    drawn = random_pool(1)
    walk = walk_of(drawn, zero_for_one=zero_for_one)
    assert walk.exact_in(0) == walk.exact_out(0) == (0, 0, drawn.state)
