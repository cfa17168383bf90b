"""``keeper``: the command line as a whole."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from keeper import __version__
from keeper.cli.command import Command, guarded
from keeper.cli.commands import (
    backtest,
    cancel,
    carry,
    check,
    demo,
    deploy,
    devnet,
    liquidate,
    markets,
    plan,
    report,
    resume,
    run,
    scan,
    shadow,
    stress,
    sweep,
)

_COMMANDS: tuple[Command, ...] = (
    run.COMMAND,
    scan.COMMAND,
    plan.COMMAND,
    liquidate.COMMAND,
    cancel.COMMAND,
    backtest.COMMAND,
    stress.COMMAND,
    deploy.COMMAND,
    check.COMMAND,
    shadow.COMMAND,
    sweep.COMMAND,
    carry.COMMAND,
    report.COMMAND,
    resume.COMMAND,
    markets.COMMAND,
    demo.COMMAND,
    devnet.COMMAND,
)

_DESCRIPTION = """\
A keeper of lending protocols: it finds positions that fell below health 1, decides how much of each is worth
closing, and lands that in a block with a flash loan.
"""

_EPILOG = """\
Configuration is read from the environment and from .env; .env.example explains every variable.
To see it work with nothing configured: keeper demo

exit code: 0 done, 1 the job failed, 2 wrong configuration
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names, and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        command: Callable[[argparse.Namespace], int] = arguments.command
        return guarded(lambda: command(arguments))
    finally:
        _close_stdout()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keeper",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"keeper {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    return parser


def _close_stdout() -> None:
    """Flush stdout; where its reader is gone, keep the interpreter from complaining about it at exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
