"""``keeper demo``: all of it on a chain of its own."""

from __future__ import annotations

import argparse

from keeper.cli.command import Command, seed_option


def _demo(arguments: argparse.Namespace) -> int:
    from keeper.devnet import demo

    return demo.run(seed=arguments.seed, as_json=arguments.json)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print its figures as one JSON line instead")
    seed_option(parser)


COMMAND = Command(
    name="demo",
    summary="see it all work on a chain of its own",
    about="""\
Starts a local chain that carries the real contracts of Aave V3.6, Morpho Blue and Uniswap V3, lets the market
crash, and shows the keeper liquidate against a rival, a sandwich and three attacks on its executor. Needs no
configuration and reads none. With --json the last line is one JSON object.

example: keeper demo""",
    run=_demo,
    arguments=_arguments,
    reads_settings=False,
)
