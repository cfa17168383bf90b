"""``keeper run``: the daemon."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from keeper.cli.command import CONTRACTS, MARKETS, Command, configured, until_stopped
from keeper.cli.printed import event_log

if TYPE_CHECKING:
    from keeper.config import Settings


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    from keeper import app

    return until_stopped(lambda stop: app.run(settings, listener=event_log(settings), stop=stop))


COMMAND = Command(
    name="run",
    summary="watch the chain and liquidate, until stopped",
    about="""\
Follows the chain from head to head: reads every position that changed, plans what pays, simulates it, and
sends it. Without a key, or with KEEPER_DRY_RUN=true, nothing is ever sent: it plans and simulates only.
Ctrl-C or SIGTERM ends it cleanly; what was in flight is taken up again at the next start.

example: KEEPER_DRY_RUN=true keeper run
needs:   KEEPER_RPC_URLS, KEEPER_MARKETS; to send also KEEPER_EXECUTOR, KEEPER_VAULT and a key""",
    run=configured(_run, needs=MARKETS, needs_to_send=CONTRACTS, unlocks=True),
)
