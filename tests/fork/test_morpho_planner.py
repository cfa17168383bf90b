"""Morpho beside Aave: what is predicted of its liquidations is what happens, to the wei."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from keeper.devnet import Devnet
from keeper.devnet.proxy import Proxy
from keeper.devnet.scenario import crash
from keeper.domain.declined import Declined, Reason
from keeper.domain.plan import Objective, Plan
from keeper.planner.options import PlannerOptions
from tests.fork.keeper_stage import aave_book, morpho_book, pre_book, stage

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
    books = (aave_book(manual_devnet), morpho_book(manual_devnet))
    async with stage(manual_devnet, options_for(manual_devnet, objective=objective), books=books) as on:
        await on.engine.observe(await on.head())
        for step in crash(seed=3, steps=5):
            manual_devnet.market_block(step.prices_base, base_fee_wei=step.base_fee_wei)
            seen = await on.engine.observe(await on.head())
            considered = await on.engine.decide(seen)
            plans = [one.decision for one in considered if isinstance(one.decision, Plan)]
            for one in considered:
                if one.opportunity.market.startswith("morpho") and isinstance(one.decision, Declined):
                    counts[one.decision.reason.value] += 1
            before_wei = on.vault_wei()
            receipts = on.execute(plans)
            assert [receipt["status"] for receipt in receipts] == ["0x1"] * len(plans)
            predicted_wei = sum(plan.waterfall.vault_wei for plan in plans)
            assert on.vault_wei() - before_wei == predicted_wei
            closed_in: set[str] = set()
            for plan, receipt in zip(plans, receipts, strict=True):
                assert int(receipt["gasUsed"], 16) == plan.gas_used
                if not plan.draft.market.startswith("morpho"):
                    counts["Aave's"] += 1
                    continue
                assert plan.draft.close.flash_fee.raw == 0
                counts["Morpho's"] += 1
                counts["behind another of its market"] += plan.draft.market in closed_in
                closed_in.add(plan.draft.market)
                counts["in part"] += plan.draft.close.close_factor_bps < 10_000
                counts["whole"] += plan.draft.close.close_factor_bps == 10_000
                counts["debt is native"] += plan.draft.close.repaid.token.symbol == "WETH"
    print(dict(counts))
    assert counts["Morpho's"] >= 5
    assert counts["Aave's"] >= 5
    assert counts["behind another of its market"] >= 1, "whose shares are then worth a unit less"
    assert not counts[Reason.SIMULATION.value], "every simulation agrees with its prediction"


async def test_observe__three_protocols__a_quiet_heads_reads_are_one_request(
    manual_devnet: Devnet,
) -> None:
    books = (aave_book(manual_devnet), morpho_book(manual_devnet), pre_book(manual_devnet))
    async with (
        Proxy(manual_devnet.anvil.url) as proxy,
        stage(manual_devnet, options_for(manual_devnet), books=books, url=proxy.url) as on,
    ):
        await on.engine.observe(await on.head())
        manual_devnet.mine()
        await on.engine.observe(await on.head())

        manual_devnet.mine()
        head = await on.head()
        proxy.seen.clear()
        seen = await on.engine.observe(head)
        assert len(proxy.seen) == 1
        assert all(book.head == head for book in on.watcher.books) and not seen.skipped

        moved = {symbol: int(manual_devnet.price_base(symbol) * 0.9) for symbol in ("WETH", "wstETH")}
        manual_devnet.market_block(moved)
        head = await on.head()
        proxy.seen.clear()
        seen = await on.engine.observe(head)
        assert {one.market.partition(":")[0] for one in seen.opportunities} == {
            *("aave-v3", "morpho", "morpho-pre")
        }
        assert sum("eth_getLogs" in methods for methods in proxy.seen) == 1
        assert len(proxy.seen) <= 4, "one a round: where prices moved, the pools' new ticks take three more"
