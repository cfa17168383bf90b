"""What the commands do: the one place where implementations are chosen and joined.

Deploying, backtesting and sweeping settings are imported by themselves: what they are made of takes longer to
load than everything else, and a keeper that is to be back after a kill has no use for it.
"""

from keeper.app.allowing import Allowance, carry
from keeper.app.cancelling import HeldNonce, cancel
from keeper.app.checking import check
from keeper.app.inspecting import plan, scan
from keeper.app.liquidating import liquidate
from keeper.app.reporting import idle, ledger, lost, write_csv
from keeper.app.resuming import resume
from keeper.app.running import run, shadow
from keeper.app.withdrawing import sweep

__all__ = [
    "Allowance",
    "HeldNonce",
    "cancel",
    "carry",
    "check",
    "idle",
    "ledger",
    "liquidate",
    "lost",
    "plan",
    "resume",
    "run",
    "scan",
    "shadow",
    "sweep",
    "write_csv",
]
