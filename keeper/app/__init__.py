"""What the commands do: the one place where implementations are chosen and joined."""

from keeper.app.cancelling import HeldNonce, cancel
from keeper.app.checking import check
from keeper.app.deploying import deploy
from keeper.app.inspecting import plan, scan
from keeper.app.running import liquidate, run

__all__ = ["HeldNonce", "cancel", "check", "deploy", "liquidate", "plan", "run", "scan"]
