"""Balances, values and health at a block's time.

Balances round half up and values down, of what is owed too. The health factor takes a detour over the average
threshold in whole bps, so it can fall though every part of it rises.
"""

from __future__ import annotations

from keeper.domain.fixed_point import (
    BPS,
    RAY,
    SECONDS_PER_YEAR,
    WAD,
    mul_div_down,
    mul_div_half_up,
)
from keeper.protocols.aave_v3.revision import MAX_UINT, Account, Collateral, Debt, Indices, Remainder
from keeper.protocols.aave_v3.state import EMode, Market, Reserve, Row


def accrue(reserve: Reserve, *, at_s: int) -> Indices:
    """Return the indices at `at_s`, in rays, rounded half up.

    Supply grows linearly, debt by three terms of the binomial. Mirrors ``ReserveLogic`` and
    ``MathUtils``. The debt index of a reserve without any debt stands still in the contract; nobody's debt
    is read with it, so this makes no exception for it.
    """
    elapsed_s = at_s - reserve.updated_at_s
    if elapsed_s == 0:
        return Indices(liquidity_ray=reserve.liquidity_index_ray, debt_ray=reserve.debt_index_ray)
    linear = RAY + reserve.liquidity_rate_ray * elapsed_s // SECONDS_PER_YEAR
    rate = reserve.debt_rate_ray
    # the binomial of (1 + rate per second) ** elapsed, cut after its third term
    square = mul_div_half_up(rate, rate, RAY) // SECONDS_PER_YEAR**2
    cube = mul_div_half_up(square, rate, RAY) // SECONDS_PER_YEAR
    pairs = elapsed_s * (elapsed_s - 1)
    triples = pairs * max(elapsed_s - 2, 0)
    compound = RAY + rate * elapsed_s // SECONDS_PER_YEAR + pairs * square // 2 + triples * cube // 6
    return Indices(
        liquidity_ray=mul_div_half_up(linear, reserve.liquidity_index_ray, RAY),
        debt_ray=mul_div_half_up(compound, reserve.debt_index_ray, RAY),
    )


def account(market: Market, row: Row, *, at_s: int) -> Account:
    """Return the account at `at_s`. Mirrors ``GenericLogic.calculateUserAccountData``.

    A reserve that was dropped is passed over, as the contract does; so is collateral without a threshold.
    """
    e_mode = market.e_modes.get(row.e_mode)
    collaterals = tuple(
        _collateral(market.reserves[one.reserve_id], one.scaled, e_mode, at_s)
        for one in row.collaterals
        if one.reserve_id in market.reserves and counts(market.reserves[one.reserve_id])
    )
    debts = tuple(
        _debt(market.reserves[one.reserve_id], one.scaled, at_s)
        for one in row.debts
        if one.reserve_id in market.reserves
    )
    held_base = sum(one.base for one in collaterals)
    threshold_base_bps = sum(one.base * one.threshold_bps for one in collaterals)
    owed_base = sum(one.base for one in debts)
    reserves = [*(one.reserve for one in collaterals), *(one.reserve for one in debts)]
    return Account(
        at_s=at_s,
        collaterals=collaterals,
        debts=debts,
        collateral_base=held_base,
        threshold_base_bps=threshold_base_bps,
        debt_base=owed_base,
        health_factor_wad=health_factor_wad(
            collateral_base=held_base, threshold_base_bps=threshold_base_bps, debt_base=owed_base
        ),
        unpriced=tuple(reserve for reserve in reserves if not reserve.priced),
    )


def counts(reserve: Reserve) -> bool:
    """Return whether collateral of the reserve is looked at: not without a threshold of its own."""
    return reserve.configuration.liquidation_threshold_bps != 0


def health_factor_wad(*, collateral_base: int, threshold_base_bps: int, debt_base: int) -> int:
    """Return the health factor: threshold floored, the rest half up; the largest uint without debt."""
    if debt_base == 0:
        return MAX_UINT
    average_bps = _average(threshold_base_bps, collateral_base)
    return mul_div_half_up(mul_div_half_up(collateral_base, average_bps, BPS), WAD, debt_base)


