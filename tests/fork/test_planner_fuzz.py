"""What the planner predicts is what happens, and nothing else would have earned more: on random markets.

Each case is one borrower of one random market: prices of the feeds, and pools that do not quite follow them.
The plan is executed for real, alone in its block, and taken back; other sizes and pairs are tried in
simulations of the very transaction that would do them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

from keeper.devnet import Devnet
from keeper.devnet.tokens import TOKENS
from keeper.domain.declined import Declined
from keeper.domain.observation import Observation
from keeper.domain.plan import Objective, Plan
from keeper.domain.position import Opportunity
from keeper.domain.state import Mined
from keeper.engine import Considered
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.flash.balancer_v2 import BalancerV2Flash
from keeper.flash.morpho_blue import MorphoBlueFlash
from keeper.flash.uniswap_v3 import UniswapV3Flash
from keeper.planner.assembly import Closing, transaction
from keeper.planner.options import PlannerOptions
from keeper.planner.pairs import Pair, funded
from keeper.planner.sizing import Evaluation, evaluate, value_wei
from keeper.query import Simulated, SimulatedCall, run, settle, simulate
from tests.fork.keeper_stage import Stage, stage

LIQUIDATION_CALL = "0xe413a321e8681d831f4dbccbca790d2952b56f977908e45be37335533e005286"
MOST_OF_A_MARKET = 8
SIMULATED_AT_ONCE = 40
_T = TypeVar("_T")
_VOLATILE = ("WETH", "WBTC", "wstETH")


def options_for(devnet: Devnet) -> PlannerOptions:
    addresses = devnet.addresses
    return PlannerOptions(
        intermediates=(addresses.weth, addresses.tokens["USDC"], addresses.tokens["USDT"]),
        min_profit_wei=1,
        min_profit_gas_ratio_bps=0,
        max_oracle_divergence_bps=5_000,
    )


def random_market(devnet: Devnet, draw: Random) -> None:
    """Mine a market in which many are unhealthy, and pools that are some way off the feeds."""
    fall = math.exp(draw.uniform(math.log(0.55), math.log(0.97)))
    prices = {
        symbol: max(int(spec.price_base * fall * draw.uniform(0.93, 1.07)), 1)
        if symbol in _VOLATILE
        else int(spec.price_base * draw.uniform(0.985, 1.015))
        for symbol, spec in TOKENS.items()
    }
    if draw.random() < 0.4:  # staked Ether breaks: who owes Ether against it is unhealthy
        prices["wstETH"] = int(prices["wstETH"] * draw.uniform(0.75, 0.97))
    devnet.market_block(prices, base_fee_wei=int(10 ** draw.uniform(8, 10.3)))
    devnet.arbitrage({symbol: int(price * draw.uniform(0.992, 1.008)) for symbol, price in prices.items()})
    devnet.mine()


async def markets(on: Stage, draw: Random) -> AsyncIterator[tuple[Observation, tuple[Considered, ...]]]:
    """Yield random markets, each on the devnet's first state, with what is decided on each borrower alone."""
    rpc = on.devnet.anvil.rpc
    while True:
        snapshot = rpc("evm_snapshot")
        random_market(on.devnet, draw)
        seen = await on.engine.observe(await on.head())
        few = draw.sample(seen.opportunities, min(MOST_OF_A_MARKET, len(seen.opportunities)))
        considered = [
            one
            for opportunity in few
            for one in await on.engine.decide(replace(seen, opportunities=(opportunity,)))
        ]
        yield seen, tuple(considered)
        rpc("evm_revert", snapshot)


def plans(considered: tuple[Considered, ...], counts: Counter[str]) -> Iterator[tuple[Considered, Plan]]:
    for one in considered:
        if isinstance(one.decision, Plan):
            yield one, one.decision
        else:
            counts[f"declined: {one.decision.reason.value}"] += 1


# --- what was predicted is what happens ---------------------------------------------------------------------


