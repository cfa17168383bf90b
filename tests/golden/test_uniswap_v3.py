"""The pool's arithmetic against 322 answers of the real pool and of QuoterV2."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from keeper.domain.address import Address
from keeper.venues.uniswap_v3 import PoolKey, State, Ticks, V3Pool, Walk
from keeper.venues.uniswap_v3.tick_math import MAX_SQRT_RATIO, MIN_SQRT_RATIO, tick_at_sqrt_ratio

TOKEN0 = Address(b"\x01" * 20)
TOKEN1 = Address(b"\x02" * 20)

Case = dict[str, Any]


@cache
def recorded() -> Case:
    path = Path(__file__).parent / "uniswap_v3.json.gz"
    loaded: Case = json.loads(gzip.decompress(path.read_bytes()))
    return loaded


@cache
def pool_of(pool_id: int) -> V3Pool:
    (recipe,) = [pool for pool in recorded()["pools"] if pool["id"] == pool_id]
    ticks = recipe["initializedTicks"]
    return V3Pool(
        key=PoolKey(
            address=Address(pool_id.to_bytes(20)),
            token0=TOKEN0,
            token1=TOKEN1,
            fee_ppm=recipe["fee"],
            tick_spacing=recipe["tickSpacing"],
        ),
        ticks=Ticks(
            spacing=recipe["tickSpacing"],
            initialised=tuple(tick["tick"] for tick in ticks),
            liquidity_net=tuple(int(tick["liquidityNet"]) for tick in ticks),
        ),
        state=State(
            int(recipe["sqrtPriceX96"]),
            int(recipe["liquidity"]),
            below=recipe["tick"] < tick_at_sqrt_ratio(int(recipe["sqrtPriceX96"])),
        ),
    )


def cases(*, limited: bool) -> list[Any]:
    return [
        pytest.param(case, id=str(case["id"]))
        for case in recorded()["cases"]
        if ("with_price_limit" in case["classes"]) == limited
    ]


def test_recorded__cases__cover_every_class() -> None:
    counts: dict[str, int] = {}
    for case in recorded()["cases"]:
        for name in case["classes"]:
            counts[name] = counts.get(name, 0) + 1
    print(counts)
    assert counts == recorded()["header"]["counts"]
    assert len(recorded()["cases"]) == 322
    assert len({pool["fee"] for pool in recorded()["pools"]}) == 4


@pytest.mark.parametrize("case", cases(limited=False) + cases(limited=True))
def test_walk__recorded_swap__equals_the_pool_and_its_quoter(case: Case) -> None:
    pool = pool_of(case["poolId"])
    walk = Walk(
        pool.ticks,
        pool.state,
        fee_ppm=pool.fee_ppm,
        zero_for_one=case["zeroForOne"],
        limit_x96=int(case["sqrtPriceLimitX96"]),
    )
    moved = (walk.exact_in if case["exactInput"] else walk.exact_out)(int(case["amount"]))
    answer = case["expected"]["swap"]
    amounts = (moved.amount_in, -moved.amount_out)
    assert amounts == (
        (int(answer["amount0"]), int(answer["amount1"]))
        if case["zeroForOne"]
        else (int(answer["amount1"]), int(answer["amount0"]))
    )
    assert moved.state.sqrt_price_x96 == int(answer["sqrtPriceX96After"])
    assert moved.state.tick == answer["tickAfter"]
    assert moved.state.liquidity == int(answer["liquidityAfter"])
    quote = case["expected"]["quoterV2"]
    if quote["reverted"]:  # an exact output that the pool cannot fill, asked for without a limit
        assert "exhausts_liquidity" in case["classes"] and not case["exactInput"]
    else:
        assert (moved.amount_out if case["exactInput"] else moved.amount_in) == int(quote["amount"])
        assert moved.state.sqrt_price_x96 == int(quote["sqrtPriceX96After"])


@pytest.mark.parametrize("case", cases(limited=False))
def test_v3_pool__recorded_swap__equals_the_pool(case: Case) -> None:
    pool = pool_of(case["poolId"])
    assert int(case["sqrtPriceLimitX96"]) == (
        MIN_SQRT_RATIO + 1 if case["zeroForOne"] else MAX_SQRT_RATIO - 1
    )
    sold, bought = (TOKEN0, TOKEN1) if case["zeroForOne"] else (TOKEN1, TOKEN0)
    amount = int(case["amount"])
    swap = pool.sell(sold, amount) if case["exactInput"] else pool.buy(bought, amount)
    answer = case["expected"]["swap"]
    assert {swap.amount_in_raw, -swap.amount_out_raw} == {int(answer["amount0"]), int(answer["amount1"])}
    assert isinstance(swap.after, V3Pool)
    assert swap.after.state.sqrt_price_x96 == int(answer["sqrtPriceX96After"])
    assert swap.exhausted == ("exhausts_liquidity" in case["classes"])
