"""What the commands do: the one place where implementations are chosen and joined."""

from keeper.app.cancelling import HeldNonce, cancel
from keeper.app.checking import check
from keeper.app.deploying import deploy
from keeper.app.inspecting import plan, scan
from keeper.app.reporting import idle, ledger, lost, write_csv
from keeper.app.resuming import resume
from keeper.app.running import liquidate, run, shadow
from keeper.app.withdrawing import sweep

__all__ = [
    "HeldNonce",
    "cancel",
    "check",
    "deploy",
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
