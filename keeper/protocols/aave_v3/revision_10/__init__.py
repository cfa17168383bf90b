"""Pool revisions 9 and 10: Aave V3.5 and V3.6, which share one arithmetic. Pure.

Mirrored from ``@aave-dao/aave-v3-origin`` 3.6.0.

Implements :class:`keeper.protocols.aave_v3.revision.Revision` by its functions.
"""

from keeper.protocols.aave_v3.revision_10.account import (
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
from keeper.protocols.aave_v3.revision_10.feasible import feasible
from keeper.protocols.aave_v3.revision_10.liquidation import close, pair, refusal, remainder

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
