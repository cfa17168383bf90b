"""The search finds what trying every route finds."""

from __future__ import annotations

from itertools import combinations
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.domain.depth import Pool
from keeper.planner.parallel import Depth
from keeper.planner.routing import buy_through, sell_through
from keeper.planner.ways import MOST_HOPS, Ways
from tests.routes import routes
from tests.unit.venues.uniswap_v3.pools import random_pool

TOKENS = tuple(Address(bytes([at]) * 20) for at in (0x0A, 0x0B, 0x0C, 0x0D, 0x0E))
SEEDS = st.integers(0, 2**32)


def web(seed: int) -> dict[Address, Pool]:
    """Return up to two pools between every two of five tokens of about one worth."""
    draw = Random(seed)
    pools: dict[Address, Pool] = {}
    for token0, token1 in combinations(TOKENS, 2):
        for _ in range(draw.choice([0, 1, 1, 2])):
            address = Address((0xA0 + len(pools)).to_bytes(20))
            pools[address] = random_pool(
                draw.randrange(2**32),
                tick=draw.randint(-300, 300),
                token0=token0,
                token1=token1,
                address=address,
                liquidity=10 ** draw.randint(18, 21),
            )
    return pools


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.integers(1, 10**20))
@example(511_199, 96_185_825_976_443_167_032)  # what comes of the best pool is too much for the next one
def test_sales__web_of_pools__the_best_of_every_route(seed: int, amount_raw: int) -> None:
    pools = web(seed)
    sold, *between, bought = TOKENS
    found = Ways(pools, intermediates=between).sales(pools, sold, bought, amount_raw)
    passages = [
        sell_through(pools, route, amount_raw)
        for route in routes(pools, sold, bought, intermediates=between, most_hops=MOST_HOPS)
    ]
    filled = [passage.amount_out_raw for passage in passages if not passage.exhausted]
    assert max((best.amount_raw for best in found), default=None) == max(filled, default=None)
    for best in found:
        assert sell_through(pools, best.route, amount_raw).amount_out_raw == best.amount_raw
    assert [len(best.route.hops) for best in found] == sorted({len(best.route.hops) for best in found})
    assert [best.amount_raw for best in found] == sorted({best.amount_raw for best in found})


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.integers(1, 10**20))
def test_purchases__web_of_pools__the_cheapest_of_every_route(seed: int, amount_raw: int) -> None:
    pools = web(seed)
    sold, *between, bought = TOKENS
    found = Ways(pools, intermediates=between).purchases(pools, sold, bought, amount_raw)
    passages = [
        buy_through(pools, route, amount_raw)
        for route in routes(pools, sold, bought, intermediates=between, most_hops=MOST_HOPS)
    ]
    filled = [passage.amount_in_raw for passage in passages if not passage.exhausted]
    assert min((best.amount_raw for best in found), default=None) == min(filled, default=None)
    for best in found:
        assert buy_through(pools, best.route, amount_raw).amount_in_raw == best.amount_raw


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 10**20))
def test_first_price__web_of_pools__no_amount_gives_more_a_unit(seed: int, amount_raw: int) -> None:
    depth = Depth(web(seed))
    sold, *between, bought = TOKENS
    ways = Ways(depth, intermediates=between)
    price = ways.first_price(depth, sold, bought)
    for best in ways.sales(depth, sold, bought, amount_raw):
        assert best.amount_raw <= amount_raw * price * (1 + 1e-9)
    for best in ways.purchases(depth, sold, bought, amount_raw):
        assert amount_raw <= best.amount_raw * price * (1 + 1e-9)
    first = max((best.amount_raw for best in ways.sales(depth, sold, bought, 10**12)), default=0)
    assert first >= price * 10**12 * (1 - 1e-4) or not price


def test_sales__pools_to_avoid_and_tokens_that_are_no_intermediates__are_not_passed() -> None:
    pools = web(3)
    sold, *between, bought = TOKENS
    avoid = {address for address, pool in pools.items() if set(pool.tokens) == {sold, bought}}
    for best in Ways(pools, intermediates=between[:1]).sales(pools, sold, bought, 10**18, avoid=avoid):
        hops = best.route.hops
        assert not avoid & {hop.pool for hop in hops}
        assert {hop.token_out for hop in hops[:-1]} <= set(between[:1])
    assert Ways(pools, intermediates=()).sales(pools, sold, bought, 10**18, avoid=avoid) == ()
    (one, *_) = between
    for best in Ways(pools, intermediates=between, never={one}).sales(pools, sold, bought, 10**18):
        assert one not in {hop.token_out for hop in best.route.hops}
