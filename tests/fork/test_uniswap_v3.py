"""The venue on the real contracts: pools read by its own queries swap as QuoterV2 says, to the wei."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random

import pytest

from keeper.domain.address import Address
from keeper.domain.depth import Hop, Pool, Route
from keeper.planner.routing import Passage, buy_through, sell_through
from keeper.query import Reverted
from keeper.venues.uniswap_v3 import V3Pool
from tests.fork.uniswap_v3_stage import SPACING_BY_FEE_PPM, Stage, staged, ticks_crossed
from tests.routes import routes

PAIRS = (
    ("WBTC", "USDT"),
    ("WETH", "USDC"),
    ("WBTC", "WETH"),
    ("WBTC", "USDC"),
    ("wstETH", "WETH"),
    ("USDC", "USDT"),
    ("WETH", "USDT"),
)
SINGLE_SWAPS, ROUTE_SWAPS, EXHAUSTING_SWAPS = 420, 100, 60


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as running:
        yield running


def direct(pool: Pool, token_in: Address) -> Route:
    (token_out,) = set(pool.tokens) - {token_in}
    hop = Hop(
        pool=pool.address, venue="uniswap-v3", token_in=token_in, token_out=token_out, fee_ppm=pool.fee_ppm
    )
    return Route(hops=(hop,))


def capacity(pools: Mapping[Address, Pool], route: Route) -> tuple[int, int]:
    """Return about how much a route takes in, and gives, before it is exhausted."""
    amount_in = 10**40
    for hop in reversed(route.hops):
        whole = pools[hop.pool].sell(hop.token_in, amount_in)
        amount_in = pools[hop.pool].buy(hop.token_out, min(whole.amount_out_raw, amount_in)).amount_in_raw
    return amount_in, sell_through(pools, route, amount_in).amount_out_raw


def passed(pools: Mapping[Address, Pool], route: Route, *, exact_in: bool, amount: int) -> Passage:
    return (sell_through if exact_in else buy_through)(pools, route, amount)


def prices_after(passage: Passage, route: Route, *, exact_in: bool) -> tuple[int, ...]:
    """Return each pool's price after a passage, in the order in which the quoter gives them."""
    hops: Sequence[Hop] = route.hops if exact_in else route.hops[::-1]
    after = [passage.after[hop.pool] for hop in hops]
    return tuple(pool.state.sqrt_price_x96 for pool in after if isinstance(pool, V3Pool))


