"""Which amounts can be repaid, and whether each is asked for by shares or by what is seized.

Any part can be closed, by as many shares as it takes. The last amount leaves no dust, however late it runs:
where the collateral covers it, all of the borrower's shares, else all of the collateral. Parts that would
leave next to nothing are left out: such a rest is nobody's to close.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from keeper.domain.position import Interval
from keeper.protocols.morpho_blue.arithmetic import (
    Refused,
    assets_up,
    each_unit_has_shares,
    shares_down,
)
from keeper.protocols.morpho_blue.liquidation import seized_for_shares, shares_for_raw
from keeper.protocols.morpho_blue.standing import Standing

_DUST = 1_000
"""A part leaves at least a thousandth of what takes the whole."""


class Whole(Enum):
    """What the last amount takes."""

    ALL_DEBT = auto()
    ALL_COLLATERAL = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feasible:
    """The amounts from 1 to `part_most_raw`, and `whole_raw`, a little more."""

    part_most_raw: int
    """0 where no part can be closed."""
    whole_raw: int
    whole: Whole

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """Return all that may be repaid: any part, and what takes all of one side."""
        if self.part_most_raw == self.whole_raw - 1:
            return (Interval(least_raw=1, most_raw=self.whole_raw),)
        whole = Interval(least_raw=self.whole_raw, most_raw=self.whole_raw)
        part = Interval(least_raw=1, most_raw=self.part_most_raw)
        return (part, whole) if self.part_most_raw else (whole,)


def feasible(now: Standing, late: Standing) -> Feasible | None:
    """Return what can be repaid as well at the deadline as now, None where nothing can be.

    There must be collateral. A share must be worth no more than a unit of the loan token, else not every
    amount is one of whole shares.
    """
    shares, totals = now.position.borrow_shares, now.totals
    if now.position.collateral == 0 or not each_unit_has_shares(totals.borrow_assets, totals.borrow_shares):
        return None
    if _covers(late, shares):
        return Feasible(part_most_raw=_below(now.owed_raw), whole_raw=now.owed_raw, whole=Whole.ALL_DEBT)
    cost_shares = shares_for_raw(
        totals, seized_raw=now.position.collateral, price=now.price, incentive=now.incentive_wad
    )
    if cost_shares > shares:  # rounding stands between the two: neither takes all
        return None
    whole_raw = assets_up(cost_shares, totals.borrow_assets, totals.borrow_shares)
    return Feasible(
        part_most_raw=_most_part_raw(now, late, most_raw=_below(whole_raw)),
        whole_raw=whole_raw,
        whole=Whole.ALL_COLLATERAL,
    )


def part_shares(standing: Standing, repay_raw: int) -> int:
    """Return the shares whose repay is exactly `repay_raw`."""
    return shares_down(repay_raw, standing.totals.borrow_assets, standing.totals.borrow_shares)


def _covers(standing: Standing, shares: int) -> bool:
    """Return whether there is as much collateral as repaying so many shares seizes."""
    try:
        seized_raw = seized_for_shares(
            standing.totals, shares=shares, price=standing.price, incentive=standing.incentive_wad
        )
    except Refused:
        return False
    return seized_raw <= standing.position.collateral


def _below(whole_raw: int) -> int:
    return whole_raw - max(whole_raw // _DUST, 1)


def _most_part_raw(now: Standing, late: Standing, *, most_raw: int) -> int:
    """Return the largest repay up to `most_raw` that the collateral covers at the deadline too."""
    low, high = 0, most_raw + 1
    while high - low > 1:
        middle = (low + high) // 2
        if _covers(late, part_shares(now, middle)):
            low = middle
        else:
            high = middle
    return low
