"""``keeper check``: whether everything is in place."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from keeper.cli.command import CHAIN, DONE, FAILED, Command, configured, json_option
from keeper.cli.printed import show

if TYPE_CHECKING:
    from keeper.config import Settings


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    from keeper import app
    from keeper.render.check import check_view

    lines = asyncio.run(app.check(settings))
    ok = all(line.ok for line in lines)
    show(arguments, {"ok": ok, "lines": lines}, lambda: check_view(lines))
    return DONE if ok else FAILED


COMMAND = Command(
    name="check",
    summary="tell whether everything is in place",
    about="""\
Looks at everything that `keeper run` relies on: chain id, age of the head, the pool's revision, executor and
vault with their owner and operator, balances, and where to trade. One line each, and what to do about it.

example: keeper check
needs:   KEEPER_RPC_URLS""",
    run=configured(_check, needs=CHAIN, unlocks=True),
    arguments=json_option,
)
