"""``keeper stress``: a cascade on a fork."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import TYPE_CHECKING

from keeper.cli import typed
from keeper.cli.command import DONE, MARKETS, Command, configured, json_option
from keeper.cli.printed import Progress, print_view, warning_log
from keeper.domain.errors import ConfigError

if TYPE_CHECKING:
    from keeper.config import Settings


_MOST_BLOCKS_STRESSED = 10_000


def _stress(arguments: argparse.Namespace, settings: Settings) -> int:
    if not arguments.price:
        raise ConfigError("--price: is needed, such as --price WETH=-30%")
    if not 2 <= arguments.over <= _MOST_BLOCKS_STRESSED:
        raise ConfigError(f"--over: {arguments.over} blocks: expected 2 to {_MOST_BLOCKS_STRESSED:,}")
    supposed = [typed.price(one) for one in arguments.price]

    from keeper.app.stressing import stress
    from keeper.app.supposing import Price
    from keeper.backtest.stress_view import stress_json, stress_view

    prices = {name: Price(amount=amount, is_factor=is_factor) for name, amount, is_factor in supposed}
    progress = Progress()
    told = asyncio.run(
        stress(
            settings,
            prices=prices,
            blocks=arguments.over,
            listener=warning_log(settings),
            tell=progress.at,
        )
    )
    progress.end()
    if arguments.json:
        print(json.dumps(stress_json(told)))
    else:
        print_view(stress_view(told))
    return DONE


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--price",
        action="append",
        default=[],
        metavar="TOKEN=PRICE",
        help="where a price goes: WETH=-30%% or, in dollars, WETH=1400; may be repeated",
    )
    parser.add_argument(
        "--over", type=int, default=50, metavar="BLOCKS", help="in how many blocks (default: 50)"
    )
    json_option(parser)


COMMAND = Command(
    name="stress",
    summary="see a cascade on a fork: what falls, what is left, what it earns",
    about="""\
Reads the markets as they are, then lets prices fall on a private fork of that block, step by step. Traders
bring every pool along, the oracles follow, and the keeper's own engine decides; its transactions run for
real. Played twice: once the market forgets what the keeper sold, once it does not, and the oracles follow the
pools down. Tells what is liquidated in which order, what bad debt is left, and what the keeper earns. What is
priced by the same feed moves along. Sends nothing; needs Anvil, no key and no contract of yours.

example: keeper stress --price WETH=-30% --over 50
needs:   KEEPER_RPC_URLS, KEEPER_MARKETS""",
    run=configured(_stress, needs=MARKETS),
    arguments=_arguments,
)
