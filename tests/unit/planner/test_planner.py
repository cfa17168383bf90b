"""Why nothing of a borrower's is drafted, in one word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.plan import Plan
from keeper.domain.position import Health, Opportunity
from keeper.planner.drafting import Drafted
from keeper.planner.funding import OwnCallback
from keeper.planner.pairs import Pair
from keeper.planner.proposal import Proposal
from keeper.planner.sizing import Evaluation, evaluate
from keeper.ports import BidForm
from keeper.query import Simulated
from tests.unit.planner.carrying_block import VAULT, block
from tests.unit.planner.crowd import GAS_USED
from tests.unit.planner.trades import Shape, random_trade


@pytest.mark.parametrize(
    ("profit_wei", "seized_bps", "reason"),
    [
        (10**12, 10_000, Reason.BELOW_MINIMUM),
        (-(10**15), 10_000, Reason.ORACLE_ONLY),
        (-(10**15), 9_000, Reason.UNPROFITABLE),
    ],
    ids=["some profit", "a profit at the oracle's price", "none at any price"],
)
def test_why_not__best_pair__says_what_stopped_it(profit_wei: int, seized_bps: int, reason: Reason) -> None:
    trade = random_trade(1, Shape.APART)
    best = evaluate(trade, trade.terms.feasible[-1].most_raw // 1_000)
    assert isinstance(best, Evaluation)
    settlement = best.settlement._replace(seized_raw=best.settlement.seized_raw * seized_bps // 10_000)
    pair = Pair(
        terms=trade.terms,
        funding=OwnCallback(),
        trade=trade,
        best=replace(best, profit_wei=profit_wei, settlement=settlement),
    )
    opportunity = Opportunity(
        market="a market",
        borrower=Address(b"\x01" * 20),
        health=Health(health_factor_wad=10**17, collateral_base=1, debt_base=2),
        terms=(trade.terms,),
        declined=(),
    )
    assert Proposal(opportunity=opportunity, pairs=(pair,), drafts=()).why_not.reason is reason


# --- what is carried ----------------------------------------------------------------------------------------


def test_propose__what_may_be_carried__comes_behind_what_earns() -> None:
    there = block()
    first, *_, last = there.proposals[0].drafts
    assert first.draft.carry is None and last.draft.carry is not None
    assert last is there.carried()
    assert (last.draft.worth_wei, last.draft.waterfall.vault_wei) == (last.draft.carry.gain_wei, 0)
    assert last.repaid_wei == last.draft.carry.paid_wei
    assert there.planner.not_carrying().propose(there.seen, there.seen.opportunities)[0].drafts[-1].sized


@pytest.mark.parametrize("earns", [True, False])
def test_choose__something_earns_at_once_or_not__carried_only_then(earns: bool) -> None:
    ((chosen),) = block().choose(earns=earns)
    assert isinstance(chosen.drafted, Drafted)
    assert (chosen.drafted.draft.carry is None) is earns


def test_choose__two_would_spend_the_vaults_money__the_second_waits() -> None:
    first, second = block(borrowers=2).choose(earns=False)
    assert isinstance(first.drafted, Drafted) and first.drafted.draft.carry is not None
    assert isinstance(second.drafted, Declined) and second.drafted.reason is Reason.IN_FLIGHT


def test_choose__a_carry_is_on_its_way__the_next_waits() -> None:
    ((chosen),) = block().choose(earns=False, busy=frozenset({VAULT}))
    assert isinstance(chosen.drafted, Declined) and chosen.drafted.reason is Reason.IN_FLIGHT


@pytest.mark.parametrize("off_raw", [-2, -1, 0, 1, 2])
def test_conclude__carried__the_vault_got_what_was_predicted_to_a_unit(off_raw: int) -> None:
    there = block()
    drafted = there.carried()
    assert drafted.draft.carry is not None
    got_raw = drafted.draft.carry.received.raw + off_raw
    simulated = Simulated(reverted=False, gas_used=GAS_USED, returned=got_raw.to_bytes(32, "big"))
    bidding = there.planner.bidding(5_000, form=BidForm.COINBASE)
    plan = bidding.conclude(there.seen, drafted, simulated)
    if abs(off_raw) > 1:
        assert isinstance(plan, Declined) and plan.reason is Reason.SIMULATION
    else:
        assert isinstance(plan, Plan) and plan.bid is None
        assert plan.waterfall.net_wei == -plan.waterfall.gas_wei < 0 < plan.worth_wei
    assert there.planner.rungs(there.seen, there.choose(earns=False)[0], gas_used=GAS_USED) == ()