async def test_decide__random_markets_and_pools__every_plan_earns_to_the_wei_what_it_predicts(
    manual_devnet: Devnet, full: bool
) -> None:
    cases = 2_000 if full else 60
    draw, counts = Random(11), Counter[str]()
    objectives = list(Objective)
    async with stage(manual_devnet, options_for(manual_devnet)) as on:
        await on.engine.observe(await on.head())
        async for _, considered in markets(on, draw):
            for _, plan in plans(considered, counts):
                assert_happens(on, plan, counts)
                counts["executed"] += 1
            # the next market is decided upon with another objective
            objective = draw.choice(objectives)
            on.planner = replace(on.planner, options=replace(on.planner.options, objective=objective))
            on.engine._decider.planner = on.planner
            if counts["executed"] >= cases:
                break
    print(dict(counts))
    least = cases // 60
    assert counts["declined: simulation"] == 0, "every simulation agrees with its prediction"
    for class_, share in (
        ("split", 3), ("over an intermediate", 3), ("debt is native", 2), ("collateral is native", 3),
        ("part", 10), ("clears", 3), ("crosses ticks", 10),
        ("$1M or more", 2), ("less than $10k", 5),
    ):  # fmt: skip
        assert counts[class_] >= least * share, class_


def assert_happens(on: Stage, plan: Plan, counts: Counter[str]) -> None:
    """Execute the plan alone in a block, hold it to its prediction, and take it back."""
    close, rpc = plan.draft.close, on.devnet.anvil.rpc
    before_wei = on.vault_wei()
    snapshot = rpc("evm_snapshot")
    (receipt,) = on.execute([plan])
    assert receipt["status"] == "0x1"
    assert on.vault_wei() - before_wei == plan.waterfall.vault_wei
    logs = [log for log in receipt["logs"] if log["topics"][0] == LIQUIDATION_CALL]  # type: ignore[index]
    told = [log["data"].removeprefix("0x") for log in logs]  # type: ignore[index]
    assert [(int(data[:64], 16), int(data[64:128], 16)) for data in told] == [
        (one.repaid.raw, one.seized.raw) for one in plan.draft.closes
    ]
    counts["closes in a row"] += len(told) > 1
    counts["several collaterals"] += len({one.seized.token for one in plan.draft.closes}) > 1
    counts["more than two closes"] += len(told) > 2
    gas_used = int(receipt["gasUsed"], 16)
    assert abs(gas_used - plan.gas_used) * 50 <= gas_used
    rpc("evm_revert", snapshot)

    flows = (*close.buys, *close.sells)
    weth = on.devnet.addresses.weth
    repaid_usd = (
        close.repaid.raw / close.repaid.token.unit_raw * TOKENS[close.repaid.token.symbol].price_base / 1e8
    )
    counts["split"] += len(close.buys) > 1 or len(close.sells) > 1
    counts["over an intermediate"] += any(len(flow.route.hops) > 1 for flow in flows)
    counts["three hops"] += any(len(flow.route.hops) > 2 for flow in flows)
    counts["debt is native"] += close.repaid.token.address == weth
    counts["collateral is native"] += close.seized.token.address == weth
    counts["part" if close.close_factor_bps < 10_000 else "clears"] += 1
    counts["$1M or more"] += repaid_usd >= 1e6
    counts["less than $10k"] += repaid_usd < 1e4
    counts["crosses ticks"] += plan.gas_used > 700_000
    counts["gas to the unit"] += gas_used == plan.gas_used


# --- nothing else would have earned more --------------------------------------------------------------------


async def test_decide__other_sizes_pairs_and_fundings__none_earns_more(
    manual_devnet: Devnet, full: bool
) -> None:
    """By more than 0.01 % of the seized value, after gas: the gas is in no closed form."""
    cases, sizes = (200, 200) if full else (10, 30)
    draw, counts = Random(12), Counter[str]()
    there = manual_devnet.addresses
    lenders = (
        AaveV3Flash(pool=there.pool),
        MorphoBlueFlash(morpho=there.morpho),
        BalancerV2Flash(vault=there.balancer),
        UniswapV3Flash(factory=there.factory, beside=(there.weth, there.tokens["USDC"])),
    )
    async with stage(manual_devnet, options_for(manual_devnet), lenders=lenders) as on:
        await on.engine.observe(await on.head())
        async for seen, considered in markets(on, draw):
            for one, plan in plans(considered, counts):
                if counts["cases"] < cases:
                    counts["cases"] += 1
                    await assert_best(on, seen, one, plan, draw, sizes, counts)
            if counts["cases"] >= cases:
                break
    print(dict(counts))
    assert counts["simulated"] >= cases * sizes * 8 // 10
    assert counts["of another pair"] >= cases
    assert counts["of another funding"] >= cases * sizes // 4
    assert len([name for name in counts if name.startswith("funded by")]) >= 3


