"""``keeper plan``: one decision, explained."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keeper.cli import typed
from keeper.cli.command import DONE, FAILED, MARKETS, Command, configured, guarded, json_option
from keeper.cli.printed import complain, show, warning_log
from keeper.domain.errors import ConfigError

if TYPE_CHECKING:
    from keeper.config import Settings
    from keeper.domain.report import PlanReport


def _plan(arguments: argparse.Namespace) -> int:
    if arguments.plot is not None:
        from keeper.render.plot import plottable

        plottable(arguments.plot)
    if arguments.state is not None:
        return _plan_from_state(arguments)
    if arguments.borrower is None:
        arguments.refuse("BORROWER is required, or --state FILE")
    return configured(_plan_now, needs=MARKETS)(arguments)


def _plan_now(arguments: argparse.Namespace, settings: Settings) -> int:
    borrower = typed.address("BORROWER", arguments.borrower)

    from keeper import app

    listener, curve = warning_log(settings), arguments.plot is not None
    if arguments.save is None:
        return _planned(arguments, app.plan(settings, borrower=borrower, listener=listener, curve=curve))

    from keeper.app.saving import plan_and_save
    from keeper.config import deciding

    variables = deciding(env_file=arguments.env_file)
    saving = plan_and_save(
        settings,
        borrower=borrower,
        file=arguments.save,
        variables=variables,
        listener=listener,
        curve=curve,
    )
    return _planned(arguments, saving)


def _plan_from_state(arguments: argparse.Namespace) -> int:
    if arguments.save is not None:
        raise ConfigError("--save: what is planned from --state is saved already; expected one of the two")

    from keeper.app.saving import load_state, plan_from
    from keeper.config import load

    saved = load_state(arguments.state)
    if arguments.borrower and typed.address("BORROWER", arguments.borrower) != saved.borrower:
        raise ConfigError(f"BORROWER: {arguments.state} holds another one's state, which needs no BORROWER")
    settings = load(env_file=arguments.env_file, needs=("KEEPER_MARKETS",), under=saved.variables)
    planning = plan_from(settings, saved, listener=warning_log(settings), curve=arguments.plot is not None)
    return guarded(lambda: _planned(arguments, planning), settings.secrets)


def _planned(arguments: argparse.Namespace, planning: Coroutine[Any, Any, PlanReport]) -> int:
    from keeper.render.plan import plan_view

    report = asyncio.run(planning)
    show(arguments, report, lambda: plan_view(report))
    if arguments.plot is None:
        return DONE
    if report.curve is None:
        complain(f"--plot: nothing was drawn: {report.decision or 'the position is healthy'}")
        return FAILED

    from keeper.render.plot import plot

    plot(report, report.curve, arguments.plot)
    return DONE


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "borrower", nargs="?", metavar="BORROWER", help="whose position, an address; with --state it is known"
    )
    parser.set_defaults(refuse=parser.error)
    parser.add_argument(
        "--save", type=Path, metavar="FILE", help="write all that it was decided on to a file"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw profit against close factor, a .png or .svg"
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="plan from such a file, with no endpoint")
    json_option(parser)


COMMAND = Command(
    name="plan",
    summary="explain what would be done about one borrower",
    about="""\
Explains one decision: every pair of collateral and debt, what may be repaid of it (the dust rules make
holes), the three sizes side by side with bonus, price impact, flash fee and gas, and what was chosen, or
why nothing was. Sends nothing, and needs no key and no contract of yours.

With --plot it draws what each size would bring: profit against close factor, with what may be repaid, the
optimum, break-even, the size that restores health, and half of the debt. It needs pip install 'keeper[plot]'.

With --save all that the decision was made on is written to a file, and --state plans from that file alone: no
endpoint is asked, and the decision is the same to the wei. What is set now overrides what was set then.

example: keeper plan 0x1234567890abcdef1234567890abcdef12345678 --save then.state
         keeper plan --state then.state
needs:   KEEPER_RPC_URLS, KEEPER_MARKETS; with --state nothing""",
    run=_plan,
    arguments=_arguments,
)
