"""A position at one block time, everything accrued and valued; or why that can't be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.position import Terms
from keeper.protocols.morpho_blue.accrual import accrue
from keeper.protocols.morpho_blue.arithmetic import Refused
from keeper.protocols.morpho_blue.liquidation import (
    Close,
    collateral_value_raw,
    health_factor_wad,
    incentive_wad,
    owed_raw,
)
from keeper.protocols.morpho_blue.state import IsolatedMarket, Listing, Position, Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a position is worth, and owes, by its market's own oracle."""

    listing: Listing
    totals: Totals
    """Accrued."""
    position: Position
    price: int
    incentive_wad: int
    value_raw: int
    """Of the collateral, in loan token."""
    owed_raw: int
    health_factor_wad: int


def standing(market: IsolatedMarket, position: Position, *, at_s: int) -> Standing | Declined:
    """Return the position at `at_s`, not before the market was stored; Declined where calls would revert."""
    listing, price = market.listing, market.price
    if price is None:
        return Declined(
            reason=Reason.ZERO_PRICE, detail=f"the oracle reverts for {listing.collateral.symbol}"
        )
    if price == 0:
        return Declined(reason=Reason.ZERO_PRICE, detail=listing.collateral.symbol)
    if market.rate_wad is None:
        return Declined(reason=Reason.INACTIVE, detail="the rate model reverts")
    try:
        totals = accrue(market.totals, rate_wad=market.rate_wad, at_s=at_s)
        return _valued(listing, totals, position, price)
    except Refused as refused:
        return Declined(reason=Reason.INACTIVE, detail=f"any call reverts with {refused}")


@runtime_checkable
class InMarket(Protocol):
    """Terms of a position in one of Morpho's markets, by whichever contract it is closed."""

    @property
    def morpho(self) -> Address: ...

    @property
    def borrower(self) -> Address: ...

    @property
    def now(self) -> Standing: ...

    @property
    def late(self) -> Standing: ...

    def left(self, repay_raw: int) -> tuple[Close, Close | None]:
        """Return what repaying `repay_raw` leaves now, and at the deadline; None where it reverts then."""
        ...


def behind(ours: InMarket, earlier: Terms, repay_raw: int) -> tuple[Standing, Standing] | None:
    """Return how a position stands, now and at the deadline, behind a close earlier in the same block.

    None where that one is elsewhere. Morpho rounds what is repaid up to a whole unit, to the gain of the rest
    of the market: the same shares are then worth a unit less, and seize less.
    """
    if not isinstance(earlier, InMarket):
        return None
    if (ours.morpho, ours.now.listing.id) != (earlier.morpho, earlier.now.listing.id):
        return None
    own = ours.borrower == earlier.borrower

    def after(standing: Standing, close: Close) -> Standing:
        position = close.position if own else standing.position
        return _valued(standing.listing, close.totals, position, standing.price)

    now, late = earlier.left(repay_raw)
    return after(ours.now, now), ours.late if late is None else after(ours.late, late)


def _valued(listing: Listing, totals: Totals, position: Position, price: int) -> Standing:
    """Return the position under accrued totals. Raises Refused where the arithmetic overflows."""
    return Standing(
        listing=listing,
        totals=totals,
        position=position,
        price=price,
        incentive_wad=incentive_wad(listing.lltv_wad),
        value_raw=collateral_value_raw(position, price=price),
        owed_raw=owed_raw(totals, position),
        health_factor_wad=health_factor_wad(totals, position, price=price, lltv_wad=listing.lltv_wad),
    )
