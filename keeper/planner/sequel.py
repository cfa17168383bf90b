"""Several closes of one borrower in one transaction, each of the position as the one before leaves it.

They pay where one call may not close all that is worth closing. A protocol that lets one call repay a part of
the debt lets another repay a part of the rest, as long as the position is still unhealthy: so the first call
stops just short of healing it. Where closing heals nothing (the bonus takes as much as is repaid), or where
the collateral is spread over several tokens, the next close is simply the best of what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.domain.funding import Offer
from keeper.domain.position import Opportunity, Terms
from keeper.planner.assembly import Desk
from keeper.planner.contention import Left
from keeper.planner.options import PlannerOptions
from keeper.planner.pairs import Pair, consider

_LIQUIDATION_GAS = 350_000
"""About what a close uses besides its loan and its hops: a further one must be worth it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequel:
    """Looks for closes that follow on others."""

    desk: Desk
    options: PlannerOptions
    offers: Mapping[str, Sequence[Offer]]
    gas_price_wei: int

    def of(self, opportunity: Opportunity, best: Pair, left: Left) -> tuple[Pair, ...] | None:
        """Return the closes that bring most one after the other; None where one alone brings as much.

        `best` is the pair that brings most alone: the whole of it goes first, or as much of it as leaves the
        position open to another close.
        """
        if self.options.most_closes == 1 or best.best.profit_wei <= _LIQUIDATION_GAS * self.gas_price_wei:
            return None
        starts = [best]
        if best.best.repay_raw == best.terms.feasible[-1].most_raw:  # more would have been worth it
            cut = best.terms.reopened()
            opened = None if cut is None or cut is best.terms else self._sized(cut, left)
            starts += [opened] if opened else []
        runs = [self._continued(opportunity, first, left) for first in starts]
        found = max(runs, key=self._roughly_wei)
        return found if len(found) > 1 and self._roughly_wei(found) > self._roughly_wei([best]) else None

    def _continued(self, opportunity: Opportunity, first: Pair, left: Left) -> tuple[Pair, ...]:
        """Return a close, and the best one of what is left again and again, while it pays for its gas."""
        closes = [first]
        while len(closes) < self.options.most_closes:
            opportunity = opportunity.behind(closes[-1].terms, closes[-1].best.repay_raw)
            left = left.after(closes[-1], closes[-1].best, gas=0)
            sized = [pair for terms in opportunity.terms if (pair := self._sized(terms, left)) is not None]
            following = max(sized, key=lambda pair: self._roughly_wei([pair]), default=None)
            if following is None or self._roughly_wei([following]) <= 0:
                break
            closes.append(following)
        return tuple(closes)

    def _sized(self, terms: Terms, left: Left) -> Pair | None:
        pair = consider(
            terms,
            desk=self.desk,
            pools=left.pools,
            offers=self.offers,
            gas_price_wei=self.gas_price_wei,
            options=self.options,
        )
        return pair if isinstance(pair, Pair) else None

    def _roughly_wei(self, closes: Sequence[Pair]) -> int:
        """Return what closes bring together after about what they cost."""
        fixed_wei = _LIQUIDATION_GAS * self.gas_price_wei
        return sum(pair.roughly_wei(self.gas_price_wei) - fixed_wei for pair in closes)
