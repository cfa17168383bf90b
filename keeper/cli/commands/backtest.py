"""``keeper backtest``: past blocks, and sweeps and replays of them."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.cli import typed
from keeper.cli.command import DONE, FAILED, MARKETS, Command, guarded
from keeper.cli.printed import Progress, print_view
from keeper.domain.errors import ConfigError

if TYPE_CHECKING:
    from keeper.backtest.inclusion import Model
    from keeper.config import Settings


def _backtest(arguments: argparse.Namespace) -> int:
    from keeper.backtest.tape_world import is_live
    from keeper.config import load

    over = {"KEEPER_MARKETS": ",".join(arguments.market)} if arguments.market else {}
    needs = ("KEEPER_MARKETS",) if arguments.tape else MARKETS
    settings = load(env_file=arguments.env_file, needs=needs, over=over)
    if arguments.tape is not None and is_live(arguments.tape):
        return guarded(lambda: _replayed(arguments, settings), settings.secrets)
    if missing := [
        name for name, text in (("--from", arguments.first), ("--to", arguments.last)) if text is None
    ]:
        raise ConfigError(*(f"{name}: is needed, but for the tape of a live keeper" for name in missing))
    if arguments.sweep:
        return guarded(lambda: _swept(arguments, over, needs), settings.secrets)
    return guarded(lambda: _backtested(arguments, settings), settings.secrets)


def _replayed(arguments: argparse.Namespace, settings: Settings) -> int:
    """Decide again what a live keeper decided: 0 where it comes to the same, 1 where it does not."""
    from keeper.app.replaying import replay
    from keeper.backtest.replay import Fate
    from keeper.backtest.tape_world import Tape
    from keeper.backtest.view import replay_line, replay_view

    if arguments.sweep or arguments.record is not None:
        raise ConfigError("--sweep, --record: need what others did, which the tape of a live keeper lacks")
    told = Tape.load(arguments.tape, last=arguments.last if arguments.last is not None else -1)
    done = asyncio.run(replay(settings, told, first=arguments.first, last=arguments.last))
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        journal = "".join(f"{line}\n" for line in done.journal)
        (arguments.out / "journal.jsonl").write_text(journal, "utf-8", newline="")
    if arguments.json:
        print(json.dumps(replay_line(done)))
    else:
        print_view(replay_view(done))
    return DONE if done.counts[Fate.SAME] == len(done.compared) else FAILED


def _swept(arguments: argparse.Namespace, over: dict[str, str], needs: tuple[str, ...]) -> int:
    from keeper.app.sweeping import Terms, sweep
    from keeper.backtest.sweep import combinations, parts
    from keeper.backtest.view import sweep_line, sweep_view, write_sweep

    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
    progress = Progress("runs")
    told = sweep(
        combinations(arguments.sweep),
        parts(arguments.first, arguments.last, count=arguments.parts),
        Terms(
            model=_model(arguments),
            over=over,
            env_file=arguments.env_file.absolute() if arguments.env_file else None,
            tape=arguments.tape.absolute() if arguments.tape else None,
            needs=needs,
        ),
        scheduler=arguments.scheduler,
        workers=arguments.workers,
        record=arguments.record,
        notes=arguments.out / "sweep.jsonl" if arguments.out else None,
        tell=lambda now: progress.at(now.done + now.failed, now.of),
    )
    progress.end()
    if arguments.out is not None:
        write_sweep(told, arguments.out)
    if arguments.json:
        print(json.dumps(sweep_line(told)))
    else:
        print_view(sweep_view(told))
    return FAILED if told.missing else DONE


def _backtested(arguments: argparse.Namespace, settings: Settings) -> int:
    from keeper.app import backtesting
    from keeper.backtest.files import write
    from keeper.backtest.view import as_line, calibration_line, summary_view

    progress = Progress()
    done = asyncio.run(
        backtesting.backtest(
            settings,
            first=arguments.first,
            last=arguments.last,
            model=_model(arguments),
            tape=arguments.tape,
            record=arguments.record,
            tell=lambda ledger: progress.at(ledger.blocks, arguments.last - arguments.first + 1),
        )
    )
    progress.end()
    if arguments.out is not None:
        write(done, arguments.out)
    calibration = backtesting.calibrated(settings, done, wanted=arguments.calibrate)
    if arguments.json:
        if calibration is not None:
            print(json.dumps({"calibration": calibration_line(calibration)}))
        print(json.dumps(as_line(done)))
    else:
        print_view(summary_view(done, calibration))
        if arguments.out is not None:
            print(f"{arguments.out / 'report.html'} has it all, with its tables beside it")
    return DONE


def _model(arguments: argparse.Namespace) -> Model:
    """Return what is supposed of the way into a block. Raises ConfigError with every mistake."""
    from keeper.backtest.inclusion import Model

    mistakes = []
    if arguments.latency < 0 or arguments.latency_spread < 0:
        mistakes.append("--latency: expected seconds, 0 or more, and --latency-spread likewise")
    if not 0 <= arguments.bid_bps <= 10_000:
        mistakes.append(f"--bid-bps: {arguments.bid_bps} is no share: expected 0 to 10000")
    if mistakes:
        raise ConfigError(*mistakes)
    return Model(
        latency_s=arguments.latency,
        latency_spread=arguments.latency_spread,
        bid_bps=arguments.bid_bps,
        reverts_land=not arguments.private,
        builders=frozenset(typed.address("--builder", one) for one in arguments.builder or ()),
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--from", dest="first", type=int, metavar="BLOCK", help="everything is read after it")
    add("--to", dest="last", type=int, metavar="BLOCK", help="the last block")
    add("--market", action="append", metavar="NAME", help="instead of KEEPER_MARKETS; may be repeated")
    add("--out", type=Path, metavar="DIR", help="write the report, its tables and the journal there")
    add("--json", action="store_true", help="print one JSON line instead; amounts are decimal strings")
    add("--tape", type=Path, metavar="FILE", help="replay what was recorded, with no endpoint")
    add("--record", type=Path, metavar="FILE", help="record every answer, to be replayed")
    add(
        "--latency",
        type=float,
        default=0.5,
        metavar="SECONDS",
        help="median, from a block's time to the builders (default: 0.5)",
    )
    add(
        "--latency-spread",
        type=float,
        default=0.5,
        metavar="SIGMA",
        help="of the latency's lognormal distribution (default: 0.5)",
    )
    add(
        "--bid-bps",
        type=int,
        default=8_000,
        metavar="BPS",
        help="the most that is bid, of the profit after gas (default: 8000)",
    )
    add(
        "--calibrate",
        action="store_true",
        help="fail where the journal tells nothing to hold the backtest against; else that is done anyway",
    )
    add("--sweep", action="append", metavar="VAR=A,B", help="try every combination; may be repeated")
    add("--parts", type=int, default=4, metavar="N", help="of the range, in a sweep (default: 4)")
    add("--scheduler", metavar="tcp://…", help="a Dask cluster to sweep on, instead of this machine")
    add("--workers", type=int, metavar="N", help="of this machine's own (default: its cores)")
    add("--private", action="store_true", help="what would revert is dropped, and costs nothing")
    add("--builder", action="append", metavar="ADDRESS", help="a reachable builder; may be repeated")


COMMAND = Command(
    name="backtest",
    summary="tell what it would have earned on past blocks",
    about="""\
Runs the very engine of `keeper run` over past blocks and tells what it would have caught, lost and declined,
and why. Every liquidation that really happened is in exactly one class; each of the keeper's is executed by
the EVM in its block, at its place, behind the transactions that really came before it. Reads alone: no key,
no contract of yours. Needs an archive endpoint, or a tape of one.

example: keeper backtest --from 24000000 --to 24007200 --out report
needs:   KEEPER_RPC_URLS (or --tape), KEEPER_MARKETS (or --market)""",
    run=_backtest,
    arguments=_arguments,
)
