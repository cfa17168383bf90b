"""A position at one block time, everything accrued and valued; or why that can't be told."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.declined import Declined, Reason
from keeper.protocols.morpho_blue.accrual import accrue
from keeper.protocols.morpho_blue.arithmetic import Refused
from keeper.protocols.morpho_blue.liquidation import (
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
    if position.borrow_shares > market.totals.borrow_shares:  # a node that is between two blocks may say so
        return Declined(reason=Reason.STALE, detail="it is said to owe more than all of its market does")
    try:
        totals = accrue(market.totals, rate_wad=market.rate_wad, at_s=at_s)
        return valued(listing, totals, position, price)
    except Refused as refused:
        return Declined(reason=Reason.INACTIVE, detail=f"any call reverts with {refused}")


def valued(listing: Listing, totals: Totals, position: Position, price: int) -> Standing:
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
