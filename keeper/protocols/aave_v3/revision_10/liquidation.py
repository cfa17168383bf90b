"""One liquidation: the checks in the contract's order, then the amounts in its rounding.

Mirrors ``LiquidationLogic.executeLiquidationCall`` and ``ValidationLogic.validateLiquidationCall``.
"""

from __future__ import annotations

from keeper.domain.fixed_point import BPS, RAY, WAD, mul_div_down, mul_div_half_up, mul_div_up
from keeper.protocols.aave_v3.revision import (
    Account,
    Close,
    Collateral,
    Debt,
    Deficit,
    Pair,
    Refusal,
    Remainder,
)
from keeper.protocols.aave_v3.revision_10.account import (
    collateral_base,
    collateral_raw,
    debt_base,
    debt_raw,
    health_factor_wad,
)
from keeper.protocols.aave_v3.state import Market, Reserve

CLOSE_FACTOR_BPS = 5_000
CLOSE_FACTOR_HEALTH_WAD = 95 * WAD // 100
"""At or below it the whole debt may be closed."""
SENTINEL_HEALTH_WAD = 95 * WAD // 100
"""Below it the sentinel is not asked."""
CLOSE_FACTOR_LEAST_BASE = 2_000 * 10**8
"""Collateral or debt worth less than this may be closed whole."""
LEFTOVER_LEAST_BASE = CLOSE_FACTOR_LEAST_BASE // 2
"""What a partial close must leave on either side."""


def refusal(
    market: Market,
    account: Account,
    *,
    collateral: Reserve,
    debt: Reserve,
    by_borrower: bool = False,
) -> Refusal | None:
    """Return why no liquidation of this pair goes through, whatever its size; None where one may.

    The sentinel's answer is the market's, as read. A frozen reserve is liquidated like any other.
    """
    health_wad = account.health_factor_wad
    if account.unpriced:
        return Refusal.NO_PRICE
    if by_borrower:
        return Refusal.SELF_LIQUIDATION
    if not (collateral.configuration.active and debt.configuration.active):
        return Refusal.RESERVE_INACTIVE
    if collateral.configuration.paused or debt.configuration.paused:
        return Refusal.RESERVE_PAUSED
    if health_wad >= SENTINEL_HEALTH_WAD and not market.sentinel_allows:
        return Refusal.SENTINEL
    if max(collateral.grace_until_s, debt.grace_until_s) >= account.at_s:
        return Refusal.GRACE
    if health_wad >= WAD:
        return Refusal.HEALTHY
    if all(one.reserve.id != collateral.id for one in account.collaterals):
        return Refusal.NOT_COLLATERAL
    if all(one.reserve.id != debt.id or one.raw == 0 for one in account.debts):
        return Refusal.NOT_BORROWED
    return None


def pair(account: Account, *, collateral: Reserve, debt: Reserve) -> Pair:
    """Return the pair. Raises LookupError where the account has not both."""
    for seized in account.collaterals:
        for repaid in account.debts:
            if seized.reserve.id == collateral.id and repaid.reserve.id == debt.id:
                limit_raw = _limit_raw(account, seized, repaid)
                return Pair(account=account, collateral=seized, debt=repaid, limit_raw=limit_raw)
    raise LookupError(f"{collateral.token.symbol} against {debt.token.symbol} is no pair of this account")


def _limit_raw(account: Account, collateral: Collateral, debt: Debt) -> int:
    """Return the most debt that one call repays: all, or what half of the *whole* position's debt buys."""
    if (
        collateral.base < CLOSE_FACTOR_LEAST_BASE
        or debt.base < CLOSE_FACTOR_LEAST_BASE
        or account.health_factor_wad <= CLOSE_FACTOR_HEALTH_WAD
    ):
        return debt.raw
    half_base = mul_div_half_up(account.debt_base, CLOSE_FACTOR_BPS, BPS)
    if debt.base <= half_base:
        return debt.raw
    return mul_div_down(half_base, debt.reserve.unit_raw, debt.reserve.price_base)


def gross_raw(pair: Pair, repay_raw: int) -> int:
    """Return the collateral that `repay_raw` buys with its bonus, whether there is as much or not.

    The exchange floors, the bonus rounds half up. It includes the protocol's fee.
    """
    collateral, debt = pair.collateral.reserve, pair.debt.reserve
    exchanged = mul_div_down(
        debt.price_base * repay_raw,
        collateral.unit_raw,
        collateral.price_base * debt.unit_raw,
    )
    return mul_div_half_up(exchanged, pair.collateral.bonus_bps, BPS)


def capped_repay_raw(pair: Pair) -> int:
    """Return what all of the collateral costs: the exchange floors, the bonus taken off rounds up."""
    collateral, debt = pair.collateral.reserve, pair.debt.reserve
    exchanged = mul_div_down(
        collateral.price_base * pair.collateral.raw,
        debt.unit_raw,
        debt.price_base * collateral.unit_raw,
    )
    return mul_div_up(exchanged, BPS, pair.collateral.bonus_bps)


