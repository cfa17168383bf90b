"""``keeper markets``: the markets that have names."""

from __future__ import annotations

import argparse
import json

from keeper.cli.command import DONE, Command
from keeper.cli.printed import print_view


def _list_markets(arguments: argparse.Namespace) -> int:
    from keeper.domain.address import checksum
    from keeper.markets import directory
    from keeper.render.markets import markets_view

    if not arguments.json:
        print_view(markets_view(directory()))
        return DONE
    for one in directory().markets:
        told = {"name": one.name, "protocol": one.protocol, "chain_id": one.chain_id}
        print(json.dumps({**told, "address": checksum(one.address)}))
    return DONE


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead, one object a line")


COMMAND = Command(
    name="markets",
    summary="list the markets that are known by name",
    about="""\
Lists the markets that KEEPER_MARKETS takes by name, such as aave-v3:ethereum-core, and the chain that each is
on. Any other is given by its address. Needs no configuration and reads none. With --json: one object a line.

example: keeper markets --json""",
    run=_list_markets,
    arguments=_arguments,
    reads_settings=False,
)
