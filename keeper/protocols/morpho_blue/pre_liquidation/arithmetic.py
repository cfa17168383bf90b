"""Pre-liquidation's arithmetic: a part of a position, closed before Morpho itself would let it be.

A borrower opts in by authorising a contract that stands for one set of parameters. Between `pre_lltv_wad`
and the market's own limit the incentive and the part that may be closed grow from the first to the second.
Mirrors ``PreLiquidation.preLiquidate`` of morpho-org/pre-liquidation, and what it makes Morpho do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from keeper.domain.fixed_point import WAD
from keeper.protocols.morpho_blue.accrual import accrue
from keeper.protocols.morpho_blue.arithmetic import (
    Refusal,
    Refused,
    assets_up,
    checked,
    mul_div_down,
    uint128,
    wad_div_up,
    wad_mul_down,
)
from keeper.protocols.morpho_blue.liquidation import (
    Close,
    collateral_value_raw,
    health_factor_wad,
    owed_raw,
    seized_for_shares,
    shares_for_raw,
)
from keeper.protocols.morpho_blue.state import Position, Totals


class Parameters(NamedTuple):
    """What a borrower who authorises the contract agrees to."""

    pre_lltv_wad: int
    """Above this loan-to-value it may be pre-liquidated."""
    close_factor_1_wad: int
    close_factor_2_wad: int
    incentive_1_wad: int
    incentive_2_wad: int


class PreRefusal(StrEnum):
    """Why a pre-liquidation reverts, where it is not for a reason that liquidations know as well."""

    INCONSISTENT = "InconsistentInput"
    LIQUIDATABLE = "LiquidatablePosition"
    """It is Morpho's own to liquidate already."""
    NOT_YET = "NotPreLiquidatablePosition"
    TOO_MUCH = "PreLiquidationTooLarge"
    UNAUTHORISED = "unauthorized"
    NOTHING_SEIZED = "zero assets"
    LEFT_UNHEALTHY = "insufficient collateral"
    """What would be left is unhealthy by the market's own oracle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the parameters come to at a position's loan-to-value."""

    incentive_wad: int
    most_shares: int


def offer(
    totals: Totals, position: Position, parameters: Parameters, *, price: int, lltv_wad: int
) -> Offer | PreRefusal:
    """Return what may be closed for what, or why nothing may. The totals are accrued already.

    `price` is that of the contract's own oracle. Raises Refused where the arithmetic overflows.
    """
    value_raw = collateral_value_raw(position, price=price)
    owed = owed_raw(totals, position)
    if owed > wad_mul_down(value_raw, lltv_wad):
        return PreRefusal.LIQUIDATABLE
    if owed <= wad_mul_down(value_raw, parameters.pre_lltv_wad):
        return PreRefusal.NOT_YET
    ltv_wad = wad_div_up(owed, value_raw)
    pre_lltv_wad = parameters.pre_lltv_wad
    way_wad = mul_div_down(checked(ltv_wad - pre_lltv_wad), WAD, lltv_wad - pre_lltv_wad)

    def between(first: int, second: int) -> int:
        return wad_mul_down(way_wad, second - first) + first

    close_factor_wad = between(parameters.close_factor_1_wad, parameters.close_factor_2_wad)
    return Offer(
        incentive_wad=between(parameters.incentive_1_wad, parameters.incentive_2_wad),
        most_shares=wad_mul_down(position.borrow_shares, close_factor_wad),
    )


def pre_close(
    totals: Totals,
    position: Position,
    parameters: Parameters,
    *,
    price: int,
    market_price: int,
    lltv_wad: int,
    authorised: bool,
    seized_raw: int = 0,
    repaid_shares: int = 0,
) -> Close | Refusal | PreRefusal:
    """Return what a call does that gives one of the two amounts, or why it reverts.

    `price` is the contract's own oracle's, `market_price` the market's: Morpho has the last word on health.
    """
    try:
        offered = offer(totals, position, parameters, price=price, lltv_wad=lltv_wad)
        if isinstance(offered, PreRefusal):
            return offered
        incentive = offered.incentive_wad
        if seized_raw:
            repaid_shares = shares_for_raw(totals, seized_raw=seized_raw, price=price, incentive=incentive)
        else:
            seized_raw = seized_for_shares(totals, shares=repaid_shares, price=price, incentive=incentive)
        if repaid_shares > offered.most_shares:
            return PreRefusal.TOO_MUCH
        return _repaid_and_withdrawn(
            totals,
            position,
            seized_raw=seized_raw,
            repaid_shares=repaid_shares,
            market_price=market_price,
            lltv_wad=lltv_wad,
            authorised=authorised,
        )
    except Refused as refused:
        return refused.refusal


def _repaid_and_withdrawn(
    totals: Totals,
    position: Position,
    *,
    seized_raw: int,
    repaid_shares: int,
    market_price: int,
    lltv_wad: int,
    authorised: bool,
) -> Close | PreRefusal:
    """Return what ``repay`` and, within its callback, ``withdrawCollateral`` do."""
    repaid_raw = assets_up(repaid_shares, totals.borrow_assets, totals.borrow_shares)
    shares_left = checked(position.borrow_shares - uint128(repaid_shares))
    after = totals._replace(
        borrow_assets=max(totals.borrow_assets - repaid_raw, 0),
        borrow_shares=checked(totals.borrow_shares - repaid_shares),
    )
    if seized_raw == 0:
        return PreRefusal.NOTHING_SEIZED
    if not authorised:
        return PreRefusal.UNAUTHORISED
    left = Position(borrow_shares=shares_left, collateral=checked(position.collateral - uint128(seized_raw)))
    if shares_left and health_factor_wad(after, left, price=market_price, lltv_wad=lltv_wad) < WAD:
        return PreRefusal.LEFT_UNHEALTHY
    return Close(
        repaid_raw=repaid_raw,
        repaid_shares=repaid_shares,
        seized_raw=seized_raw,
        bad_debt_raw=0,
        bad_debt_shares=0,
        totals=after,
        position=left,
    )


def pre_liquidate(
    totals: Totals,
    position: Position,
    parameters: Parameters,
    *,
    rate_wad: int,
    at_s: int,
    price: int,
    market_price: int,
    lltv_wad: int,
    authorised: bool,
    seized_raw: int,
    repaid_shares: int,
) -> Close | Refusal | PreRefusal:
    """Return what the whole call does at `at_s`, the market as it is stored, or why it reverts."""
    if (seized_raw == 0) == (repaid_shares == 0):
        return PreRefusal.INCONSISTENT
    try:
        accrued = accrue(totals, rate_wad=rate_wad, at_s=at_s)
    except Refused as refused:
        return refused.refusal
    return pre_close(
        accrued,
        position,
        parameters,
        price=price,
        market_price=market_price,
        lltv_wad=lltv_wad,
        authorised=authorised,
        seized_raw=seized_raw,
        repaid_shares=repaid_shares,
    )
