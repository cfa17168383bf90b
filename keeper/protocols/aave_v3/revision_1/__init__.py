"""Pool revisions 1 to 6: Aave V3.0 to V3.2, mirrored from ``@aave/core-v3`` 1.19.3. Pure arithmetic.

No close leaves too little, for there is no rule against dust; bad debt stays with the borrower. What 3.1 and
3.2 changed is where things are read, not how a liquidation is worked out. Debt at a stable rate is not
counted.

Implements :class:`keeper.protocols.aave_v3.revision.Revision` by its functions.
"""

from keeper.protocols.aave_v3.revision_1.account import (
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
from keeper.protocols.aave_v3.revision_1.feasible import feasible
from keeper.protocols.aave_v3.revision_1.liquidation import close, pair, refusal, remainder

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
