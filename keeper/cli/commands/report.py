"""``keeper report``: what came of it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.cli import typed
from keeper.cli.command import DONE, Command, configured, json_option
from keeper.cli.printed import show
from keeper.domain.errors import ConfigError

if TYPE_CHECKING:
    from keeper.config import Settings


def _report(arguments: argparse.Namespace, settings: Settings) -> int:
    since_s = int(time.time()) - typed.span_s(arguments.since)
    if arguments.csv is not None and (arguments.lost or arguments.idle):
        raise ConfigError("--csv: is of the ledger alone; expected neither --lost nor --idle")

    from keeper import app
    from keeper.render.report import idle_view, ledger_view, lost_view

    if arguments.lost:
        lost = app.lost(settings, since_s=since_s)
        show(arguments, lost, lambda: lost_view(lost))
    elif arguments.idle:
        idle = app.idle(settings, since_s=since_s)
        show(arguments, idle, lambda: idle_view(idle))
    else:
        ledger = app.ledger(settings, since_s=since_s)
        if arguments.csv is not None:
            app.write_csv(ledger, arguments.csv)
        show(arguments, ledger, lambda: ledger_view(ledger))
    return DONE


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since", default="7d", metavar="SPAN", help="how far back, such as 7d, 24h or 30m (default: 7d)"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write each transaction to this file too")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--lost", action="store_true", help="what others liquidated, and why")
    which.add_argument("--idle", action="store_true", help="how much was watched, and why nothing was sent")
    json_option(parser)


COMMAND = Command(
    name="report",
    summary="tell what came of it, and why not more",
    about="""\
Tells what came of it, from the journal alone: what each liquidation was predicted to bring against what it
brought, split into bonus, price impact, flash fee, bid, gas and L1 fee; by day and by protocol. With --lost:
what others liquidated, when it was seen here, and why it was lost. With --idle: how much was watched and why
nothing was sent. Asks no endpoint, and may be run beside a keeper.

example: keeper report --since 7d --csv ledger.csv
needs:   KEEPER_STATE_DIR where that is not the default one""",
    run=configured(_report, needs=()),
    arguments=_arguments,
)
