"""``keeper cancel``: a stuck nonce, freed."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from keeper.cli import typed
from keeper.cli.command import CHAIN, CONTRACTS, DONE, FAILED, Command, configured
from keeper.cli.printed import complain, event_log, print_view

if TYPE_CHECKING:
    from keeper.config import Settings


def _cancel(arguments: argparse.Namespace, settings: Settings) -> int:
    nonce = typed.nonce(arguments.nonce)
    typed.must_send(settings, "cancel")

    from keeper import app
    from keeper.domain.submission import Included
    from keeper.render.cancel import cancel_view

    def agreed(held: app.HeldNonce) -> bool:
        view = cancel_view(
            nonce=held.nonce,
            next_nonce=held.next_nonce,
            holders=held.holders,
            is_private=held.is_private,
        )
        print_view(view)
        return arguments.yes or typed.answered_yes("Cancel it?")

    outcome = asyncio.run(app.cancel(settings, nonce=nonce, agreed=agreed, listener=event_log(settings)))
    if outcome is None:
        complain("nothing was sent")
    return DONE if isinstance(outcome, Included) else FAILED


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("nonce", metavar="NONCE", help="which one, a number")
    parser.add_argument("--yes", action="store_true", help="send without asking")


COMMAND = Command(
    name="cancel",
    summary="free a nonce that a stuck transaction holds",
    about="""\
Frees a nonce that a stuck transaction of the operator's holds: shows what is known of it, asks, and sends
nothing to itself with the same nonce and higher fees, to those alone who were sent the original. Needs the
keeper stopped, as one key has one keeper. Exit code 0 means that the cancellation was included.

example: keeper cancel 17
needs:   KEEPER_RPC_URLS, KEEPER_EXECUTOR, KEEPER_VAULT, and a key""",
    run=configured(_cancel, needs=(*CHAIN, *CONTRACTS), unlocks=True),
    arguments=_arguments,
)
