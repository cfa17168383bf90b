"""Pool revision 11: Aave V3.7, mirrored from ``aave-v3-origin`` v3.7. Pure arithmetic.

The bonus is floored, the protocol's share of it rounded up; what leaves the borrower decides whether any
collateral is left; no sentinel is asked.

Implements :class:`keeper.protocols.aave_v3.revision.Revision` by its functions.
"""

from keeper.protocols.aave_v3.revision_11.account import (
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
from keeper.protocols.aave_v3.revision_11.feasible import feasible
from keeper.protocols.aave_v3.revision_11.liquidation import close, pair, refusal, remainder

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