async def test_swaps__random__equal_quoter_v2_to_the_wei(stage: Stage) -> None:
    draw = Random(1)
    pools = await stage.pools(*PAIRS)
    counts: Counter[str] = Counter()
    ragged = [
        pool for pool in pools.values() if isinstance(pool, V3Pool) and len(pool.ticks.initialised) > 20
    ]
    assert len(ragged) == len(SPACING_BY_FEE_PPM)
    for _ in range(SINGLE_SWAPS):
        pool = draw.choice(ragged if draw.random() < 0.4 else list(pools.values()))
        route = direct(pool, pool.tokens[draw.randrange(2)])
        hold_one(stage, pools, route, draw, counts)
    weth, usdc, usdt, wbtc = (stage.addresses.tokens[one] for one in ("WETH", "USDC", "USDT", "WBTC"))
    hopping = [
        route
        for sold, bought, through in ((wbtc, usdt, weth), (usdc, wbtc, weth), (weth, usdt, usdc))
        for route in (
            *routes(pools, sold, bought, intermediates=(through,)),
            *routes(pools, bought, sold, intermediates=(through,)),
        )
        if len(route.hops) == 2
    ]
    for at in range(ROUTE_SWAPS):
        hold_one(stage, pools, hopping[at * len(hopping) // ROUTE_SWAPS], draw, counts)
    print(dict(counts))
    assert counts["swaps"] == SINGLE_SWAPS + ROUTE_SWAPS - counts["refused"] >= 500
    assert counts["3 ticks or more"] >= 200
    assert counts["10 ticks or more"] >= 30
    assert counts["two pools"] >= 90
    for side in ("token0 in", "token1 in", "exact in", "exact out"):
        assert counts[side] >= 150
    for fee_ppm in SPACING_BY_FEE_PPM:
        assert counts[f"fee {fee_ppm}"] >= 25


def hold_one(
    stage: Stage, pools: Mapping[Address, Pool], route: Route, draw: Random, counts: Counter[str]
) -> None:
    """Hold one swap, of anything from a few units to nearly all there is, against the quoter."""
    exact_in = draw.random() < 0.5
    most = capacity(pools, route)[0 if exact_in else 1]
    amount = max(
        1,
        int(most * 10 ** -draw.choice([draw.uniform(0.005, 0.5), draw.uniform(0, 1.5), draw.uniform(0, 9)])),
    )
    passage = passed(pools, route, exact_in=exact_in, amount=amount)
    quote = stage.quote(route, exact_in=exact_in, amount=amount)
    if passage.exhausted:  # so little that nothing comes out of the first pool
        assert quote is None and len(route.hops) == 2
        counts["refused"] += 1
        return
    assert quote is not None
    assert quote.amount_raw == (passage.amount_out_raw if exact_in else passage.amount_in_raw)
    assert quote.prices_after_x96 == prices_after(passage, route, exact_in=exact_in)
    crossed = max(ticks_crossed(pools[hop.pool], passage.after[hop.pool]) for hop in route.hops)
    first = route.hops[0]
    counts["swaps"] += 1
    counts["3 ticks or more"] += crossed >= 3
    counts["10 ticks or more"] += crossed >= 10
    counts["two pools"] += len(route.hops) == 2
    counts["exact in" if exact_in else "exact out"] += 1
    counts["token0 in" if first.token_in == pools[first.pool].tokens[0] else "token1 in"] += 1
    for hop in route.hops:
        counts[f"fee {hop.fee_ppm}"] += 1


async def test_swaps__that_exhaust_the_pool__fill_in_part_as_quoter_v2_or_are_refused(stage: Stage) -> None:
    draw = Random(2)
    pools = await stage.pools(*PAIRS)
    counts: Counter[str] = Counter()
    singles = list(pools.values())
    for at in range(EXHAUSTING_SWAPS):
        pool = singles[at % len(singles)]
        exact_in = draw.random() < 0.7
        token_in = pool.tokens[draw.randrange(2)]
        route = direct(pool, token_in)
        most = capacity(pools, route)[0 if exact_in else 1]
        amount = int(most * draw.uniform(1, 3)) + 1
        passage = passed(pools, route, exact_in=exact_in, amount=amount)
        assert passage.exhausted
        quote = stage.quote(route, exact_in=exact_in, amount=amount)
        if exact_in:
            assert quote is not None
            assert quote.amount_raw == passage.amount_out_raw
        else:
            assert quote is None
        counts["exact in" if exact_in else "exact out"] += 1
        counts["token0 in" if token_in == pool.tokens[0] else "token1 in"] += 1
        counts[f"fee {pool.fee_ppm}"] += 1
    print(dict(counts))
    assert sum(counts[side] for side in ("exact in", "exact out")) == EXHAUSTING_SWAPS
    for side in ("token0 in", "token1 in", "exact in", "exact out"):
        assert counts[side] >= 10
    for fee_ppm in SPACING_BY_FEE_PPM:
        assert counts[f"fee {fee_ppm}"] >= 3


async def test_calls__sent_to_the_router__move_what_was_predicted(stage: Stage) -> None:
    """The market's maker, who holds everything and has approved the router, makes the executor's calls."""
    draw = Random(3)
    pools = await stage.pools(*PAIRS)
    market, tokens = stage.devnet.market.address, stage.addresses.tokens
    several = [
        *routes(pools, tokens["WBTC"], tokens["USDT"], intermediates=(tokens["WETH"],)),
        *routes(pools, tokens["USDC"], tokens["WETH"], intermediates=(tokens["USDT"],)),
    ]
    assert {len(route.hops) for route in several} == {1, 2}
    for route in several:
        amount = capacity(pools, route)[1] * draw.randint(1, 40) // 1_000
        bought = buy_through(pools, route, amount)
        call = stage.venue.buy(
            route, amount_out_raw=amount, most_in_raw=bought.amount_in_raw, recipient=market
        )
        assert stage.call(call.target, call.data, sender=market) == bought.amount_in_raw.to_bytes(32)
        sold = sell_through(pools, route, bought.amount_in_raw)
        least = sold.amount_out_raw
        call = stage.venue.sell(
            route, amount_in_raw=bought.amount_in_raw, least_out_raw=least, recipient=market
        )
        assert stage.call(call.target, call.data, sender=market) == sold.amount_out_raw.to_bytes(32)
        # one unit less in, or one more demanded, and the router refuses
        tight = stage.venue.buy(
            route, amount_out_raw=amount, most_in_raw=bought.amount_in_raw - 1, recipient=market
        )
        greedy = stage.venue.sell(
            route, amount_in_raw=bought.amount_in_raw, least_out_raw=least + 1, recipient=market
        )
        for refused in (tight, greedy):
            assert isinstance(stage.call(refused.target, refused.data, sender=market), Reverted)


async def test_load__market_moves__reads_the_pools_again_in_fewer_rounds(stage: Stage) -> None:
    pair = ("WETH", "USDC")
    before = await stage.pools(pair)
    stage.rounds = 0
    assert await stage.pools(pair) == before
    assert stage.rounds == 2, "one to discover, one to load"
    stage.devnet.market_block({"WETH": stage.devnet.price_base("WETH") * 9 // 10})
    after = await stage.pools(pair)
    fresh = Stage(stage.devnet)
    assert after != before
    assert after == await fresh.pools(pair)
    for pool in after.values():
        quote = stage.quote(direct(pool, pool.tokens[0]), exact_in=True, amount=10**9)
        assert quote is not None
        assert quote.amount_raw == pool.sell(pool.tokens[0], 10**9).amount_out_raw


async def test_discover__every_tier_of_a_pair__is_found(stage: Stage) -> None:
    pools = await stage.pools(("USDT", "WBTC"))
    assert sorted(pool.fee_ppm for pool in pools.values()) == sorted(SPACING_BY_FEE_PPM)
    assert await stage.pools(("wstETH", "USDT")) == {}
