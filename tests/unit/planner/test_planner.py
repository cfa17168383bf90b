"""Why nothing of a borrower's is drafted, in one word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.address import Address
from keeper.domain.declined import Reason
from keeper.domain.position import Health, Opportunity
from keeper.planner.funding import OwnCallback
from keeper.planner.pairs import Pair
from keeper.planner.proposal import Proposal
from keeper.planner.sizing import Evaluation, evaluate
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
