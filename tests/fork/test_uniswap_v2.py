"""Pairs of the real Uniswap V2: read by the venue's own queries, they swap as its router does, to the wei."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random

import pytest
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from keeper.devnet.devnet import Devnet
from keeper.devnet.uniswap_v2 import PAIRS
from keeper.domain.address import Address
from keeper.domain.depth import Hop, Pool, Route
from keeper.planner.routing import buy_through, sell_through
from keeper.query import Reverted
from keeper.venues.uniswap_v2 import UniswapV2
from tests.fork.uniswap_v3_stage import Stage

SWAPS = 300


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Devnet.start() as devnet:
        yield Stage(devnet)


def venue(stage: Stage) -> UniswapV2:
    return UniswapV2(factory=stage.addresses.v2_factory, router=stage.addresses.v2_router)


async def pairs(stage: Stage, there: UniswapV2) -> Mapping[Address, Pool]:
    tokens = stage.addresses.tokens
    symbols = [tuple(name.split("/")) for name in PAIRS]
    found = await stage.ask(there.discover([(tokens[one], tokens[other]) for one, other in symbols]))
    loaded: Mapping[Address, Pool] = await stage.ask(there.load(found))
    return loaded


def routes(pools: Mapping[Address, Pool]) -> list[Route]:
    """Return every route through one pair, and through two that share a token."""
    hops = [
        Hop(pool=pool.address, venue=pool.venue, token_in=one, token_out=other, fee_ppm=pool.fee_ppm)
        for pool in pools.values()
        for one, other in (pool.tokens, pool.tokens[::-1])
    ]
    return [
        *(Route(hops=(hop,)) for hop in hops),
        *(
            Route(hops=(first, second))
            for first in hops
            for second in hops
            if first.token_out == second.token_in and first.pool != second.pool
        ),
    ]


def amounts(stage: Stage, name: str, amount: int, route: Route) -> tuple[int, ...] | None:
    """Return what the router says passes each token of a route, None where it refuses."""
    path = [route.hops[0].token_in, *(hop.token_out for hop in route.hops)]
    data = keccak(text=f"{name}(uint256,address[])")[:4] + encode(["uint256", "address[]"], [amount, path])
    answer = stage.call(stage.addresses.v2_router, data)
    return None if isinstance(answer, Reverted) else tuple(decode(["uint256[]"], answer)[0])


async def test_swaps__random__equal_the_routers_to_the_wei(stage: Stage) -> None:
    draw, counts = Random(1), Counter[str]()
    pools = await pairs(stage, venue(stage))
    assert set(pools) == set(stage.addresses.v2_pairs.values())
    ways = routes(pools)
    for _ in range(SWAPS):
        route = draw.choice(ways)
        exact_in = draw.random() < 0.5
        depth = sell_through(pools, route, 10**30).amount_out_raw if not exact_in else 10**30
        amount = max(1, int(depth ** draw.random() * draw.uniform(0.5, 1.2)))
        passage = (sell_through if exact_in else buy_through)(pools, route, amount)
        told = amounts(stage, "getAmountsOut" if exact_in else "getAmountsIn", amount, route)
        counts["hops", len(route.hops)] += 1  # type: ignore[index]
        counts["in" if exact_in else "out"] += 1
        if passage.exhausted:
            counts["exhausted"] += 1
            # the router only asks the pair to give nothing, or overfill it: the pair then refuses
            assert told is None or told[-1] == 0 or max(told) > 2**100
            continue
        assert told is not None
        assert (passage.amount_in_raw, passage.amount_out_raw) == (told[0], told[-1])
        counts["equal"] += 1
    assert counts["equal"] > SWAPS * 0.7
    assert counts["exhausted"] > 5
    assert min(counts["in"], counts["out"]) > SWAPS // 3


async def test_calls__sent_to_the_router__move_what_was_predicted(stage: Stage) -> None:
    """The market's maker, who holds everything and has approved the router, makes the executor's calls."""
    draw, there, market = Random(2), venue(stage), stage.devnet.market.address
    pools = await pairs(stage, there)
    for route in routes(pools):
        first = pools[route.hops[0].pool]
        (segment,) = first.segments(route.hops[0].token_in)
        reserve_in = segment.b // 1_000_000
        sold = sell_through(pools, route, reserve_in // 10 ** draw.randint(2, 5))
        assert not sold.exhausted
        amount = sold.amount_in_raw
        least = sold.amount_out_raw
        call = there.sell(route, amount_in_raw=amount, least_out_raw=least, recipient=market)
        answer = stage.call(call.target, call.data, sender=market)
        assert not isinstance(answer, Reverted)
        assert decode(["uint256[]"], answer)[0][-1] == least
        bought = buy_through(pools, route, least)
        call = there.buy(route, amount_out_raw=least, most_in_raw=bought.amount_in_raw, recipient=market)
        answer = stage.call(call.target, call.data, sender=market)
        assert not isinstance(answer, Reverted)
        assert decode(["uint256[]"], answer)[0][0] == bought.amount_in_raw
        for refused in (
            there.sell(route, amount_in_raw=amount, least_out_raw=least + 1, recipient=market),
            there.buy(route, amount_out_raw=least, most_in_raw=bought.amount_in_raw - 1, recipient=market),
        ):
            assert isinstance(stage.call(refused.target, refused.data, sender=market), Reverted)


async def test_load__after_real_swaps__is_what_was_predicted(stage: Stage) -> None:
    there, market = venue(stage), stage.devnet.market.address
    pools = await pairs(stage, there)
    for pool in pools.values():
        token_in, token_out = pool.tokens
        hop = Hop(
            pool=pool.address, venue=pool.venue, token_in=token_in, token_out=token_out, fee_ppm=pool.fee_ppm
        )
        amount = 10**12
        predicted = pool.sell(token_in, amount)
        call = there.sell(Route(hops=(hop,)), amount_in_raw=amount, least_out_raw=0, recipient=market)
        stage.devnet.chain.send(market, call.target, call.data)
        after = (await stage.ask(there.load([pool.address])))[pool.address]
        assert after == predicted.after


async def test_arbitrage__market_moves__pairs_stand_at_the_price_again(stage: Stage) -> None:
    there = venue(stage)
    stage.devnet.market_block({"WETH": stage.devnet.price_base("WETH") * 8 // 10})
    prices, tokens = stage.devnet.prices_base(), stage.addresses.tokens
    decimals = {"WETH": 18, "WBTC": 8, "USDC": 6, "USDT": 6}
    by_address = {address: symbol for symbol, address in tokens.items()}
    for pool in (await pairs(stage, there)).values():
        one, other = (by_address[token] for token in pool.tokens)
        (segment,) = pool.segments(pool.tokens[0])
        price = segment.a / segment.b / 0.997 * 10 ** (decimals[one] - decimals[other])
        assert price == pytest.approx(prices[one] / prices[other], rel=1e-5)