def fee_raw(pair: Pair, gross: int) -> int:
    """Return the protocol's share of the bonus in `gross`; both steps round half up."""
    share_bps = pair.collateral.reserve.configuration.protocol_fee_bps
    if share_bps == 0:
        return 0
    bonus = gross - mul_div_half_up(gross, BPS, pair.collateral.bonus_bps)
    return mul_div_half_up(bonus, share_bps, BPS)


def clears_collateral(pair: Pair, gross: int) -> bool:
    """Return whether no collateral of value is left in the position once `gross` of this one is gone.

    It compares values: other collateral that is worth nothing does not count.
    """
    return collateral_base(gross, pair.collateral.reserve) == pair.account.collateral_base


def close(pair: Pair, *, debt_to_cover: int, receive_a_token: bool = False) -> Close | Refusal:
    """Return what a call with `debt_to_cover` does, or why it reverts.

    It supposes that `refusal` found nothing, and a liquidator with enough of the debt token.
    """
    collateral, debt = pair.collateral, pair.debt
    if collateral.reserve.price_base == 0:
        return Refusal.ZERO_PRICE
    repaid = min(debt_to_cover, pair.limit_raw)
    gross = gross_raw(pair, repaid)
    if gross > collateral.raw:
        gross = collateral.raw
        repaid = capped_repay_raw(pair)
    fee = fee_raw(pair, gross)
    seized = gross - fee
    if repaid < debt.raw and gross < collateral.raw and not _leaves_enough(pair, repaid, gross):
        return Refusal.DUST

    cleared = clears_collateral(pair, gross)
    burned = debt.raw if cleared else repaid
    debt_burned_scaled = mul_div_down(burned, RAY, debt.index_ray)
    if debt_burned_scaled == 0:
        return Refusal.NOTHING_BURNED
    if not receive_a_token:
        # repaying comes first: it counts as cash where the collateral is the debt's own reserve
        repaid_there = repaid if collateral.reserve.id == debt.reserve.id else 0
        if seized > collateral.reserve.cash_raw + repaid_there:
            return Refusal.NO_CASH
        if seized == 0:
            return Refusal.NOTHING_BURNED
    scaled_left = collateral.scaled - mul_div_up(seized, RAY, collateral.index_ray)
    fee_scaled = mul_div_up(fee, RAY, collateral.index_ray)
    if fee_scaled > scaled_left:
        fee_scaled = scaled_left
        fee = collateral_raw(fee_scaled, collateral.index_ray)
    return Close(
        repaid_raw=repaid,
        seized_raw=seized,
        protocol_fee_raw=fee,
        collateral_scaled_after=scaled_left - fee_scaled,
        debt_scaled_after=debt.scaled - debt_burned_scaled,
        stays_collateral=gross != collateral.raw,
        clears_collateral=cleared,
        deficits=_deficits(pair, repaid) if cleared else (),
    )


def _leaves_enough(pair: Pair, repaid: int, gross: int) -> bool:
    debt_left = debt_base(pair.debt.raw - repaid, pair.debt.reserve)
    collateral_left = collateral_base(pair.collateral.raw - gross, pair.collateral.reserve)
    return debt_left >= LEFTOVER_LEAST_BASE and collateral_left >= LEFTOVER_LEAST_BASE


def _deficits(pair: Pair, repaid: int) -> tuple[Deficit, ...]:
    """Return what is written off once no collateral is left: all that is owed of every active reserve."""
    owed = [
        (one.reserve, one.raw - repaid if one is pair.debt else one.raw)
        for one in pair.account.debts
        if one is pair.debt or one.reserve.configuration.active
    ]
    return tuple(
        Deficit(reserve=reserve, raw=raw, base=debt_base(raw, reserve)) for reserve, raw in owed if raw > 0
    )


def remainder(pair: Pair, close: Close) -> Remainder:
    """Return what is left of the whole position after `close`."""
    account, collateral, debt = pair.account, pair.collateral, pair.debt
    left_base = 0
    if close.stays_collateral:
        left_raw = collateral_raw(close.collateral_scaled_after, collateral.index_ray)
        left_base = collateral_base(left_raw, collateral.reserve)
    gone_base = collateral.base - left_base
    if close.clears_collateral:
        owed_base = sum(one.base for one in account.debts if not one.reserve.configuration.active)
    else:
        owed_raw = debt_raw(close.debt_scaled_after, debt.index_ray)
        owed_base = account.debt_base - debt.base + debt_base(owed_raw, debt.reserve)
    held_base = account.collateral_base - gone_base
    threshold_base_bps = account.threshold_base_bps - gone_base * collateral.threshold_bps
    return Remainder(
        collateral_base=held_base,
        threshold_base_bps=threshold_base_bps,
        debt_base=owed_base,
        health_factor_wad=health_factor_wad(
            collateral_base=held_base, threshold_base_bps=threshold_base_bps, debt_base=owed_base
        ),
    )
