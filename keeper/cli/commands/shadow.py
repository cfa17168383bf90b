"""``keeper shadow``: watching without a key."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from keeper.cli.command import MARKETS, Command, configured, until_stopped
from keeper.cli.printed import event_log

if TYPE_CHECKING:
    from keeper.config import Settings


def _shadow(arguments: argparse.Namespace, settings: Settings) -> int:
    from keeper import app

    return until_stopped(lambda stop: app.shadow(settings, listener=event_log(settings), stop=stop))


COMMAND = Command(
    name="shadow",
    summary="watch without a key, and score what others liquidate",
    about="""\
Watches a live chain without a key and scores every real liquidation as it happens: how long before this
keeper had seen it, what it would have closed for and bid, and what the winner paid. Nothing is ever sent.
`keeper report --lost` and `--idle` sum it up. Ctrl-C or SIGTERM ends it cleanly.

example: keeper shadow
needs:   KEEPER_RPC_URLS, KEEPER_MARKETS""",
    run=configured(_shadow, needs=MARKETS),
)
