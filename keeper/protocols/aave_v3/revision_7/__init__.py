"""Pool revision 7: Aave V3.3, mirrored from ``aave-v3-origin`` v3.3.0. Pure arithmetic.

The first with rules against dust and with deficits; everything is rounded half up.

Implements :class:`keeper.protocols.aave_v3.revision.Revision` by its functions.
"""

from keeper.protocols.aave_v3.revision_7.account import (
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
from keeper.protocols.aave_v3.revision_7.feasible import feasible
from keeper.protocols.aave_v3.revision_7.liquidation import close, pair, refusal, remainder

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
