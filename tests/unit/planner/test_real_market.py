"""Sizes of closes on a real pool's state, with a real market's bonuses: $10,000 to $20,000,000.

The data is not part of the repository: the folder that ``KEEPER_TEST_DATA`` names, or ``shared/data`` beside
the checkout, holds it; where neither does, these are skipped.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from keeper.domain.address import parse_address
from keeper.domain.depth import Hop, Route
from keeper.domain.fixed_point import mul_div_up
from keeper.domain.token import Token
from keeper.planner.sizing import Evaluation, Trade, evaluate, max_profit
from keeper.venues.uniswap_v3 import PoolKey, State, Ticks, V3Pool
from keeper.venues.uniswap_v3.tick_math import sqrt_ratio_at_tick, tick_at_sqrt_ratio
from tests.unit.planner.linear_terms import LinearTerms

_CHECKOUT = Path(__file__).parents[3]
_DATA = Path(os.environ.get("KEEPER_TEST_DATA") or _CHECKOUT.parent / "shared" / "data")
_POOL = _DATA / "dex_pool_states" / "uniswap_v3_wbtc_weth_block_24407242.json"
_MARKET = _DATA / "market_config" / "aave_v3" / "snapshot.json.gz"

pytestmark = pytest.mark.skipif(
    not (_POOL.exists() and _MARKET.exists()),
    reason="KEEPER_TEST_DATA names no folder with a real pool and a real market",
)

SIZES_USD = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 20_000_000)
ETH_USD = 2_000
"""About: it says how much of the pool a size is, and no more."""
_Q96 = 1 << 96
_PPM = 1_000_000
_GRID = 128


@cache
def told() -> dict[str, Any]:
    pool: dict[str, Any] = json.loads(_POOL.read_text())
    return pool


@cache
def wbtc_weth() -> V3Pool:
    told_ticks = {int(tick): net for tick, (_, net, *_) in told()["tick_data"].items()}
    scalars = told()["scalars"]
    return V3Pool(
        key=PoolKey(
            address=parse_address(told()["pool"]),
            token0=token(0).address,
            token1=token(1).address,
            fee_ppm=scalars["fee"],
            tick_spacing=scalars["tick_spacing"],
        ),
        ticks=Ticks(
            spacing=scalars["tick_spacing"],
            initialised=tuple(sorted(told_ticks)),
            liquidity_net=tuple(told_ticks[tick] for tick in sorted(told_ticks)),
        ),
        state=State(
            scalars["sqrt_price_x96"],
            scalars["liquidity"],
            below=scalars["tick"] < tick_at_sqrt_ratio(scalars["sqrt_price_x96"]),
        ),
    )


def token(side: int) -> Token:
    of = told()[f"token{side}"]
    return Token(address=parse_address(of["address"]), symbol=of["symbol"], decimals=of["decimals"])


# --- a swap, step by step -----------------------------------------------------------------------------------


def swapped(amount_in: int, *, zero_for_one: bool) -> int:
    """Return what an exact-input swap gives, a step to each tick or word's boundary as the pool takes it.

    Mirrors UniswapV3Pool.swap, SwapMath.computeSwapStep and TickBitmap.nextInitializedTickWithinOneWord.
    """
    scalars, spacing = told()["scalars"], told()["scalars"]["tick_spacing"]
    nets = {int(tick): net for tick, (_, net, *_) in told()["tick_data"].items()}
    price, liquidity, tick = scalars["sqrt_price_x96"], scalars["liquidity"], scalars["tick"]
    left, out = amount_in, 0
    while left:
        at = next_tick(tick, spacing, nets, zero_for_one=zero_for_one)
        target = sqrt_ratio_at_tick(at)
        before, price, taken, given, fee = price, *step(price, target, liquidity, left, zero_for_one)
        left -= taken + fee
        out += given
        if price == target:
            if at in nets:
                liquidity += -nets[at] if zero_for_one else nets[at]
            tick = at - 1 if zero_for_one else at
        elif price != before:
            tick = tick_at_sqrt_ratio(price)
    return out


def next_tick(tick: int, spacing: int, nets: dict[int, int], *, zero_for_one: bool) -> int:
    """Return the next tick that has liquidity in its word of 256, or the last of that word."""
    place = tick // spacing
    if zero_for_one:
        end = place // 256 * 256
        return next((one for one in range(place, end, -1) if one * spacing in nets), end) * spacing
    end = (place + 1) // 256 * 256 + 255
    return next((one for one in range(place + 1, end) if one * spacing in nets), end) * spacing


def step(price: int, target: int, liquidity: int, left: int, down: bool) -> tuple[int, int, int, int]:
    """Return the price after one step, what it takes and gives, and its fee."""
    net = left * (_PPM - told()["scalars"]["fee"]) // _PPM
    to_target = (
        amount0(target, price, liquidity, up=True) if down else amount1(price, target, liquidity, up=True)
    )
    if net >= to_target:
        after = target
    elif down:
        numerator = liquidity << 96
        after = -(-numerator * price // (numerator + net * price))
    else:
        after = price + (net << 96) // liquidity
    if down:
        taken, given = amount0(after, price, liquidity, up=True), amount1(after, price, liquidity, up=False)
    else:
        taken, given = amount1(price, after, liquidity, up=True), amount0(price, after, liquidity, up=False)
    if after != target:
        return after, taken, given, left - taken
    fee = told()["scalars"]["fee"]
    return after, taken, given, -(-taken * fee // (_PPM - fee))


def amount0(low: int, high: int, liquidity: int, *, up: bool) -> int:
    if up:
        return -(-mul_div_up(liquidity << 96, high - low, high) // low)
    return (liquidity << 96) * (high - low) // high // low


def amount1(low: int, high: int, liquidity: int, *, up: bool) -> int:
    product = liquidity * (high - low)
    return -(-product // _Q96) if up else product // _Q96


def wbtc_in_weth() -> int:
    """Return what one is worth of the other, whole tokens, rounded down."""
    price_x96: int = told()["scalars"]["sqrt_price_x96"]
    return price_x96**2 * 10**8 // (10**18 << 192)


# --- closes -------------------------------------------------------------------------------------------------


def trade(size_usd: int, *, sells_wbtc: bool) -> Trade:
    """Return a close of that much debt: Aave's bonus and fee of the collateral, the pool's price."""
    collateral, debt = (token(0), token(1)) if sells_wbtc else (token(1), token(0))
    market = json.loads(gzip.decompress(_MARKET.read_bytes()))
    (reserve,) = [one for one in market["reserves"].values() if one["symbol"] == collateral.symbol]
    prices_base = {"WETH": ETH_USD * 10**8, "WBTC": ETH_USD * wbtc_in_weth() * 10**8}
    owed_raw = size_usd * 10**8 * debt.unit_raw // prices_base[debt.symbol]
    worth_raw = size_usd * 10**8 * collateral.unit_raw // prices_base[collateral.symbol]
    hop = Hop(
        pool=wbtc_weth().address,
        venue="uniswap-v3",
        token_in=collateral.address,
        token_out=debt.address,
        fee_ppm=wbtc_weth().fee_ppm,
    )
    route = Route(hops=(hop,))
    return Trade(
        terms=LinearTerms(
            collateral=collateral,
            debt=debt,
            collateral_price_base=prices_base[collateral.symbol],
            debt_price_base=prices_base[debt.symbol],
            balance_raw=worth_raw * 10_000 // reserve["liquidationThreshold"] * 99 // 100,
            owed_raw=owed_raw,
            bonus_bps=reserve["liquidationBonus"],
            protocol_fee_bps=reserve["liquidationProtocolFee"],
            threshold_bps=reserve["liquidationThreshold"],
        ),
        pools={wbtc_weth().address: wbtc_weth()},
        buys=() if sells_wbtc else (route,),
        sells=(route,) if sells_wbtc else (),
        wrapped_native=token(1).address,
        fee_raw=lambda amount_raw: -(-amount_raw * 5 // 10_000),
        available_raw=2**200,
    )


@pytest.mark.parametrize("sells_wbtc", [True, False])
def test_sell__real_pool__the_step_by_step_swap_to_the_unit(sells_wbtc: bool) -> None:
    sold = token(0) if sells_wbtc else token(1)
    for size_usd in SIZES_USD:
        close = trade(size_usd, sells_wbtc=sells_wbtc)
        amount_raw = close.terms.settle(close.terms.feasible[-1].most_raw).seized_raw
        found = wbtc_weth().sell(sold.address, amount_raw)
        assert found.amount_out_raw == swapped(amount_raw, zero_for_one=sells_wbtc)


@pytest.mark.parametrize("size_usd", SIZES_USD)
@pytest.mark.parametrize("sells_wbtc", [True, False])
def test_max_profit__real_pool_and_bonus__no_size_brings_more(size_usd: int, sells_wbtc: bool) -> None:
    close = trade(size_usd, sells_wbtc=sells_wbtc)
    best = max_profit(close)
    assert isinstance(best, Evaluation)
    if sells_wbtc:
        assert best.profit_wei == stepped_profit_wei(close, best.repay_raw)
        found_wei = searched_wei(close, partial(stepped_profit_wei, close))
    else:
        found_wei = searched_wei(close, partial(evaluated_profit_wei, close))
    print(f"${size_usd:,}: {best.repay_raw / close.terms.owed_raw:.1%} closed, {best.profit_wei / 1e18:.4f}")
    unit_wei = -(-(10**18) // 10**8 * wbtc_in_weth())  # what rounding may move
    assert best.profit_wei >= found_wei - 2 * unit_wei


def stepped_profit_wei(close: Trade, repay_raw: int) -> int:
    settlement = close.terms.settle(repay_raw)
    owed_raw = settlement.repaid_limit_raw + close.fee_raw(settlement.repaid_limit_raw)
    return swapped(settlement.seized_raw, zero_for_one=True) - owed_raw


def evaluated_profit_wei(close: Trade, repay_raw: int) -> int:
    one = evaluate(close, repay_raw)
    return one.profit_wei if isinstance(one, Evaluation) else -(2**255)


def searched_wei(close: Trade, profit_wei: Callable[[int], int]) -> int:
    """Return the most that any of many sizes brings: a grid over all, and another around its best."""
    best_raw = max(grid(close, 1, close.terms.feasible[-1].most_raw), key=profit_wei)
    step = close.terms.owed_raw // _GRID
    return max(map(profit_wei, grid(close, best_raw - step, best_raw + step)))


def grid(close: Trade, low_raw: int, high_raw: int) -> list[int]:
    """Return sizes that are feasible, evenly spread, the intervals' ends among them."""
    tried = {low_raw + (high_raw - low_raw) * at // _GRID for at in range(_GRID + 1)}
    for one in close.terms.feasible:
        tried |= {one.least_raw, one.most_raw}
    return [raw for raw in tried if any(one.least_raw <= raw <= one.most_raw for one in close.terms.feasible)]
