from __future__ import annotations

from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.domain.depth import Hop, Pool, Route
from keeper.planner.routing import buy_through, mid_price, route_segments, sell_through
from keeper.venues.uniswap_v3 import V3Pool
from keeper.venues.uniswap_v3.tick_math import sqrt_ratio_at_tick
from tests.routes import routes
from tests.unit.venues.uniswap_v3.pools import pool, random_pool

A, B, C, D = (Address(bytes([at]) * 20) for at in (0x0A, 0x0B, 0x0C, 0x0D))
SEEDS = st.integers(0, 2**32)


def pools_of(*several: V3Pool) -> dict[Address, Pool]:
    return {one.address: one for one in several}


def flat(address: int, token0: Address, token1: Address, fee_ppm: int = 3_000) -> V3Pool:
    """Return a pool with a price of one."""
    return pool(
        [(-60_000, 60_000, 10**24)],
        fee_ppm=fee_ppm,
        sqrt_price_x96=sqrt_ratio_at_tick(0),
        token0=token0,
        token1=token1,
        address=Address(bytes([address]) * 20),
    )


def chain_of_two(seed: int) -> tuple[dict[Address, Pool], Route]:
    """Return two random pools at about the same scale, A to B to C."""
    tick = seed % 40_000 - 20_000
    first = random_pool(seed, tick=tick, token0=A, token1=B, address=Address(b"\x01" * 20), liquidity=10**20)
    second = random_pool(
        seed + 1, tick=-tick, token0=B, token1=C, address=Address(b"\x02" * 20), liquidity=10**20
    )
    hops = (
        Hop(pool=first.address, venue="uniswap-v3", token_in=A, token_out=B, fee_ppm=first.fee_ppm),
        Hop(pool=second.address, venue="uniswap-v3", token_in=B, token_out=C, fee_ppm=second.fee_ppm),
    )
    return pools_of(first, second), Route(hops=hops)


@settings(deadline=None)
@given(SEEDS, st.integers(1, 10**20))
def test_sell_through__two_pools__is_one_sale_after_the_other(seed: int, amount: int) -> None:
    pools, route = chain_of_two(seed)
    passage = sell_through(pools, route, amount)
    first = pools[route.hops[0].pool].sell(A, amount)
    second = pools[route.hops[1].pool].sell(B, first.amount_out_raw)
    assert passage.amount_in_raw == amount
    (flow,) = passage.flows
    assert flow.amounts_raw == (amount, first.amount_out_raw, second.amount_out_raw)
    assert passage.exhausted == (first.exhausted or second.exhausted or first.amount_out_raw == 0)
    assert passage.after == {one.address: one for one in (first.after, second.after)}


def test_sell_through__nothing_reaches_the_second_pool__is_exhausted_for_no_pool_swaps_it() -> None:
    pools = pools_of(flat(1, A, B), flat(2, B, C))
    (route,) = routes(pools, A, C, intermediates=(B,))
    assert sell_through(pools, route, 1).exhausted
    assert not sell_through(pools, route, 10).exhausted


@settings(deadline=None)
@given(SEEDS, st.integers(1, 10**20))
def test_buy_through__two_pools__is_one_purchase_after_the_other_from_the_end(seed: int, amount: int) -> None:
    pools, route = chain_of_two(seed)
    passage = buy_through(pools, route, amount)
    second = pools[route.hops[1].pool].buy(C, amount)
    first = pools[route.hops[0].pool].buy(B, second.amount_in_raw)
    (flow,) = passage.flows
    assert flow.amounts_raw == (first.amount_in_raw, second.amount_in_raw, amount)
    assert passage.exhausted == (first.exhausted or second.exhausted)
    assert passage.after == {one.address: one for one in (first.after, second.after)}


@settings(deadline=None)
@given(SEEDS, st.integers(1, 10**19))
def test_buy_through__what_a_sale_gave__costs_no_more(seed: int, amount: int) -> None:
    pools, route = chain_of_two(seed)
    sold = sell_through(pools, route, amount)
    assume(sold.amount_out_raw > 0 and not sold.exhausted)
    bought = buy_through(pools, route, sold.amount_out_raw)
    assert not bought.exhausted
    assert bought.amount_in_raw <= amount


def test_sell_through__other_pools__stay_as_they_are() -> None:
    used, unused = flat(1, A, B), flat(2, B, C)
    pools = pools_of(used, unused)
    (route,) = routes(pools, A, B)
    passage = sell_through(pools, route, 10**18)
    assert unused.address not in passage.after
    assert passage.after[used.address] != used
    assert pools[used.address] is used


def test_mid_price__fees__are_left_out() -> None:
    pools = pools_of(flat(1, A, B, 500), flat(2, B, C, 10_000))
    (route,) = routes(pools, A, C, intermediates=(B,))
    assert mid_price(pools, route) == 1


def test_mid_price__empty_pool__is_none() -> None:
    empty = pool([], sqrt_price_x96=sqrt_ratio_at_tick(0), token0=A, token1=B)
    pools = pools_of(empty)
    (route,) = routes(pools, A, B)
    assert mid_price(pools, route) is None


@settings(max_examples=200, deadline=None)
@given(SEEDS, st.integers(1, 10**21))
def test_route_segments__two_pools_summed_up__bound_the_exact_sale(seed: int, amount: int) -> None:
    pools, route = chain_of_two(seed)
    remaining, out, count = amount, Fraction(0), 0
    last: Fraction | None = None
    for segment in route_segments(pools, route):
        assert segment.a > 0 and segment.b > 0 and segment.c > 0 and segment.capacity_in > 0
        price = Fraction(segment.a, segment.b)
        assert last is None or price <= last * (1 + Fraction(1, 10**9))
        last = price if last is None else min(price, last)
        x = min(remaining, segment.capacity_in)
        out += Fraction(segment.a * x, segment.b + segment.c * x)
        remaining -= x
        count += 1
        if not remaining:
            break
    sold = sell_through(pools, route, amount)
    assert sold.exhausted == (remaining > 0) or remaining <= count, "but for rounding at the end"
    if sold.exhausted:
        return
    price_0 = Fraction(*_first_price(pools, route.hops[0]))
    price_1 = Fraction(*_first_price(pools, route.hops[1]))
    # each step and each split rounds by some units of what goes in, or comes out, there
    slack = (count + 1) * 4 * (1 + price_1 + price_0 * price_1)
    assert abs(out - sold.amount_out_raw) <= slack


def _first_price(pools: dict[Address, Pool], hop: Hop) -> tuple[int, int]:
    first = next(iter(pools[hop.pool].segments(hop.token_in)))
    return first.a, first.b


@settings(deadline=None)
@given(SEEDS)
def test_route_segments__two_pools__fill_the_tighter_one(seed: int) -> None:
    pools, route = chain_of_two(seed)
    segments = list(route_segments(pools, route))
    capacity = sum(segment.capacity_in for segment in segments)
    slack = 2 * len(segments) + 2
    assert not sell_through(pools, route, capacity - slack).exhausted
    assert sell_through(pools, route, capacity + slack + capacity // 10**6).exhausted