def least_threshold_bps(reserve: Reserve, threshold_bps: int) -> int:
    """Return the part of a collateral's threshold that is sure to count: the average is floored to whole bps.

    Nothing of a reserve counts that has no threshold of its own, whatever the e-mode's.
    """
    return threshold_bps - 1 if counts(reserve) else 0


def best_health_wad(first: Remainder, last: Remainder) -> int:
    """Return what no repay between these two exceeds, where value falls from the first to the last.

    As one collateral shrinks the average threshold moves one way only, so one of the two has the highest.
    """
    if last.debt_base == 0:
        return MAX_UINT
    average_bps = max(_average(one.threshold_base_bps, one.collateral_base) for one in (first, last))
    return mul_div_half_up(mul_div_half_up(first.collateral_base, average_bps, BPS), WAD, last.debt_base)


def account_data(account: Account) -> tuple[int, int, int, int, int, int]:
    """Return the six values of ``getUserAccountData``, in its order.

    Collateral, debt and what may still be borrowed, in the oracle's currency; the average threshold and
    loan-to-value in bps, floored; the health factor.
    """
    held_base = account.collateral_base
    ltv_bps = _average(sum(one.base * one.ltv_bps for one in account.collaterals), held_base)
    threshold_bps = _average(account.threshold_base_bps, held_base)
    borrowable_base = max(mul_div_half_up(held_base, ltv_bps, BPS) - account.debt_base, 0)
    return (
        held_base,
        account.debt_base,
        borrowable_base,
        threshold_bps,
        ltv_bps,
        account.health_factor_wad,
    )


def collateral_raw(scaled: int, index_ray: int) -> int:
    """Return an aToken balance, rounded half up."""
    return mul_div_half_up(scaled, index_ray, RAY)


def debt_raw(scaled: int, index_ray: int) -> int:
    """Return what is owed, rounded half up."""
    return mul_div_half_up(scaled, index_ray, RAY)


def collateral_base(raw: int, reserve: Reserve) -> int:
    """Return the value of collateral in the oracle's currency, floored."""
    return mul_div_down(raw, reserve.price_base, reserve.unit_raw)


def debt_base(raw: int, reserve: Reserve) -> int:
    """Return the value of debt in the oracle's currency, floored."""
    return mul_div_down(raw, reserve.price_base, reserve.unit_raw)


def _average(weighted: int, held_base: int) -> int:
    """Return the average of what was weighted by value, floored; 0 where there is no value."""
    return weighted // held_base if held_base else 0


def _collateral(reserve: Reserve, scaled: int, e_mode: EMode | None, at_s: int) -> Collateral:
    index_ray = accrue(reserve, at_s=at_s).liquidity_ray
    raw = collateral_raw(scaled, index_ray)
    configuration = reserve.configuration
    if e_mode is not None and e_mode.covers(reserve.id):
        ltv_bps = 0 if e_mode.ltv_zero_bitmap >> reserve.id & 1 else e_mode.ltv_bps
        threshold_bps = e_mode.liquidation_threshold_bps
        bonus_bps = e_mode.liquidation_bonus_bps
    else:
        ltv_bps = configuration.ltv_bps
        threshold_bps = configuration.liquidation_threshold_bps
        bonus_bps = configuration.liquidation_bonus_bps
    return Collateral(
        reserve=reserve,
        scaled=scaled,
        index_ray=index_ray,
        raw=raw,
        base=collateral_base(raw, reserve),
        ltv_bps=ltv_bps,
        threshold_bps=threshold_bps,
        bonus_bps=bonus_bps,
    )


def _debt(reserve: Reserve, scaled: int, at_s: int) -> Debt:
    index_ray = accrue(reserve, at_s=at_s).debt_ray
    raw = debt_raw(scaled, index_ray)
    return Debt(reserve=reserve, scaled=scaled, index_ray=index_ray, raw=raw, base=debt_base(raw, reserve))
