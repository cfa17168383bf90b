"""Many borrowers' healths, to the last digit: what a revision's `account` finds of each, and no more.

A reserve's indices are worked out once for all of them. It is what the screen lets through that is computed
here, at every head; `account` says of one borrower everything.
"""

from __future__ import annotations

from collections.abc import Iterable

from keeper.domain.position import Health
from keeper.protocols.aave_v3.accrual import accrued
from keeper.protocols.aave_v3.revision import Revision
from keeper.protocols.aave_v3.state import Market, Row


def healths(revision: Revision, market: Market, rows: Iterable[Row], *, at_s: int) -> tuple[Health, ...]:
    """Return each row's health at `at_s`, in the oracle's currency and in wads.

    A reserve that was dropped is passed over, and collateral that the revision does not count.
    """
    collateral_base, collateral_raw = revision.collateral_base, revision.collateral_raw
    debt_base, debt_raw = revision.debt_base, revision.debt_raw
    counts, threshold_bps, reserve_of = revision.counts, market.threshold_bps, market.reserves.get
    indices = accrued(revision.accrue, market, at_s=at_s)

    def health(row: Row) -> Health:
        held_base = threshold_base_bps = owed_base = 0
        for reserve_id, scaled in row.collaterals:
            reserve = reserve_of(reserve_id)
            if reserve is not None and counts(reserve):
                base = collateral_base(collateral_raw(scaled, indices[reserve_id].liquidity_ray), reserve)
                held_base += base
                threshold_base_bps += base * threshold_bps(reserve, row.e_mode)
        for reserve_id, scaled in row.debts:
            reserve = reserve_of(reserve_id)
            if reserve is not None:
                owed_base += debt_base(debt_raw(scaled, indices[reserve_id].debt_ray), reserve)
        health_factor_wad = revision.health_factor_wad(
            collateral_base=held_base, threshold_base_bps=threshold_base_bps, debt_base=owed_base
        )
        return Health(health_factor_wad=health_factor_wad, collateral_base=held_base, debt_base=owed_base)

    return tuple([health(row) for row in rows])
