"""When another close of the same borrower pays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from keeper.domain.declined import Declined, Reason
from keeper.domain.position import Interval, Opportunity, Terms
from keeper.planner.contention import Left
from keeper.planner.pairs import Pair
from keeper.planner.parallel import Depth
from keeper.planner.sequel import Sequel
from tests.unit.planner.crowd import Crowd, crowd
from tests.unit.planner.linear_terms import LinearTerms
from tests.unit.planner.trades import PRICES, TOKENS

_OWED_RAW = 20_000 * 10**6


@dataclass(frozen=True, kw_only=True)
class HalfAtOnce(LinearTerms):
    """Terms of which one call may repay half, and which `open_raw` leaves open to another call."""

    open_raw: int
    cut: bool = False

    @property
    def feasible(self) -> tuple[Interval, ...]:
        return (Interval(least_raw=1, most_raw=self.open_raw if self.cut else self.owed_raw // 2),)

    def reopened(self) -> HalfAtOnce:  # type: ignore[override]
        return replace(self, cut=True)

    def behind(self, earlier: Terms, repay_raw: int) -> HalfAtOnce | Declined:
        if repay_raw > self.open_raw:
            return Declined(reason=Reason.HEALTHY, detail="the close before healed it")
        left_raw = self.balance_raw - self._gross_raw(repay_raw)
        return replace(self, owed_raw=self.owed_raw - repay_raw, balance_raw=left_raw, open_raw=0)


def sequel_of(open_raw: int) -> tuple[tuple[Pair, ...] | None, Pair]:
    """Return the closes in a row, and the one that is best alone."""
    of: Crowd = crowd(1, borrowers=1, falling=True, depth=(6, 6))
    terms = HalfAtOnce(
        collateral=TOKENS["WETH"],
        debt=TOKENS["USDC"],
        collateral_price_base=PRICES["WETH"] * 10**8,
        debt_price_base=10**8,
        owed_raw=_OWED_RAW,
        balance_raw=12 * 10**18,
        bonus_bps=10_500,
        open_raw=open_raw,
    )
    sizer = of.planner._sizer(of.seen)
    left = Left(pools=Depth(of.seen.pools), gas=of.seen.head.gas_limit)
    best = sizer.consider(terms, left.pools, of.seen.offers)
    assert isinstance(best, Pair)
    opportunity: Opportunity = replace(of.seen.opportunities[0], terms=(terms,))
    return Sequel(sizer=sizer, offers=of.seen.offers).of(opportunity, [best], left), best


def test_of__much_may_be_closed_before_it_heals__in_two_closes() -> None:
    found, best = sequel_of(_OWED_RAW * 3 // 10)
    assert found is not None
    assert [one.best.repay_raw for one in found] == [_OWED_RAW * 3 // 10, _OWED_RAW * 7 // 20]
    assert sum(one.best.profit_wei for one in found) > best.best.profit_wei


@pytest.mark.parametrize("share", [100, 40])
def test_of__what_is_closed_more_is_not_worth_its_gas__none(share: int) -> None:
    found, best = sequel_of(_OWED_RAW // share)
    assert best.best.repay_raw == _OWED_RAW // 2
    assert found is None
