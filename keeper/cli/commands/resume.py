"""``keeper resume``: the brakes, released."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from keeper.cli.command import CHAIN, DONE, Command, configured

if TYPE_CHECKING:
    from keeper.config import Settings


def _resume(arguments: argparse.Namespace, settings: Settings) -> int:
    from keeper import app

    tripped = asyncio.run(app.resume(settings))
    print("no brake was on" if tripped is None else f"released: {tripped}")
    return DONE


COMMAND = Command(
    name="resume",
    summary="release the brakes",
    about="""\
Releases the brake that is on: what was counted until now is not counted again. A keeper that runs goes on
sending at its next head. `keeper check` tells which brake is on, and by what; find out why first.

example: keeper resume
needs:   KEEPER_RPC_URLS""",
    run=configured(_resume, needs=CHAIN),
)
