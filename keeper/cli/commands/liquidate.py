"""``keeper liquidate``: one borrower, once."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from keeper.cli import typed
from keeper.cli.command import CONTRACTS, DONE, FAILED, MARKETS, Command, configured
from keeper.cli.printed import complain, event_log, print_view, warning_log

if TYPE_CHECKING:
    from keeper.config import Settings


def _liquidate(arguments: argparse.Namespace, settings: Settings) -> int:
    borrower = typed.address("BORROWER", arguments.borrower)
    typed.must_send(settings, "liquidate")

    from keeper import app
    from keeper.domain.declined import Declined
    from keeper.domain.plan import Plan
    from keeper.domain.submission import Included
    from keeper.render.plan import plan_view

    report = asyncio.run(app.plan(settings, borrower=borrower, listener=warning_log(settings)))
    print_view(plan_view(report))
    if not isinstance(report.decision, Plan):
        complain("nothing was sent")
        return FAILED
    if not arguments.yes and not typed.answered_yes("Send it? It is decided anew on the newest head."):
        complain("nothing was sent")
        return FAILED
    result = asyncio.run(app.liquidate(settings, borrower=borrower, listener=event_log(settings)))
    if isinstance(result, Declined):
        complain(f"nothing was sent: {result}")
    return DONE if isinstance(result, Included) else FAILED


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("borrower", metavar="BORROWER", help="whose position, an address")
    parser.add_argument("--yes", action="store_true", help="send without asking")


COMMAND = Command(
    name="liquidate",
    summary="liquidate one borrower, once",
    about="""\
Shows the plan for one borrower, asks, and sends it. The decision is made anew on the newest head once you
have said yes. Exit code 0 means that it was included and succeeded.

example: keeper liquidate 0x1234567890abcdef1234567890abcdef12345678 --yes
needs:   KEEPER_RPC_URLS, KEEPER_MARKETS, KEEPER_EXECUTOR, KEEPER_VAULT, and a key""",
    run=configured(_liquidate, needs=(*MARKETS, *CONTRACTS), unlocks=True),
    arguments=_arguments,
)
