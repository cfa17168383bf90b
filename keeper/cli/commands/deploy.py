"""``keeper deploy``: the operator's own contracts."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from keeper.cli import typed
from keeper.cli.command import CHAIN, DONE, Command, configured
from keeper.cli.printed import print_view, warning_log

if TYPE_CHECKING:
    from keeper.config import Settings


def _deploy(arguments: argparse.Namespace, settings: Settings) -> int:
    owner = typed.address("--owner", arguments.owner)
    typed.must_send(settings, "deploy")

    from keeper.app.deploying import deploy
    from keeper.render.check import deploy_env, deploy_view

    report = asyncio.run(deploy(settings, owner=owner, listener=warning_log(settings)))
    print_view(deploy_view(report))
    print(f"\nFor your .env:\n\n{deploy_env(report)}")
    return DONE


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--owner", required=True, metavar="ADDRESS", help="who shall own executor and vault")


COMMAND = Command(
    name="deploy",
    summary="deploy your executor and your vault",
    about="""\
Deploys the two contracts that the keeper works through, and prints the lines for your .env. The key that is
configured becomes the operator: it runs the executor and can't touch the vault. The owner can, and replaces
the executor should the operator's key leak, so it must be another address, best kept off this machine.

example: keeper deploy --owner 0x1234567890abcdef1234567890abcdef12345678
needs:   KEEPER_RPC_URLS, and a key that has gas""",
    run=configured(_deploy, needs=CHAIN, unlocks=True),
    arguments=_arguments,
)
