"""Many borrowers' healths, to the last digit: what a revision's `account` finds of each, and no more.

What borrowers share is looked up once for all of them: a reserve's indices, a collateral's threshold. It is
what the screen lets through that is computed here, at every head; `account` says of one borrower everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from keeper.domain.position import Health
from keeper.protocols.aave_v3.accrual import accrued
from keeper.protocols.aave_v3.revision import Revision
from keeper.protocols.aave_v3.state import Market, Reserve, Row


def healths(revision: Revision, market: Market, rows: Iterable[Row], *, at_s: int) -> tuple[Health, ...]:
    """Return each row's health at `at_s`, in the oracle's currency and in wads."""
    collateral_base, collateral_raw = revision.collateral_base, revision.collateral_raw
    debt_base, debt_raw = revision.debt_base, revision.debt_raw
    indices = accrued(revision.accrue, market, at_s=at_s)

    @cache
    def backing(e_mode_id: int, reserve_id: int) -> tuple[Reserve, int, int] | None:
        """Return a collateral's reserve, index and threshold; None where it is passed over."""
        reserve = market.reserves.get(reserve_id)
        if reserve is None or not revision.counts(reserve):
            return None
        return reserve, indices[reserve_id].liquidity_ray, market.threshold_bps(reserve, e_mode_id)

    @cache
    def owing(reserve_id: int) -> tuple[Reserve, int] | None:
        """Return a debt's reserve and index; None where it is passed over."""
        reserve = market.reserves.get(reserve_id)
        return None if reserve is None else (reserve, indices[reserve_id].debt_ray)

    def health(row: Row) -> Health:
        held_base = threshold_base_bps = owed_base = 0
        for reserve_id, scaled in row.collaterals:
            if (one := backing(row.e_mode, reserve_id)) is not None:
                reserve, index_ray, threshold_bps = one
                base = collateral_base(collateral_raw(scaled, index_ray), reserve)
                held_base += base
                threshold_base_bps += base * threshold_bps
        for reserve_id, scaled in row.debts:
            if (owed := owing(reserve_id)) is not None:
                reserve, index_ray = owed
                owed_base += debt_base(debt_raw(scaled, index_ray), reserve)
        health_factor_wad = revision.health_factor_wad(
            collateral_base=held_base, threshold_base_bps=threshold_base_bps, debt_base=owed_base
        )
        return Health(health_factor_wad=health_factor_wad, collateral_base=held_base, debt_base=owed_base)

    return tuple([health(row) for row in rows])
