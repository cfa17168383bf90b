"""One liquidation: the checks in the contract's order, then the amounts in its rounding.

Mirrors ``Morpho.liquidate`` and ``Morpho._isHealthy``. There is no close factor: any part may be closed.
"""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.fixed_point import WAD
from keeper.protocols.morpho_blue.accrual import accrue
from keeper.protocols.morpho_blue.arithmetic import (
    MAX_UINT,
    Refusal,
    Refused,
    assets_down,
    assets_up,
    checked,
    mul_div_down,
    mul_div_up,
    shares_up,
    uint128,
    wad_div_up,
    wad_mul_down,
)
from keeper.protocols.morpho_blue.state import Position, Totals

PRICE_SCALE = 10**36
_CURSOR_WAD = 3 * WAD // 10
_MOST_INCENTIVE_WAD = 115 * WAD // 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """What one liquidation does."""

    repaid_raw: int
    repaid_shares: int
    seized_raw: int
    bad_debt_raw: int
    """Taken from all suppliers, once no collateral is left."""
    bad_debt_shares: int
    totals: Totals
    """The market's, after it."""
    position: Position
    """The borrower's, after it."""


# --- health -------------------------------------------------------------------------------------------------


def owed_raw(totals: Totals, position: Position) -> int:
    """Return what the borrower owes, rounded up, in loan token."""
    return assets_up(position.borrow_shares, totals.borrow_assets, totals.borrow_shares)


def collateral_value_raw(position: Position, *, price: int) -> int:
    """Return what the collateral is worth by the oracle, floored, in loan token."""
    return mul_div_down(position.collateral, price, PRICE_SCALE)


def health_factor_wad(totals: Totals, position: Position, *, price: int, lltv_wad: int) -> int:
    """Return what may be borrowed for what is, floored; below 1e18 exactly where ``_isHealthy`` says no.

    2**256 - 1 where nothing is owed.
    """
    owed = owed_raw(totals, position)
    if owed == 0:
        return MAX_UINT
    return wad_mul_down(collateral_value_raw(position, price=price), lltv_wad) * WAD // owed


def incentive_wad(lltv_wad: int) -> int:
    """Return what is seized for what is repaid, by value: 1.05e18 is a bonus of 5 %."""
    return min(_MOST_INCENTIVE_WAD, WAD * WAD // (WAD - wad_mul_down(_CURSOR_WAD, WAD - lltv_wad)))


# --- amounts ------------------------------------------------------------------------------------------------


def shares_for_raw(totals: Totals, *, seized_raw: int, price: int, incentive: int) -> int:
    """Return the shares that seizing so much costs; every step rounds up."""
    quoted = mul_div_up(seized_raw, price, PRICE_SCALE)
    return shares_up(wad_div_up(quoted, incentive), totals.borrow_assets, totals.borrow_shares)


def seized_for_shares(totals: Totals, *, shares: int, price: int, incentive: int) -> int:
    """Return what repaying so many shares seizes; every step floors. Raises Refused at a price of zero."""
    repaid = assets_down(shares, totals.borrow_assets, totals.borrow_shares)
    return mul_div_down(wad_mul_down(repaid, incentive), PRICE_SCALE, price)


def close(
    totals: Totals,
    position: Position,
    *,
    price: int,
    lltv_wad: int,
    seized_raw: int = 0,
    repaid_shares: int = 0,
) -> Close | Refusal:
    """Return what a call does that gives one of the two amounts, or why it reverts.

    The totals are accrued already. It supposes a liquidator with enough of the loan token.
    """
    try:
        if health_factor_wad(totals, position, price=price, lltv_wad=lltv_wad) >= WAD:
            return Refusal.HEALTHY
        incentive = incentive_wad(lltv_wad)
        if seized_raw:
            repaid_shares = shares_for_raw(totals, seized_raw=seized_raw, price=price, incentive=incentive)
        else:
            seized_raw = seized_for_shares(totals, shares=repaid_shares, price=price, incentive=incentive)
        return settled(totals, position, seized_raw=seized_raw, repaid_shares=repaid_shares)
    except Refused as refused:
        return refused.refusal


def settled(totals: Totals, position: Position, *, seized_raw: int, repaid_shares: int) -> Close:
    """Return what repaying and seizing so much does. Raises Refused where the contract reverts."""
    repaid_raw = assets_up(repaid_shares, totals.borrow_assets, totals.borrow_shares)
    shares_left = checked(position.borrow_shares - uint128(repaid_shares))
    borrow_shares = checked(totals.borrow_shares - repaid_shares)
    borrow_assets = max(totals.borrow_assets - repaid_raw, 0)
    collateral_left = checked(position.collateral - uint128(seized_raw))
    bad_debt_raw = bad_debt_shares = 0
    if collateral_left == 0:
        bad_debt_shares = shares_left
        bad_debt_raw = min(borrow_assets, assets_up(bad_debt_shares, borrow_assets, borrow_shares))
        shares_left = 0
    return Close(
        repaid_raw=repaid_raw,
        repaid_shares=repaid_shares,
        seized_raw=seized_raw,
        bad_debt_raw=bad_debt_raw,
        bad_debt_shares=bad_debt_shares,
        totals=totals._replace(
            supply_assets=checked(totals.supply_assets - bad_debt_raw),
            borrow_assets=borrow_assets - bad_debt_raw,
            borrow_shares=borrow_shares - bad_debt_shares,
        ),
        position=Position(borrow_shares=shares_left, collateral=collateral_left),
    )


def liquidate(
    totals: Totals,
    position: Position,
    *,
    rate_wad: int,
    at_s: int,
    price: int,
    lltv_wad: int,
    seized_raw: int,
    repaid_shares: int,
) -> Close | Refusal:
    """Return what the whole call does at `at_s`, the market as it is stored, or why it reverts."""
    if totals.updated_at_s == 0:
        return Refusal.NOT_CREATED
    if (seized_raw == 0) == (repaid_shares == 0):
        return Refusal.INCONSISTENT
    try:
        accrued = accrue(totals, rate_wad=rate_wad, at_s=at_s)
    except Refused as refused:
        return refused.refusal
    return close(
        accrued,
        position,
        price=price,
        lltv_wad=lltv_wad,
        seized_raw=seized_raw,
        repaid_shares=repaid_shares,
    )
