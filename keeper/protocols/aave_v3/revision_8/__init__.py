"""Pool revision 8: Aave V3.4, mirrored from ``aave-v3-origin`` v3.4.0. Pure arithmetic.

As revision 7, but for the formula by which debt grows, and nobody liquidates themselves.

Implements :class:`keeper.protocols.aave_v3.revision.Revision` by its functions.
"""

from keeper.protocols.aave_v3.revision_8.account import (
    account,
    account_data,
    accrue,
    best_health_wad,
    collateral_base,
    collateral_raw,
    counts,
    debt_base,
    debt_raw,
    health_factor_wad,
    least_threshold_bps,
)
from keeper.protocols.aave_v3.revision_8.feasible import feasible
from keeper.protocols.aave_v3.revision_8.liquidation import close, pair, refusal, remainder

__all__ = [
    "account",
    "account_data",
    "accrue",
    "best_health_wad",
    "close",
    "collateral_base",
    "collateral_raw",
    "counts",
    "debt_base",
    "debt_raw",
    "feasible",
    "health_factor_wad",
    "least_threshold_bps",
    "pair",
    "refusal",
    "remainder",
]
