"""Positions as amounts in slots, and what an amount in each slot weighs: a health factor as one sum.

A position may be liquidated where its collateral's value, times the limit, is less than its debt: a sum of
two amounts, each times a weight that all positions of a market share. The contract floors the value and what
may be borrowed for it, and rounds up what is owed: each is off by less than one raw unit of loan token, so a
slack of two units for the collateral and one for the debt covers them; the limit is less than 1, so what
the value lost counts for no more. The totals are accrued to the block's time as the contract does, so
interest adds nothing.

Where no health can be told of a market's positions, or perhaps not of an absurdly large one, `health` gives 0
and each of them is let through, to be looked at one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from keeper.domain.address import Address
from keeper.domain.declined import Declined
from keeper.domain.fixed_point import WAD
from keeper.ports import Entry
from keeper.protocols.morpho_blue.arithmetic import MAX_UINT, VIRTUAL_ASSETS, VIRTUAL_SHARES
from keeper.protocols.morpho_blue.liquidation import PRICE_SCALE
from keeper.protocols.morpho_blue.standing import standing
from keeper.protocols.morpho_blue.state import IsolatedMarket, Listing, Position

_MOST_AMOUNT = 2**128
_NOTHING = Position(borrow_shares=0, collateral=0)


class Slot(NamedTuple):
    """Which of a position's two amounts, and in which market, by its name."""

    owes: bool
    market: str


class Weight(NamedTuple):
    """What a unit of a position's collateral, or a share of its debt, adds to its sum, and the slack."""

    per_unit: float
    slack: float


_UNTOLD = {True: Weight(-1.0, 1.0), False: Weight(0.0, 1.0)}
"""Lets everybody through who owes anything."""


def repriced(price: int | None, listing: Listing, factors: Mapping[Address, Fraction]) -> int | None:
    """Return what a market's oracle would say if its two tokens were worth so many times what they are."""
    if price is None:
        return None
    up, down = (factors.get(token.address, Fraction(1)) for token in (listing.collateral, listing.loan))
    return int(price * up / down)


def pack(market: str, position: Position) -> list[Entry[Slot]]:
    """Return a position's entries in the market, or contract, of that name."""
    amounts = {False: position.collateral, True: position.borrow_shares}
    return [Entry(Slot(owes, market), amount) for owes, amount in amounts.items() if amount]


def unpack(entries: Sequence[tuple[Slot, int]]) -> Position:
    """Return the position that was packed."""
    amounts = {slot.owes: amount for slot, amount in entries}
    return Position(borrow_shares=amounts.get(True, 0), collateral=amounts.get(False, 0))


def weight(market: IsolatedMarket, *, owes: bool, price: int | None, limit_wad: int, at_s: int) -> Weight:
    """Return what either amount weighs in a market at `at_s`, by a price and a limit.

    Those are the market's own, or those of a contract that closes positions before.
    """
    stands = standing(market, _NOTHING, at_s=at_s)
    if isinstance(stands, Declined) or not price:
        return _UNTOLD[owes]
    assets, shares = (
        stands.totals.borrow_assets + VIRTUAL_ASSETS,
        stands.totals.borrow_shares + VIRTUAL_SHARES,
    )
    if any(factor * _MOST_AMOUNT + shares > MAX_UINT for factor in (price, stands.price, assets)):
        return _UNTOLD[owes]  # a position's product may exceed 256 bits: then any call reverts
    if owes:
        return Weight(-assets / shares, 1.0)
    return Weight(price * limit_wad / (PRICE_SCALE * WAD), 2.0)
