"""``keeper sweep``: the owner's transaction, unsigned."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import TYPE_CHECKING

from keeper.cli import typed
from keeper.cli.command import CHAIN, DONE, Command, configured
from keeper.cli.printed import complain

if TYPE_CHECKING:
    from keeper.config import Settings


def _sweep(arguments: argparse.Namespace, settings: Settings) -> int:
    token = None if arguments.token is None else typed.address("--token", arguments.token)
    to = None if arguments.to is None else typed.address("--to", arguments.to)

    from keeper import app

    swept = asyncio.run(app.sweep(settings, token=token, to=to))
    for transaction in swept.transactions:
        print(json.dumps(transaction))
    complain(swept.told)
    return DONE


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--token", metavar="ADDRESS", help="which token (default: the wrapped native one)")
    parser.add_argument("--to", metavar="ADDRESS", help="who receives it (default: the vault's owner)")


COMMAND = Command(
    name="sweep",
    summary="print the transaction that empties the vault, unsigned",
    about="""\
Prints the transaction that takes all of a token out of your vault, unsigned, as JSON: for the owner's wallet,
wherever that is. The owner's key is never on this machine. It is tried as the owner before it is printed.

example: keeper sweep > sweep.json
needs:   KEEPER_RPC_URLS, KEEPER_VAULT""",
    run=configured(_sweep, needs=(*CHAIN, "KEEPER_VAULT")),
    arguments=_arguments,
)
