"""Which of a borrower's positions is explained, and closed."""

from __future__ import annotations

from keeper.app.inspecting import worst
from tests.unit.protocols.morpho_blue.markets import market, opportunity, position


def test_worst__of_several_positions__of_those_that_may_be_closed_else_of_all() -> None:
    silent = opportunity(market(price=None), position(loan_usd=270_000, collateral_eth=100))
    insolvent = opportunity(market(), position(loan_usd=310_000, collateral_eth=100))
    mild, poor = (
        opportunity(market(), position(loan_usd=usd, collateral_eth=100)) for usd in (265_000, 270_000)
    )
    assert not silent.terms and not insolvent.terms and mild.terms and poor.terms
    assert worst([insolvent, silent]) is silent
    assert worst([silent, mild, insolvent, poor]) is poor
    assert worst([]) is None
