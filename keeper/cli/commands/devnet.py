"""``keeper devnet``: that chain alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from keeper.cli.command import Command, seed_option


def _devnet(arguments: argparse.Namespace) -> int:
    from keeper.devnet import command

    return command.run(
        port=arguments.port, seed=arguments.seed, borrowers=arguments.borrowers, prices=arguments.prices
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    seed_option(parser)
    parser.add_argument(
        "--port", type=int, default=8545, metavar="N", help="where it listens (default: 8545)"
    )
    parser.add_argument(
        "--borrowers", type=int, default=48, metavar="N", help="how many there are (default: 48)"
    )
    parser.add_argument(
        "--prices", type=Path, metavar="CSV", help="the path of prices, lines of time and price; else by seed"
    )


COMMAND = Command(
    name="devnet",
    summary="start that chain alone, to point a keeper at",
    about="""\
Starts the demo's chain alone and prints how to connect: for this keeper, or any other bot. Ctrl-C ends it
and leaves nothing behind. Needs no configuration and reads none.

example: keeper devnet --port 8545 --prices crash.csv""",
    run=_devnet,
    arguments=_arguments,
    reads_settings=False,
)
