"""A split gives no less than any other split, and passes through the pools exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.domain.depth import Hop, Pool, Route, Segment, Swap
from keeper.planner.parallel import buy_split, parallel_segments, sell_split
from keeper.planner.routing import buy_through, sell_through
from tests.unit.venues.uniswap_v3.pools import random_pool

A, B, C = (Address(bytes([at]) * 20) for at in (0x0A, 0x0B, 0x0C))
SEEDS = st.integers(0, 2**32)


@dataclass(frozen=True, kw_only=True)
class Wrapper:
    """A pool of one price: so many of the one for each of the other, without a fee, up to a limit."""

    address: Address
    rate_bps: int
    limit_raw: int
    venue: str = "wrapper"
    tokens: tuple[Address, Address] = (A, B)
    fee_ppm: int = 0
    tier: int | None = None

    def sell(self, token_in: Address, amount_in_raw: int) -> Swap:
        used_raw = min(amount_in_raw, self.limit_raw)
        return Swap(
            amount_in_raw=used_raw,
            amount_out_raw=used_raw * self.rate_bps // 10_000,
            exhausted=used_raw < amount_in_raw,
            leaves=lambda: self,
        )

    def buy(self, token_out: Address, amount_out_raw: int) -> Swap:
        used_raw = -(-amount_out_raw * 10_000 // self.rate_bps)
        return Swap(
            amount_in_raw=used_raw,
            amount_out_raw=amount_out_raw,
            exhausted=used_raw > self.limit_raw,
            leaves=lambda: self,
        )

    def segments(self, token_in: Address) -> Iterator[Segment]:
        yield Segment(a=self.rate_bps, b=10_000, c=0, capacity_in=self.limit_raw)


def lanes(seed: int) -> tuple[dict[Address, Pool], tuple[Route, ...]]:
    """Return routes from A to B that share no pool: one or two direct ones, one over C, perhaps a wrapper."""
    draw = Random(seed)
    pools: dict[Address, Pool] = {}

    def add(token0: Address, token1: Address) -> Pool:
        address = Address((0xA0 + len(pools)).to_bytes(20))
        pools[address] = random_pool(
            draw.randrange(2**32),
            tick=draw.randint(-200, 200),
            token0=token0,
            token1=token1,
            address=address,
            liquidity=10 ** draw.randint(19, 21),
        )
        return pools[address]

    found = [Route(hops=(Hop.into(add(A, B), A),)) for _ in range(draw.randint(1, 2))]
    found.append(Route(hops=(Hop.into(add(A, C), A), Hop.into(add(C, B) if C < B else add(B, C), C))))
    if draw.random() < 0.4:
        wrapper = Wrapper(
            address=Address(b"\xee" * 20),
            rate_bps=draw.randint(9_700, 10_300),
            limit_raw=10 ** draw.randint(17, 19),
        )
        pools[wrapper.address] = wrapper
        found.append(Route(hops=(Hop.into(wrapper, A),)))
    return pools, tuple(found)


def other_splits(draw: Random, amount_raw: int, parts: int) -> Iterator[list[int]]:
    """Yield some ways to cut an amount: all to one, at random, and a little off any of them."""
    for at in range(parts):
        yield [amount_raw if place == at else 0 for place in range(parts)]
    for _ in range(20):
        cuts = sorted(draw.randint(0, amount_raw) for _ in range(parts - 1))
        yield [high - low for low, high in zip([0, *cuts], [*cuts, amount_raw], strict=True)]


def moved(parts: Sequence[int], draw: Random, amount_raw: int) -> list[int]:
    """Return parts of which a little has gone from one to another."""
    giver, taker = draw.sample(range(len(parts)), 2)
    shift = min(parts[giver], int(amount_raw * 10 ** draw.uniform(-6, -1)))
    changed = list(parts)
    changed[giver] -= shift
    changed[taker] += shift
    return changed


@settings(max_examples=120, deadline=None)
@given(SEEDS, st.integers(10**14, 3 * 10**19))
def test_sell_split__random_routes__no_other_split_gives_more_but_for_rounding(
    seed: int, amount_raw: int
) -> None:
    pools, among = lanes(seed)
    sold = sell_split(pools, among, amount_raw)
    assume(not sold.exhausted)
    assert sold.amount_in_raw == amount_raw
    by_route = {flow.route: flow.amount_in_raw for flow in sold.flows}
    parts = [by_route.get(route, 0) for route in among]
    assert sold.flows[-1].amount_in_raw == max(parts)
    draw = Random(seed)
    others = [
        *other_splits(draw, amount_raw, len(among)),
        *(moved(parts, draw, amount_raw) for _ in range(20)),
    ]
    for other in others:
        passages = [
            sell_through(pools, route, part) for route, part in zip(among, other, strict=True) if part
        ]
        if not any(passage.exhausted for passage in passages):
            assert sum(passage.amount_out_raw for passage in passages) <= sold.amount_out_raw + 300


@settings(max_examples=120, deadline=None)
@given(SEEDS, st.integers(10**14, 3 * 10**19))
def test_buy_split__random_routes__no_other_split_costs_less_but_for_rounding(
    seed: int, amount_raw: int
) -> None:
    pools, among = lanes(seed)
    bought = buy_split(pools, among, amount_raw)
    assume(not bought.exhausted)
    assert bought.amount_out_raw == amount_raw
    by_route = {flow.route: flow.amount_out_raw for flow in bought.flows}
    parts = [by_route.get(route, 0) for route in among]
    draw = Random(seed)
    others = [
        *other_splits(draw, amount_raw, len(among)),
        *(moved(parts, draw, amount_raw) for _ in range(20)),
    ]
    for other in others:
        passages = [buy_through(pools, route, part) for route, part in zip(among, other, strict=True) if part]
        if not any(passage.exhausted for passage in passages):
            assert sum(passage.amount_in_raw for passage in passages) >= bought.amount_in_raw - 300


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(10**14, 10**19))
def test_parallel_segments__summed_up__are_what_the_split_gives(seed: int, amount_raw: int) -> None:
    pools, among = lanes(seed)
    sold = sell_split(pools, among, amount_raw)
    assume(not sold.exhausted)
    remaining, out, count = amount_raw, Fraction(0), 0
    for segment in parallel_segments(pools, among):
        x = min(remaining, segment.capacity_in)
        out += Fraction(segment.a * x, segment.b + segment.c * x)
        remaining -= x
        count += 1
        if not remaining:
            break
    assert abs(out - sold.amount_out_raw) <= 20 * (count + 10)


def test_sell_split__each_flow__passes_through_its_own_pools_and_leaves_them_so() -> None:
    split = flat = 0
    for seed in range(60):
        pools, among = lanes(seed)
        sold = sell_split(pools, among, 10**19)
        for flow in sold.flows:
            alone = sell_through(pools, flow.route, flow.amount_in_raw)
            assert alone.flows == (flow,)
            for passed in flow.route.hops:
                assert sold.after[passed.pool] == alone.after[passed.pool]
            flat += flow.route.hops[0].venue == "wrapper" and len(sold.flows) > 1
        split += len(sold.flows) > 1
    assert split >= 30 and flat >= 5, "as many are split, and with a wrapper among them"


@pytest.mark.parametrize("split", [sell_split, buy_split])
def test_split__more_than_all_hold__is_exhausted(split: type) -> None:
    pools, among = lanes(5)
    assert split(pools, among, 10**30).exhausted
