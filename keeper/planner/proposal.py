"""What the planner passes on between its steps: the proposals to simulate, and who is chosen of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keeper.domain.declined import Declined, Reason
from keeper.domain.position import Opportunity
from keeper.planner.drafting import Drafted
from keeper.planner.pairs import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One borrower: the pairs by their places in the opportunity's terms, and the drafts worth simulating."""

    opportunity: Opportunity
    pairs: tuple[Pair | Declined, ...]
    drafts: tuple[Drafted, ...]
    """Where something may be carried, that comes last."""
    not_carried: Declined | None = None
    """Why nothing is carried that the operator lets be carried."""

    @property
    def why_not(self) -> Declined:
        """Return why there is no draft: what stopped the pair that came nearest to one."""
        if self.not_carried is None:
            return self._not_sold
        detail = f"{self.not_carried.detail}; within the transaction: {self._not_sold}"
        return replace(self.not_carried, detail=detail)

    @property
    def _not_sold(self) -> Declined:
        sized = [pair for pair in self.pairs if isinstance(pair, Pair)]
        if sized:
            nearest = max(sized, key=lambda pair: pair.best.profit_wei)
            best_wei = nearest.best.profit_wei
            detail = f"{best_wei / 1e18:.6f} at best, before gas"
            if best_wei > 0:
                return Declined(reason=Reason.BELOW_MINIMUM, detail=detail)
            if nearest.pays_at_oracle:
                detail += ": it would pay at the oracle's price, at which nobody buys"
                return Declined(reason=Reason.ORACLE_ONLY, detail=detail)
            return Declined(reason=Reason.UNPROFITABLE, detail=detail)
        refused = [pair for pair in self.pairs if isinstance(pair, Declined)]
        refused += [one.why for one in self.opportunity.declined]
        return refused[0] if refused else Declined(reason=Reason.DUST, detail="nothing may be closed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One borrower's draft, or why there is none."""

    opportunity: Opportunity
    drafted: Drafted | Declined
