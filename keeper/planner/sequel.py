"""Several closes of one borrower in one transaction, each of the position as the one before leaves it.

They pay where one call may not close all that is worth closing. A protocol that lets one call repay a part of
the debt lets another repay a part of the rest, as long as the position is still unhealthy: so the first call
stops just short of healing it. Where closing heals nothing (the bonus takes as much as is repaid), or where
the collateral is spread over several tokens, the next close is simply the best of what is left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from keeper.domain.funding import Offer
from keeper.domain.position import Opportunity
from keeper.planner.contention import Left
from keeper.planner.pairs import Key, Pair, Sizer, key_of
from keeper.planner.sizing import value_wei

_LIQUIDATION_GAS = 350_000
"""About what a close uses besides its loan and its hops: a further one must be worth it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequel:
    """Looks for closes that follow on others."""

    sizer: Sizer
    offers: Mapping[str, Sequence[Offer]]

    def of(self, opportunity: Opportunity, paying: Sequence[Pair], left: Left) -> tuple[Pair, ...] | None:
        """Return the closes that bring most one after the other; None where one alone brings as much.

        `paying` are the pairs that may be worth a close, the best first: the whole of that goes first, or as
        much of it as leaves the position open to another close.
        """
        best, worth = paying[0], {pair.key for pair in paying if self._roughly_wei([pair]) > 0}
        if best.key not in worth or self.sizer.options.most_closes == 1:
            return None
        starts = [best, *self._opened(best, left)]
        runs = [self._continued(opportunity, first, left, worth) for first in starts]
        found = max(runs, key=self._roughly_wei)
        return found if len(found) > 1 and self._roughly_wei(found) > self._roughly_wei([best]) else None

    def _opened(self, best: Pair, left: Left) -> list[Pair]:
        """Return the best pair cut to what leaves the position open; none where that may not pay its gas."""
        if best.best.repay_raw != best.terms.feasible[-1].most_raw:  # more would not be worth it
            return []
        cut = best.terms.reopened()
        if cut is None or cut is best.terms:
            return []
        most = cut.settle(cut.feasible[-1].most_raw)
        bonus_wei = value_wei(best.trade, collateral_raw=most.seized_raw, debt_raw=-most.repaid_raw)
        if bonus_wei <= self._fixed_wei:
            return []
        opened = self.sizer.consider(cut, left.pools, self.offers)
        return [opened] if isinstance(opened, Pair) else []

    def _continued(
        self, opportunity: Opportunity, first: Pair, left: Left, worth: Collection[Key]
    ) -> tuple[Pair, ...]:
        """Return a close, and the best one of what is left again and again, while it pays for its gas.

        What pays for no close by itself pays for none behind others; nor does more of what is sold already
        as far as it pays.
        """
        closes = [first]
        while len(closes) < self.sizer.options.most_closes:
            last = closes[-1]
            worth = {key for key in worth if key != last.key or last.at_an_end}
            if not worth:
                break
            opportunity = opportunity.behind(last.terms, last.best.repay_raw)
            left = left.after(last, last.best, gas=0)
            following = max(
                (
                    pair
                    for terms in opportunity.terms
                    if key_of(terms) in worth
                    and isinstance(pair := self.sizer.consider(terms, left.pools, self.offers), Pair)
                ),
                key=lambda pair: self._roughly_wei([pair]),
                default=None,
            )
            if following is None or self._roughly_wei([following]) <= 0:
                break
            closes.append(following)
        return tuple(closes)

    @property
    def _fixed_wei(self) -> int:
        return _LIQUIDATION_GAS * self.sizer.gas_price_wei

    def _roughly_wei(self, closes: Sequence[Pair]) -> int:
        """Return what closes bring together after about what they cost."""
        return sum(self.sizer.roughly_wei(pair) - self._fixed_wei for pair in closes)
