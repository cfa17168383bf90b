"""Several closes of one borrower in one transaction, on the real pool: predicted and executed to the wei."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from keeper.devnet import Devnet
from keeper.devnet.tokens import TOKENS
from keeper.domain.fixed_point import WAD
from keeper.domain.observation import Observation
from keeper.domain.plan import Draft, Plan
from keeper.domain.position import Opportunity
from tests.fork.keeper_stage import Stage, stage
from tests.fork.test_planner import health_factor_wad
from tests.fork.test_planner_fuzz import assert_happens, options_for

_ENOUGH = {"around the close factor": 3, "several collaterals": 1, "heals nothing": 1}
_MOST_EXECUTED = 4
"""Of each kind."""
_WHOLE_FROM_WAD = 95 * WAD // 100
"""At or below this health one call may close the whole debt."""


def falls() -> Iterator[dict[str, float]]:
    """Yield markets, each as what is left of some prices: all fall a little, then staked Ether breaks."""
    for step in range(2, 5):
        yield dict.fromkeys(("WETH", "WBTC", "wstETH"), 1 - step / 80)
    for step in range(1, 40):
        yield {"wstETH": 1 - step / 250}


async def test_decide__one_call_may_not_close_all_that_pays__closed_in_a_row_as_predicted(
    manual_devnet: Devnet,
) -> None:
    counts: Counter[str] = Counter()
    async with stage(manual_devnet, options_for(manual_devnet)) as on:
        await on.engine.observe(await on.head())
        for fall in falls():
            await look(on, fall, counts)
            if all(counts[kind] >= least for kind, least in _ENOUGH.items()):
                break
    print(dict(counts))
    for kind, least in _ENOUGH.items():
        assert counts[kind] >= least, kind


async def look(on: Stage, fall: dict[str, float], counts: Counter[str]) -> None:
    """Decide on whom one call may not close whole, and execute what has several closes; take it all back."""
    rpc = on.devnet.anvil.rpc
    snapshot = rpc("evm_snapshot")
    on.devnet.market_block(
        {symbol: int(spec.price_base * fall.get(symbol, 1)) for symbol, spec in TOKENS.items()}
    )
    on.devnet.arbitrage()
    on.devnet.mine()
    seen = await on.engine.observe(await on.head())
    partly = [one for one in seen.opportunities if one.health.health_factor_wad > _WHOLE_FROM_WAD]
    for opportunity in partly:
        (one,) = await on.engine.decide(replace(seen, opportunities=(opportunity,)))
        if not isinstance(plan := one.decision, Plan) or len(plan.draft.closes) == 1:
            counts["one close"] += isinstance(one.decision, Plan)
            continue
        assert one.proposal is not None
        alone = [
            each.draft.waterfall.vault_wei for each in one.proposal.drafts if len(each.draft.closes) == 1
        ]
        assert plan.draft.waterfall.vault_wei > max(alone)
        assert closes_at_most(on, 1, seen, opportunity) == 1
        counts[kind(plan.draft)] += 1
        if counts[kind(plan.draft)] <= _MOST_EXECUTED:
            assert_happens(on, plan, counts)
            assert_heals_as_predicted(on, plan)
    rpc("evm_revert", snapshot)


def closes_at_most(on: Stage, most_closes: int, seen: Observation, opportunity: Opportunity) -> int:
    """Return how many closes are proposed in a row where the operator allows so many."""
    options = replace(on.planner.options, most_closes=most_closes)
    (proposal,) = replace(on.planner, options=options).propose(seen, [opportunity])
    return max(len(each.draft.closes) for each in proposal.drafts)


def kind(draft: Draft) -> str:
    first = draft.closes[0]
    if len({close.seized.token for close in draft.closes}) > 1:
        return "several collaterals"
    if first.health_factor_after_wad <= draft.health_factor_wad:
        return "heals nothing"
    return "around the close factor"


def assert_heals_as_predicted(on: Stage, plan: Plan) -> None:
    """Execute the plan once more, and hold the borrower's health to the last close's."""
    rpc = on.devnet.anvil.rpc
    snapshot = rpc("evm_snapshot")
    (receipt,) = on.execute([plan])
    assert receipt["status"] == "0x1"
    *before, last = plan.draft.closes
    assert health_factor_wad(on, plan.draft.borrower) == last.health_factor_after_wad
    assert all(close.health_factor_after_wad < WAD for close in before)
    rpc("evm_revert", snapshot)
