"""``keeper scan``: who is unhealthy, or would be."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from keeper.cli import typed
from keeper.cli.command import DONE, MARKETS, Command, configured, json_option
from keeper.cli.printed import show, warning_log

if TYPE_CHECKING:
    from keeper.config import Settings


def _scan(arguments: argparse.Namespace, settings: Settings) -> int:
    below_wad = typed.health_factor(arguments.below or ("1" if arguments.price else "1.05"))
    supposed = [typed.price(one) for one in arguments.price]

    from keeper import app
    from keeper.app.supposing import Price
    from keeper.render.scan import scan_view

    prices = {name: Price(amount=amount, is_factor=is_factor) for name, amount, is_factor in supposed}
    report = asyncio.run(
        app.scan(settings, below_wad=below_wad, prices=prices, listener=warning_log(settings))
    )
    show(arguments, report, lambda: scan_view(report))
    return DONE


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--below", metavar="HEALTH", help="the health factor to list below (default: 1.05; with --price 1)"
    )
    parser.add_argument(
        "--price",
        action="append",
        default=[],
        metavar="TOKEN=PRICE",
        help="suppose a price: WETH=-8%% or, in dollars, WETH=1800; by symbol or address, may be repeated",
    )
    json_option(parser)


COMMAND = Command(
    name="scan",
    summary="list the positions that are unhealthy, or nearly",
    about="""\
Lists every position under a health factor, the worst first: its collateral, its debt, and what may be
closed of it now, in tokens and in US dollars. Reads only: no key, no contract of yours.

With --price it tells who would fall if prices were others than the chain's. What is made from the same feed
follows, through caps, ratios and pegs, and is named: wstETH follows WETH; named by itself it moves alone.
Below the list stand the trigger prices: what a feed must report for the next borrower to fall, and the prices
then. Of a price that comes through an adapter of no known kind nothing is foretold, and that is said.

example: keeper scan --below 1.02 --json
         keeper scan --price WETH=-8%
needs:   KEEPER_RPC_URLS, KEEPER_MARKETS""",
    run=configured(_scan, needs=MARKETS),
    arguments=_arguments,
)