async def assert_best(
    on: Stage,
    seen: Observation,
    one: Considered,
    plan: Plan,
    draw: Random,
    sizes: int,
    counts: Counter[str],
) -> None:
    assert one.proposal is not None
    pairs = [pair for pair in one.proposal.pairs if isinstance(pair, Pair)]
    tried: list[tuple[Pair, Evaluation]] = []
    for place in range(sizes):
        pair = otherwise_funded(on, seen, draw.choice(pairs), draw)
        interval = draw.choice(pair.terms.feasible)
        span = interval.most_raw - interval.least_raw
        near = pair.best.repay_raw * draw.uniform(0.8, 1.25)
        drawn = int(near) if place % 2 else interval.least_raw + int(span * draw.random())
        size = evaluate(pair.trade, min(max(drawn, interval.least_raw), interval.most_raw))
        if isinstance(size, Evaluation) and size.profit_wei > 0:
            tried.append((pair, size))
            counts["of another funding"] += pair.funding.name != plan.draft.funding
            counts[f"funded by {pair.funding.name.partition(':')[0]}"] += 1
            counts["of another pair"] += (pair.terms.collateral, pair.terms.debt) != (
                plan.draft.close.seized.token,
                plan.draft.close.repaid.token,
            )
    results = await simulated(on, seen, one.opportunity, tried)
    price_wei = seen.block.base_fee_wei + on.planner.options.priority_fee_wei
    close = plan.draft.close
    chosen = next(
        pair
        for pair in pairs
        if (pair.terms.collateral, pair.terms.debt) == (close.seized.token, close.repaid.token)
    )
    seized_wei = value_wei(chosen.trade, collateral_raw=close.seized.raw)
    for (_, size), result in zip(tried, results, strict=True):
        assert not result.reverted
        assert int.from_bytes(result.returned[:32], "big") == size.profit_wei
        net_wei = size.profit_wei - result.gas_used * price_wei
        assert net_wei - plan.waterfall.net_wei <= seized_wei // 10_000
        counts["simulated"] += 1


def otherwise_funded(on: Stage, seen: Observation, pair: Pair, draw: Random) -> Pair:
    """Return the pair on one of the fundings that there are, and that its own routes are not locked by."""
    routes = (*pair.trade.buys, *pair.trade.sells)
    used = {hop.pool for route in routes for hop in route.hops}
    fundings = on.planner.desk.fundings(pair.terms, seen.offers)
    assert not isinstance(fundings, Declined)
    funding = draw.choice([one for one in fundings if one.locks not in used])
    return replace(pair, funding=funding, trade=funded(pair.trade, funding))


async def simulated(
    on: Stage, seen: Observation, opportunity: Opportunity, tried: list[tuple[Pair, Evaluation]]
) -> list[Simulated]:
    """Return what became of each size, alone in the next block, with no floor to fail."""
    desk = on.planner.desk
    made = [
        transaction(
            desk,
            [Closing(pair.terms, size, pair.funding)],
            floor_wei=0,
            deadline_s=seen.deadline_s,
            options=on.planner.options,
        )
        for pair, size in tried
    ]
    queries = [simulate((SimulatedCall(desk.operator, one.to, one.data),), seen.block) for one in made]
    results: list[Simulated] = []
    for page in batched(queries, SIMULATED_AT_ONCE):
        answers = await run(settle(page), Mined(hash=seen.head.hash), on.engine._world)
        results += [answer[0] for answer in answers if isinstance(answer, tuple)]
    assert len(results) == len(tried)
    return results


def batched(queries: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (queries[start : start + size] for start in range(0, len(queries), size))
