"""Pool revision 10: Aave V3.6, mirrored from ``@aave-dao/aave-v3-origin`` 3.6.0. Pure arithmetic.

Implements :class:`keeper.protocols.aave_v3.revision.Revision` by its functions.
"""

from keeper.protocols.aave_v3.revision_10.account import account, account_data, accrue, health_factor_wad
from keeper.protocols.aave_v3.revision_10.feasible import feasible
from keeper.protocols.aave_v3.revision_10.liquidation import close, pair, refusal, remainder

__all__ = [
    "account",
    "account_data",
    "accrue",
    "close",
    "feasible",
    "health_factor_wad",
    "pair",
    "refusal",
    "remainder",
]
