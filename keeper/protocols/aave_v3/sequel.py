"""A position between two liquidations of one transaction: exact, at the same prices and indices."""

from __future__ import annotations

from dataclasses import replace

from keeper.protocols.aave_v3.revision import Account, Close, Collateral, Debt, Pair, Revision
from keeper.protocols.aave_v3.state import Reserve


def account_after(revision: Revision, pair: Pair, close: Close) -> Account:
    """Return the account that `close` of this pair leaves.

    What is gone whole is not in it, as the pool takes it out of the borrower's configuration. Of the reserves
    that took part it has the cash as it is then.
    """
    account, left = pair.account, revision.remainder(pair, close)
    sold, paid = pair.collateral.reserve, pair.debt.reserve
    moved = {sold.id: -close.seized_raw}
    moved[paid.id] = moved.get(paid.id, 0) + close.repaid_raw

    def now(reserve: Reserve) -> Reserve:
        moved_raw = moved.get(reserve.id, 0)
        return replace(reserve, cash_raw=reserve.cash_raw + moved_raw) if moved_raw else reserve

    def collateral(one: Collateral) -> Collateral | None:
        if one.reserve.id != sold.id:
            return replace(one, reserve=now(one.reserve))
        if not close.stays_collateral:
            return None
        raw = revision.collateral_raw(close.collateral_scaled_after, one.index_ray)
        base = revision.collateral_base(raw, one.reserve)
        scaled = close.collateral_scaled_after
        return replace(one, reserve=now(one.reserve), scaled=scaled, raw=raw, base=base)

    def debt(one: Debt) -> Debt | None:
        if close.clears_collateral and one.reserve.configuration.active:
            return None
        if one.reserve.id != paid.id:
            return replace(one, reserve=now(one.reserve))
        raw = revision.debt_raw(close.debt_scaled_after, one.index_ray)
        base = revision.debt_base(raw, one.reserve)
        scaled = close.debt_scaled_after
        return replace(one, reserve=now(one.reserve), scaled=scaled, raw=raw, base=base) if scaled else None

    collaterals, debts = map(collateral, account.collaterals), map(debt, account.debts)
    return replace(
        account,
        collaterals=tuple(one for one in collaterals if one is not None),
        debts=tuple(one for one in debts if one is not None),
        collateral_base=left.collateral_base,
        threshold_base_bps=left.threshold_base_bps,
        debt_base=left.debt_base,
        health_factor_wad=left.health_factor_wad,
    )
