"""``keeper carry``: what the owner signs so that something is carried, unsigned."""

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


def _carry(arguments: argparse.Namespace, settings: Settings) -> int:
    from keeper import app

    allowance = app.Allowance(
        spent=typed.address("--spend", arguments.spend),
        carried=typed.address("--on", arguments.on),
        most=typed.amount("--most", arguments.most),
        ratio=typed.amount("--ratio", arguments.ratio),
        price=None if arguments.price is None else typed.amount("--price", arguments.price),
    )
    allowed = asyncio.run(app.carry(settings, allowance))
    for transaction in allowed.transactions:
        print(json.dumps(transaction))
    complain(allowed.told)
    return DONE


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--spend", metavar="ADDRESS", required=True, help="the token that debts are paid in")
    parser.add_argument("--on", metavar="ADDRESS", required=True, help="the token that the vault is to keep")
    parser.add_argument(
        "--most", metavar="AMOUNT", required=True, help="how much may be spent, in whole tokens; 0 for none"
    )
    parser.add_argument(
        "--ratio",
        metavar="RATIO",
        default="1",
        help="how much value must come for the value that goes, by the market's oracle (default: 1)",
    )
    parser.add_argument(
        "--price",
        metavar="AMOUNT",
        help="instead: how many whole tokens must come for each that goes, until you set another",
    )


COMMAND = Command(
    name="carry",
    summary="print the transaction that lets the vault carry a token, unsigned",
    about="""\
Prints what lets your vault pay debts in one token and keep another, unsigned, as JSON, a transaction a line:
for the owner's wallet, wherever that is. A liquidation whose collateral can't be sold at once (the aToken of
a reserve without cash, a token with a cool-down) is then paid for by the vault, which keeps what was seized
until you redeem it. They are tried as the owner before they are printed.

No more is ever spent than --most, and not for less than --ratio, by the oracle of the market that knows the
token: that is all that a stolen key could have of it. --most counts from now on: what was spent before is
not taken off it. KEEPER_TOKENS must name the token as carry too.

example: keeper carry --spend 0xA0b8… --on 0x4d5F… --most 50000
needs:   KEEPER_RPC_URLS, KEEPER_VAULT, and KEEPER_MARKETS without --price""",
    run=configured(_carry, needs=(*CHAIN, "KEEPER_VAULT")),
    arguments=_arguments,
)
