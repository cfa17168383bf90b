"""What the planner predicts is what happens: every plan of a crash, executed for real, to the wei."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from web3 import Web3

from keeper.devnet import Devnet
from keeper.devnet.aave import compile_aave
from keeper.devnet.scenario import crash
from keeper.domain.address import checksum
from keeper.domain.declined import Declined, Reason
from keeper.domain.plan import Objective, Plan
from keeper.planner.drafting import Drafted
from keeper.planner.options import PlannerOptions
from tests.fork.keeper_stage import Stage, stage

pytestmark = pytest.mark.asyncio


def options_for(devnet: Devnet, **changes: object) -> PlannerOptions:
    addresses = devnet.addresses
    options = PlannerOptions(intermediates=(addresses.weth, addresses.tokens["USDC"]))
    return replace(options, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("objective", list(Objective))
async def test_decide__every_plan_of_a_crash_executed__earns_what_was_predicted_to_the_wei(
    manual_devnet: Devnet, objective: Objective
) -> None:
    counts: Counter[str] = Counter()
    async with stage(manual_devnet, options_for(manual_devnet, objective=objective)) as on:
        await on.engine.observe(await on.head())
        for step in crash(seed=7, steps=8):
            manual_devnet.market_block(step.prices_base, base_fee_wei=step.base_fee_wei)
            seen = await on.engine.observe(await on.head())
            considered = await on.engine.decide(seen)
            plans = [one.decision for one in considered if isinstance(one.decision, Plan)]
            counts.update(
                one.decision.reason.value for one in considered if isinstance(one.decision, Declined)
            )
            before_wei = on.vault_wei()
            receipts = on.execute(plans)
            assert [receipt["status"] for receipt in receipts] == ["0x1"] * len(plans)
            predicted_wei = sum(plan.waterfall.vault_wei for plan in plans)
            assert on.vault_wei() - before_wei == predicted_wei
            for plan, receipt in zip(plans, receipts, strict=True):
                assert int(receipt["gasUsed"], 16) == plan.gas_used
                counts["liquidated"] += 1
                counts["several in a block"] += len(plans) > 1
                closes = plan.draft.closes
                flows = [flow for close in closes for flow in (*close.buys, *close.sells)]
                counts["closes in a row"] += len(closes) > 1
                counts["over an intermediate"] += any(len(flow.route.hops) > 1 for flow in flows)
                counts["split"] += len(flows) > 2 * len(closes)
                counts["debt is native"] += plan.draft.close.repaid.token.symbol == "WETH"
    print(dict(counts))
    assert counts["liquidated"] >= 10
    assert counts["several in a block"] >= 4
    assert counts["over an intermediate"] >= 1
    assert not counts[Reason.SIMULATION.value], "every simulation agrees with its prediction"


@pytest.mark.parametrize(
    "minimums", [{"min_profit_bps": 100}, {"tip_bps": 5_000, "max_tip_wei": 10**24, "min_profit_wei": 10**17}]
)
async def test_size__max_close_under_minimums__closes_whom_max_profit_closes_and_no_less(
    manual_devnet: Devnet, minimums: dict[str, int]
) -> None:
    counts: Counter[str] = Counter()
    asked = options_for(manual_devnet, max_close_keep_bps=0, **minimums)
    async with stage(manual_devnet, asked) as on:
        await on.engine.observe(await on.head())
        for step in crash(seed=7, steps=6):
            manual_devnet.market_block(step.prices_base)
            seen = await on.engine.observe(await on.head())
            for proposal in on.planner.propose(seen, seen.opportunities):
                for drafted in proposal.drafts:
                    if len(drafted.sized) > 1:
                        continue
                    most_profitable, largest = (
                        on.planner.size(
                            seen, proposal.opportunity, drafted, gas_used=600_000, objective=objective
                        )
                        for objective in (Objective.MAX_PROFIT, Objective.MAX_CLOSE)
                    )
                    if isinstance(most_profitable, Declined):
                        continue
                    assert isinstance(largest, Drafted), largest
                    assert largest.sized[0][1].repay_raw >= most_profitable.sized[0][1].repay_raw
                    counts["sized"] += 1
                    counts["larger"] += largest.sized[0][1].repay_raw > most_profitable.sized[0][1].repay_raw
    assert counts["sized"] >= 10
    assert counts["larger"] >= 5


async def test_decide__restore_health__lands_at_the_target(manual_devnet: Devnet) -> None:
    target_wad = 1_030_000_000_000_000_000
    asked = options_for(
        manual_devnet, objective=Objective.RESTORE_HEALTH, target_health_factor_wad=target_wad
    )
    restored = 0
    async with stage(manual_devnet, asked) as on:
        await on.engine.observe(await on.head())
        for step in crash(seed=3, steps=8):
            manual_devnet.market_block(step.prices_base)
            considered = await on.engine.decide(await on.engine.observe(await on.head()))
            plans = [one.decision for one in considered if isinstance(one.decision, Plan)]
            on.execute(plans)
            for plan in plans:
                health_wad = health_factor_wad(on, plan.draft.borrower)
                if plan.draft.close.close_factor_bps < 10_000:
                    assert target_wad <= health_wad
                    assert health_wad == plan.draft.close.health_factor_after_wad
                    restored += 1
    assert restored >= 3


async def test_decide__restore_health__one_unit_less_would_not_reach_the_target(
    manual_devnet: Devnet,
) -> None:
    target_wad = 1_030_000_000_000_000_000
    tried = 0
    async with stage(manual_devnet, options_for(manual_devnet)) as on:
        await on.engine.observe(await on.head())
        for step in crash(seed=3, steps=8):
            manual_devnet.market_block(step.prices_base)
            seen = await on.engine.observe(await on.head())
            for terms in (terms for one in seen.opportunities for terms in one.terms):
                repay_raw = terms.repay_for_health(target_wad)
                if repay_raw is None:
                    continue
                assert terms.health_after_wad(repay_raw) >= target_wad
                if any(i.least_raw <= repay_raw - 1 <= i.most_raw for i in terms.feasible):
                    assert terms.health_after_wad(repay_raw - 1) < target_wad
                    tried += 1
    assert tried >= 5


async def test_observe__heads_of_a_crash__health_factors_equal_the_pools_own_view(
    manual_devnet: Devnet,
) -> None:
    compared = 0
    async with stage(manual_devnet, options_for(manual_devnet)) as on:
        pool = Web3(Web3.HTTPProvider(manual_devnet.anvil.url)).eth.contract(
            address=checksum(manual_devnet.addresses.pool), abi=compile_aave()["PoolInstance"].abi
        )
        for step in crash(seed=5, steps=4):
            manual_devnet.market_block(step.prices_base)
            head = await on.head()
            await on.engine.observe(head)
            (book,) = on.watcher.books
            for (_, borrower), _, health in book.healths(at_s=head.timestamp_s):
                theirs = pool.functions.getUserAccountData(checksum(borrower)).call(
                    block_identifier=head.number
                )
                assert theirs[0] == health.collateral_base
                assert theirs[1] == health.debt_base
                assert theirs[5] == health.health_factor_wad
                compared += 1
    assert compared >= 4 * 40


def health_factor_wad(on: Stage, borrower: bytes) -> int:
    data = "0xbf92857c" + borrower.rjust(32, b"\0").hex()
    pool = "0x" + on.devnet.addresses.pool.hex()
    answer = on.devnet.anvil.rpc("eth_call", {"to": pool, "data": data}, "latest")
    return int(answer[2 + 5 * 64 : 2 + 6 * 64], 16)
