"""Interest, up to a block's time. Mirrors ``Morpho._accrueInterest``."""

from __future__ import annotations

from keeper.protocols.morpho_blue.arithmetic import (
    checked,
    shares_down,
    sum_uint128,
    taylor_compounded_wad,
    uint128,
    wad_mul_down,
)
from keeper.protocols.morpho_blue.state import Totals


def accrue(totals: Totals, *, rate_wad: int, at_s: int) -> Totals:
    """Return the totals at `at_s`, not before they were stored; the fee goes to supply, as new shares.

    Raises Refused where a total no longer fits its 128 bits.
    """
    elapsed_s = checked(at_s - totals.updated_at_s)
    if elapsed_s == 0:
        return totals
    growth_wad = taylor_compounded_wad(rate_wad, elapsed_s)
    interest = uint128(wad_mul_down(totals.borrow_assets, growth_wad))
    borrow_assets = sum_uint128(totals.borrow_assets, interest)
    supply_assets = sum_uint128(totals.supply_assets, interest)
    fee = wad_mul_down(interest, totals.fee_wad)
    fee_shares = uint128(shares_down(fee, supply_assets - fee, totals.supply_shares))
    return totals._replace(
        supply_assets=supply_assets,
        supply_shares=sum_uint128(totals.supply_shares, fee_shares),
        borrow_assets=borrow_assets,
        updated_at_s=at_s,
    )
