"""The commands: what is typed, what is printed, and the exit code. What they do is in :mod:`keeper.app`.

Exit codes: 0 done, 1 the job failed, 2 wrong configuration or usage, 130 interrupted. What a command prints
for machines goes to stdout alone; everything else, errors included, to stderr. Each command imports what it
needs when it runs, and only after a look at its arguments: ``keeper --help`` and a refusal come at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from keeper import __version__
from keeper.domain.errors import ConfigError, KeeperError
from keeper.domain.secret import Secret, redact

if TYPE_CHECKING:
    from fractions import Fraction

    from rich.console import RenderableType

    from keeper.backtest.inclusion import Model
    from keeper.config import Settings
    from keeper.domain.address import Address
    from keeper.domain.events import Listener
    from keeper.domain.report import PlanReport

_MOST_BLOCKS_STRESSED = 10_000

DONE, FAILED, MISCONFIGURED, INTERRUPTED = 0, 1, 2, 130

_CHAIN = ("KEEPER_RPC_URLS",)
_MARKETS = (*_CHAIN, "KEEPER_MARKETS")
_CONTRACTS = ("KEEPER_EXECUTOR", "KEEPER_VAULT")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names, and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        command: Callable[[argparse.Namespace], int] = arguments.command
        return guarded(lambda: command(arguments))
    finally:
        _close_stdout()


def guarded(job: Callable[[], int], secrets: Iterable[Secret] = ()) -> int:
    """Return the job's exit code, or that of the error it raises, told on stderr without a secret."""
    secrets = tuple(secrets)
    try:
        return job()
    except ConfigError as error:
        for mistake in error.mistakes:
            _complain(redact(mistake, secrets))
        return MISCONFIGURED
    except KeeperError as error:
        _complain(redact(str(error) or type(error).__name__, secrets))
        return FAILED
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read stdout has seen enough
        return FAILED
    except Exception:  # noqa: BLE001 - the last one to hear of it: shown whole, but for the secrets
        print(redact(traceback.format_exc(), secrets), file=sys.stderr)
        _complain("this is a bug of the keeper: please report it with the lines above")
        return FAILED


# --- commands -----------------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    from keeper import app

    return _until_stopped(lambda stop: app.run(settings, listener=_listener(settings), stop=stop))


def _shadow(arguments: argparse.Namespace, settings: Settings) -> int:
    from keeper import app

    return _until_stopped(lambda stop: app.shadow(settings, listener=_listener(settings), stop=stop))


def _until_stopped(job: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Run a job until it ends, or is asked to by Ctrl-C or SIGTERM; the second one ends it at once."""

    async def until_stopped() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def ask_to_stop(received: signal.Signals) -> None:
            stop.set()
            loop.remove_signal_handler(received)  # the second one ends it at once

        for received in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(received, ask_to_stop, received)
        await job(stop)

    asyncio.run(until_stopped())
    return DONE


def _scan(arguments: argparse.Namespace, settings: Settings) -> int:
    below_wad = _health_factor(arguments.below or ("1" if arguments.price else "1.05"))
    supposed = [_supposed(one) for one in arguments.price]

    from keeper import app
    from keeper.app.supposing import Price
    from keeper.render.scan import scan_view

    prices = {name: Price(amount=amount, is_factor=is_factor) for name, amount, is_factor in supposed}
    report = asyncio.run(app.scan(settings, below_wad=below_wad, prices=prices, listener=_warnings(settings)))
    _show(arguments, report, lambda: scan_view(report))
    return DONE


def _plan(arguments: argparse.Namespace) -> int:
    if arguments.plot is not None:
        from keeper.render.plot import plottable

        plottable(arguments.plot)
    if arguments.state is not None:
        return _plan_from_state(arguments)
    if arguments.borrower is None:
        arguments.refuse("BORROWER is required, or --state FILE")
    return configured(_plan_now, needs=_MARKETS)(arguments)


def _plan_now(arguments: argparse.Namespace, settings: Settings) -> int:
    borrower = _address("BORROWER", arguments.borrower)

    from keeper import app

    listener, curve = _warnings(settings), arguments.plot is not None
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
    if arguments.borrower and _address("BORROWER", arguments.borrower) != saved.borrower:
        raise ConfigError(f"BORROWER: {arguments.state} holds another one's state, which needs no BORROWER")
    settings = load(env_file=arguments.env_file, needs=("KEEPER_MARKETS",), under=saved.variables)
    planning = plan_from(settings, saved, listener=_warnings(settings), curve=arguments.plot is not None)
    return guarded(lambda: _planned(arguments, planning), settings.secrets)


def _planned(arguments: argparse.Namespace, planning: Coroutine[Any, Any, PlanReport]) -> int:
    from keeper.render.plan import plan_view

    report = asyncio.run(planning)
    _show(arguments, report, lambda: plan_view(report))
    if arguments.plot is None:
        return DONE
    if report.curve is None:
        _complain(f"--plot: nothing was drawn: {report.decision or 'the position is healthy'}")
        return FAILED

    from keeper.render.plot import plot

    plot(report, report.curve, arguments.plot)
    return DONE


def _liquidate(arguments: argparse.Namespace, settings: Settings) -> int:
    borrower = _address("BORROWER", arguments.borrower)
    _must_send(settings, "liquidate")

    from keeper import app
    from keeper.domain.declined import Declined
    from keeper.domain.plan import Plan
    from keeper.domain.submission import Included
    from keeper.render.plan import plan_view

    report = asyncio.run(app.plan(settings, borrower=borrower, listener=_warnings(settings)))
    _print(plan_view(report))
    if not isinstance(report.decision, Plan):
        _complain("nothing was sent")
        return FAILED
    if not arguments.yes and not _answered_yes("Send it? It is decided anew on the newest head."):
        _complain("nothing was sent")
        return FAILED
    result = asyncio.run(app.liquidate(settings, borrower=borrower, listener=_listener(settings)))
    if isinstance(result, Declined):
        _complain(f"nothing was sent: {result}")
    return DONE if isinstance(result, Included) else FAILED


def _cancel(arguments: argparse.Namespace, settings: Settings) -> int:
    nonce = _nonce(arguments.nonce)
    _must_send(settings, "cancel")

    from keeper import app
    from keeper.domain.submission import Included
    from keeper.render.cancel import cancel_view

    def agreed(held: app.HeldNonce) -> bool:
        view = cancel_view(
            nonce=held.nonce,
            next_nonce=held.next_nonce,
            holders=held.holders,
            is_private=held.is_private,
        )
        _print(view)
        return arguments.yes or _answered_yes("Cancel it?")

    outcome = asyncio.run(app.cancel(settings, nonce=nonce, agreed=agreed, listener=_listener(settings)))
    if outcome is None:
        _complain("nothing was sent")
    return DONE if isinstance(outcome, Included) else FAILED


def _deploy(arguments: argparse.Namespace, settings: Settings) -> int:
    owner = _address("--owner", arguments.owner)
    _must_send(settings, "deploy")

    from keeper.app.deploying import deploy
    from keeper.render.check import deploy_env, deploy_view

    report = asyncio.run(deploy(settings, owner=owner, listener=_warnings(settings)))
    _print(deploy_view(report))
    print(f"\nFor your .env:\n\n{deploy_env(report)}")
    return DONE


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    from keeper import app
    from keeper.render.check import check_view

    lines = asyncio.run(app.check(settings))
    ok = all(line.ok for line in lines)
    _show(arguments, {"ok": ok, "lines": lines}, lambda: check_view(lines))
    return DONE if ok else FAILED


def _backtest(arguments: argparse.Namespace) -> int:
    from keeper.backtest.tape_world import is_live
    from keeper.config import load

    over = {"KEEPER_MARKETS": ",".join(arguments.market)} if arguments.market else {}
    needs = ("KEEPER_MARKETS",) if arguments.tape else _MARKETS
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
        _print(replay_view(done))
    return DONE if done.counts[Fate.SAME] == len(done.compared) else FAILED


def _swept(arguments: argparse.Namespace, over: dict[str, str], needs: tuple[str, ...]) -> int:
    from keeper.app.sweeping import Terms, sweep
    from keeper.backtest.sweep import combinations, parts
    from keeper.backtest.view import sweep_line, sweep_view, write_sweep

    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
    progress = _Progress("runs")
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
        _print(sweep_view(told))
    return FAILED if told.missing else DONE


def _backtested(arguments: argparse.Namespace, settings: Settings) -> int:
    from keeper.app import backtesting
    from keeper.backtest.files import write
    from keeper.backtest.view import as_line, calibration_line, summary_view

    progress = _Progress()
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
        _print(summary_view(done, calibration))
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
        builders=frozenset(_address("--builder", one) for one in arguments.builder or ()),
    )


class _Progress:
    """How far a long job is, on stderr where a person looks at it."""

    def __init__(self, what: str = "blocks") -> None:
        self._what = what
        self._began_s = self._told_s = time.monotonic()
        self._shown = sys.stderr.isatty()

    def at(self, done: int, of: int) -> None:
        now_s = time.monotonic()
        if not self._shown or now_s - self._told_s < 0.2:
            return
        self._told_s = now_s
        rate = done / max(now_s - self._began_s, 1e-9)
        left_s = (of - done) / max(rate, 1e-9)
        sys.stderr.write(
            f"\r{done:,} of {of:,} {self._what}, {rate:,.3g} a second, {left_s:,.0f} s left\x1b[K"
        )
        sys.stderr.flush()

    def end(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")


def _stress(arguments: argparse.Namespace, settings: Settings) -> int:
    if not arguments.price:
        raise ConfigError("--price: is needed, such as --price WETH=-30%")
    if not 2 <= arguments.over <= _MOST_BLOCKS_STRESSED:
        raise ConfigError(f"--over: {arguments.over} blocks: expected 2 to {_MOST_BLOCKS_STRESSED:,}")
    supposed = [_supposed(one) for one in arguments.price]

    from keeper.app.stressing import stress
    from keeper.app.supposing import Price
    from keeper.backtest.stress_view import stress_json, stress_view

    prices = {name: Price(amount=amount, is_factor=is_factor) for name, amount, is_factor in supposed}
    progress = _Progress()
    told = asyncio.run(
        stress(settings, prices=prices, blocks=arguments.over, listener=_warnings(settings), tell=progress.at)
    )
    progress.end()
    if arguments.json:
        print(json.dumps(stress_json(told)))
    else:
        _print(stress_view(told))
    return DONE


def _sweep(arguments: argparse.Namespace, settings: Settings) -> int:
    token = None if arguments.token is None else _address("--token", arguments.token)
    to = None if arguments.to is None else _address("--to", arguments.to)

    from keeper import app

    swept = asyncio.run(app.sweep(settings, token=token, to=to))
    print(json.dumps(swept.transaction))
    _complain(swept.told)
    return DONE


def _report(arguments: argparse.Namespace, settings: Settings) -> int:
    since_s = int(time.time()) - _span_s(arguments.since)
    if arguments.csv is not None and (arguments.lost or arguments.idle):
        raise ConfigError("--csv: is of the ledger alone; expected neither --lost nor --idle")

    from keeper import app
    from keeper.render.report import idle_view, ledger_view, lost_view

    if arguments.lost:
        lost = app.lost(settings, since_s=since_s)
        _show(arguments, lost, lambda: lost_view(lost))
    elif arguments.idle:
        idle = app.idle(settings, since_s=since_s)
        _show(arguments, idle, lambda: idle_view(idle))
    else:
        ledger = app.ledger(settings, since_s=since_s)
        if arguments.csv is not None:
            app.write_csv(ledger, arguments.csv)
        _show(arguments, ledger, lambda: ledger_view(ledger))
    return DONE


def _resume(arguments: argparse.Namespace, settings: Settings) -> int:
    from keeper import app

    tripped = asyncio.run(app.resume(settings))
    print("no brake was on" if tripped is None else f"released: {tripped}")
    return DONE


def _list_markets(arguments: argparse.Namespace) -> int:
    from keeper.domain.address import checksum
    from keeper.markets import directory
    from keeper.render.markets import markets_view

    if not arguments.json:
        _print(markets_view(directory()))
        return DONE
    for one in directory().markets:
        told = {"name": one.name, "protocol": one.protocol, "chain_id": one.chain_id}
        print(json.dumps({**told, "address": checksum(one.address)}))
    return DONE


def _demo(arguments: argparse.Namespace) -> int:
    from keeper.devnet import demo

    return demo.run(seed=arguments.seed, as_json=arguments.json)


def _devnet(arguments: argparse.Namespace) -> int:
    from keeper.devnet import command

    return command.run(
        port=arguments.port, seed=arguments.seed, borrowers=arguments.borrowers, prices=arguments.prices
    )


# --- what is typed ------------------------------------------------------------------------------------------

_DESCRIPTION = """\
A keeper of lending protocols: it finds positions that fell below health 1, decides how much of each is worth
closing, and lands that in a block with a flash loan.
"""

_EPILOG = """\
Configuration is read from the environment and from .env; .env.example explains every variable.
To see it work with nothing configured: keeper demo

exit code: 0 done, 1 the job failed, 2 wrong configuration
"""

_RUN = """\
Follows the chain from head to head: reads every position that changed, plans what pays, simulates it, and
sends it. Without a key, or with KEEPER_DRY_RUN=true, nothing is ever sent: it plans and simulates only.
Ctrl-C or SIGTERM ends it cleanly; what was in flight is taken up again at the next start.

example: KEEPER_DRY_RUN=true keeper run
needs:   KEEPER_RPC_URLS, KEEPER_MARKETS; to send also KEEPER_EXECUTOR, KEEPER_VAULT and a key"""

_SCAN = """\
Lists every position under a health factor, the worst first: its collateral, its debt, and what may be
closed of it now, in tokens and in US dollars. Reads only: no key, no contract of yours.

With --price it tells who would fall if prices were others than the chain's. What is made from the same feed
follows, through caps, ratios and pegs, and is named: wstETH follows WETH; named by itself it moves alone.
Below the list stand the trigger prices: what a feed must report for the next borrower to fall, and the prices
then. Of a price that comes through an adapter of no known kind nothing is foretold, and that is said.

example: keeper scan --below 1.02 --json
         keeper scan --price WETH=-8%
needs:   KEEPER_RPC_URLS, KEEPER_MARKETS"""

_PLAN = """\
Explains one decision: every pair of collateral and debt, what may be repaid of it (the dust rules make
holes), the three sizes side by side with bonus, price impact, flash fee and gas, and what was chosen, or
why nothing was. Sends nothing, and needs no key and no contract of yours.

With --plot it draws what each size would bring: profit against close factor, with what may be repaid, the
optimum, break-even, the size that restores health, and half of the debt. It needs pip install 'keeper[plot]'.

With --save all that the decision was made on is written to a file, and --state plans from that file alone: no
endpoint is asked, and the decision is the same to the wei. What is set now overrides what was set then.

example: keeper plan 0x1234567890abcdef1234567890abcdef12345678 --save then.state
         keeper plan --state then.state
needs:   KEEPER_RPC_URLS, KEEPER_MARKETS; with --state nothing"""

_LIQUIDATE = """\
Shows the plan for one borrower, asks, and sends it. The decision is made anew on the newest head once you
have said yes. Exit code 0 means that it was included and succeeded.

example: keeper liquidate 0x1234567890abcdef1234567890abcdef12345678 --yes
needs:   KEEPER_RPC_URLS, KEEPER_MARKETS, KEEPER_EXECUTOR, KEEPER_VAULT, and a key"""

_DEPLOY = """\
Deploys the two contracts that the keeper works through, and prints the lines for your .env. The key that is
configured becomes the operator: it runs the executor and can't touch the vault. The owner can, and replaces
the executor should the operator's key leak, so it must be another address, best kept off this machine.

example: keeper deploy --owner 0x1234567890abcdef1234567890abcdef12345678
needs:   KEEPER_RPC_URLS, and a key that has gas"""

_CANCEL = """\
Frees a nonce that a stuck transaction of the operator's holds: shows what is known of it, asks, and sends
nothing to itself with the same nonce and higher fees, to those alone who were sent the original. Needs the
keeper stopped, as one key has one keeper. Exit code 0 means that the cancellation was included.

example: keeper cancel 17
needs:   KEEPER_RPC_URLS, KEEPER_EXECUTOR, KEEPER_VAULT, and a key"""

_CHECK = """\
Looks at everything that `keeper run` relies on: chain id, age of the head, the pool's revision, executor and
vault with their owner and operator, balances, and where to trade. One line each, and what to do about it.

example: keeper check
needs:   KEEPER_RPC_URLS"""

_RESUME = """\
Releases the brake that is on: what was counted until now is not counted again. A keeper that runs goes on
sending at its next head. `keeper check` tells which brake is on, and by what; find out why first.

example: keeper resume
needs:   KEEPER_RPC_URLS"""

_SWEEP = """\
Prints the transaction that takes all of a token out of your vault, unsigned, as JSON: for the owner's wallet,
wherever that is. The owner's key is never on this machine. It is tried as the owner before it is printed.

example: keeper sweep > sweep.json
needs:   KEEPER_RPC_URLS, KEEPER_VAULT"""

_REPORT = """\
Tells what came of it, from the journal alone: what each liquidation was predicted to bring against what it
brought, split into bonus, price impact, flash fee, bid, gas and L1 fee; by day and by protocol. With --lost:
what others liquidated, when it was seen here, and why it was lost. With --idle: how much was watched and why
nothing was sent. Asks no endpoint, and may be run beside a keeper.

example: keeper report --since 7d --csv ledger.csv
needs:   KEEPER_STATE_DIR where that is not the default one"""

_SHADOW = """\
Watches a live chain without a key and scores every real liquidation as it happens: how long before this
keeper had seen it, what it would have closed for and bid, and what the winner paid. Nothing is ever sent.
`keeper report --lost` and `--idle` sum it up. Ctrl-C or SIGTERM ends it cleanly.

example: keeper shadow
needs:   KEEPER_RPC_URLS, KEEPER_MARKETS"""

_MARKETS_LISTED = """\
Lists the markets that KEEPER_MARKETS takes by name, such as aave-v3:ethereum-core, and the chain that each is
on. Any other is given by its address. Needs no configuration and reads none. With --json: one object a line.

example: keeper markets --json"""

_BACKTEST = """\
Runs the very engine of `keeper run` over past blocks and tells what it would have caught, lost and declined,
and why. Every liquidation that really happened is in exactly one class; each of the keeper's is executed by
the EVM in its block, at its place, behind the transactions that really came before it. Reads alone: no key,
no contract of yours. Needs an archive endpoint, or a tape of one.

example: keeper backtest --from 24000000 --to 24007200 --out report
needs:   KEEPER_RPC_URLS (or --tape), KEEPER_MARKETS (or --market)"""

_STRESS = """\
Reads the markets as they are, then lets prices fall on a private fork of that block, step by step. Traders
bring every pool along, the oracles follow, and the keeper's own engine decides; its transactions run for
real. Played twice: once the market forgets what the keeper sold, once it does not, and the oracles follow the
pools down. Tells what is liquidated in which order, what bad debt is left, and what the keeper earns. What is
priced by the same feed moves along. Sends nothing; needs Anvil, no key and no contract of yours.

example: keeper stress --price WETH=-30% --over 50
needs:   KEEPER_RPC_URLS, KEEPER_MARKETS"""

_DEMO = """\
Starts a local chain that carries the real contracts of Aave V3.6, Morpho Blue and Uniswap V3, lets the market
crash, and shows the keeper liquidate against a rival, a sandwich and three attacks on its executor. Needs no
configuration and reads none. With --json the last line is one JSON object.

example: keeper demo"""

_DEVNET = """\
Starts the demo's chain alone and prints how to connect: for this keeper, or any other bot. Ctrl-C ends it
and leaves nothing behind. Needs no configuration and reads none.

example: keeper devnet --port 8545 --prices crash.csv"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keeper",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"keeper {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(
        name: str, command: Callable[[argparse.Namespace], int], summary: str, description: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=summary,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(command=command)
        return added

    run = add(
        "run",
        configured(_run, needs=_MARKETS, needs_to_send=_CONTRACTS, unlocks=True),
        "watch the chain and liquidate, until stopped",
        _RUN,
    )
    scan = add(
        "scan", configured(_scan, needs=_MARKETS), "list the positions that are unhealthy, or nearly", _SCAN
    )
    plan = add("plan", _plan, "explain what would be done about one borrower", _PLAN)
    liquidate = add(
        "liquidate",
        configured(_liquidate, needs=(*_MARKETS, *_CONTRACTS), unlocks=True),
        "liquidate one borrower, once",
        _LIQUIDATE,
    )
    cancel = add(
        "cancel",
        configured(_cancel, needs=(*_CHAIN, *_CONTRACTS), unlocks=True),
        "free a nonce that a stuck transaction holds",
        _CANCEL,
    )
    backtest = add("backtest", _backtest, "tell what it would have earned on past blocks", _BACKTEST)
    stress = add(
        "stress",
        configured(_stress, needs=_MARKETS),
        "see a cascade on a fork: what falls, what is left, what it earns",
        _STRESS,
    )
    deploy = add(
        "deploy",
        configured(_deploy, needs=_CHAIN, unlocks=True),
        "deploy your executor and your vault",
        _DEPLOY,
    )
    check = add(
        "check", configured(_check, needs=_CHAIN, unlocks=True), "tell whether everything is in place", _CHECK
    )
    shadow = add(
        "shadow",
        configured(_shadow, needs=_MARKETS),
        "watch without a key, and score what others liquidate",
        _SHADOW,
    )
    sweep = add(
        "sweep",
        configured(_sweep, needs=(*_CHAIN, "KEEPER_VAULT")),
        "print the transaction that empties the vault, unsigned",
        _SWEEP,
    )
    report = add("report", configured(_report, needs=()), "tell what came of it, and why not more", _REPORT)
    resume = add("resume", configured(_resume, needs=_CHAIN), "release the brakes", _RESUME)
    markets = add("markets", _list_markets, "list the markets that are known by name", _MARKETS_LISTED)
    demo = add("demo", _demo, "see it all work on a chain of its own", _DEMO)
    devnet = add("devnet", _devnet, "start that chain alone, to point a keeper at", _DEVNET)

    scan.add_argument(
        "--below", metavar="HEALTH", help="the health factor to list below (default: 1.05; with --price 1)"
    )
    scan.add_argument(
        "--price",
        action="append",
        default=[],
        metavar="TOKEN=PRICE",
        help="suppose a price: WETH=-8%% or, in dollars, WETH=1800; by symbol or address, may be repeated",
    )
    stress.add_argument(
        "--price",
        action="append",
        default=[],
        metavar="TOKEN=PRICE",
        help="where a price goes: WETH=-30%% or, in dollars, WETH=1400; may be repeated",
    )
    stress.add_argument(
        "--over", type=int, default=50, metavar="BLOCKS", help="in how many blocks (default: 50)"
    )
    liquidate.add_argument("borrower", metavar="BORROWER", help="whose position, an address")
    _plan_arguments(plan)
    cancel.add_argument("nonce", metavar="NONCE", help="which one, a number")
    for asks in (liquidate, cancel):
        asks.add_argument("--yes", action="store_true", help="send without asking")
    deploy.add_argument("--owner", required=True, metavar="ADDRESS", help="who shall own executor and vault")
    markets.add_argument("--json", action="store_true", help="print JSON instead, one object a line")
    sweep.add_argument("--token", metavar="ADDRESS", help="which token (default: the wrapped native one)")
    sweep.add_argument("--to", metavar="ADDRESS", help="who receives it (default: the vault's owner)")
    report.add_argument(
        "--since", default="7d", metavar="SPAN", help="how far back, such as 7d, 24h or 30m (default: 7d)"
    )
    report.add_argument("--csv", type=Path, metavar="FILE", help="write each transaction to this file too")
    which = report.add_mutually_exclusive_group()
    which.add_argument("--lost", action="store_true", help="what others liquidated, and why")
    which.add_argument("--idle", action="store_true", help="how much was watched, and why nothing was sent")
    for for_machines in (scan, plan, check, report, stress):
        for_machines.add_argument(
            "--json", action="store_true", help="print JSON instead; amounts are decimal strings"
        )
    demo.add_argument("--json", action="store_true", help="print its figures as one JSON line instead")
    for reads_settings in (
        run,
        scan,
        plan,
        liquidate,
        cancel,
        deploy,
        check,
        backtest,
        stress,
        resume,
        report,
        shadow,
        sweep,
    ):
        reads_settings.add_argument(
            "--env-file", type=Path, metavar="PATH", help="read this file instead of ./.env"
        )
    _devnet_arguments(demo, devnet)
    _backtest_arguments(backtest)
    return parser


def _plan_arguments(plan: argparse.ArgumentParser) -> None:
    plan.add_argument(
        "borrower", nargs="?", metavar="BORROWER", help="whose position, an address; with --state it is known"
    )
    plan.set_defaults(refuse=plan.error)
    plan.add_argument("--save", type=Path, metavar="FILE", help="write all that it was decided on to a file")
    plan.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw profit against close factor, a .png or .svg"
    )
    plan.add_argument("--state", type=Path, metavar="FILE", help="plan from such a file, with no endpoint")


def _devnet_arguments(demo: argparse.ArgumentParser, devnet: argparse.ArgumentParser) -> None:
    for on_a_devnet in (demo, devnet):
        on_a_devnet.add_argument(
            "--seed", type=int, default=1, metavar="N", help="draws borrowers and prices (default: 1)"
        )
    devnet.add_argument(
        "--port", type=int, default=8545, metavar="N", help="where it listens (default: 8545)"
    )
    devnet.add_argument(
        "--borrowers", type=int, default=48, metavar="N", help="how many there are (default: 48)"
    )
    devnet.add_argument(
        "--prices", type=Path, metavar="CSV", help="the path of prices, lines of time and price; else by seed"
    )


def _backtest_arguments(backtest: argparse.ArgumentParser) -> None:
    add = backtest.add_argument
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


def configured(
    command: Callable[[argparse.Namespace, Settings], int],
    *,
    needs: Sequence[str],
    needs_to_send: Sequence[str] = (),
    unlocks: bool = False,
) -> Callable[[argparse.Namespace], int]:
    """Return the command with its settings read first, and its errors kept clear of their secrets.

    One that `unlocks` needs the key, where there is one: a keystore's password is asked for if it must be.
    """

    def with_settings(arguments: argparse.Namespace) -> int:
        from keeper.config import load

        settings = load(env_file=arguments.env_file, needs=needs, needs_to_send=needs_to_send)
        if unlocks and settings.needs_password:
            settings = replace(settings, keystore_password=_typed_password())
        return guarded(lambda: command(arguments, settings), settings.secrets)

    return with_settings


def _address(name: str, text: str) -> Address:
    from keeper.config.parse import address

    try:
        return address(text)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None


def _nonce(text: str) -> int:
    from keeper.config.parse import whole

    try:
        return whole()(text)
    except ValueError as error:
        raise ConfigError(f"NONCE: {error}") from None


def _health_factor(text: str) -> int:
    from keeper.config.parse import scaled
    from keeper.domain.fixed_point import WAD

    try:
        return scaled(WAD)(text)
    except ValueError as error:
        raise ConfigError(f"--below: {error}") from None


def _supposed(text: str) -> tuple[str, Fraction, bool]:
    """Return a token's name, and what is supposed of its price: dollars, or a factor if the last is True."""
    from fractions import Fraction

    found = re.fullmatch(r"([^=]+)=(?:([+-][0-9]+(?:\.[0-9]+)?)%|([0-9]+(?:\.[0-9]+)?))", text)
    if found is None:
        raise ConfigError(f"--price: expected TOKEN=-8% or TOKEN=1800, got {text!r}")
    name, change, dollars = found.groups()
    is_factor = change is not None
    supposed = 1 + Fraction(change) / 100 if is_factor else Fraction(dollars)
    if supposed <= 0:
        raise ConfigError(f"--price: {name} can't fall to nothing or below, got {text!r}")
    return name, supposed, is_factor


def _span_s(text: str) -> int:
    """Return a span of time in seconds."""
    units_s = {"d": 86_400, "h": 3_600, "m": 60}
    if text[:-1].isdecimal() and text[-1:] in units_s and len(text) <= 9:
        return int(text[:-1]) * units_s[text[-1]]
    raise ConfigError(
        f"--since: expected a number of days, hours or minutes, such as 7d or 24h, got {text!r}"
    )


def _must_send(settings: Settings, command: str) -> None:
    mistakes = []
    if settings.dry_run:
        mistakes.append(f"KEEPER_DRY_RUN: is true; expected false, as `keeper {command}` sends")
    if not settings.has_key:
        mistakes.append("KEEPER_PRIVATE_KEY: is needed here, or KEEPER_KEYSTORE, or KEEPER_REMOTE_SIGNER")
    if mistakes:
        raise ConfigError(*mistakes)


def _typed_password() -> Secret:
    """Return what is typed at the terminal, unseen."""
    from getpass import getpass

    if not sys.stdin.isatty():
        raise ConfigError(
            "KEEPER_KEYSTORE: needs KEEPER_KEYSTORE_PASSWORD or KEEPER_KEYSTORE_PASSWORD_FILE where nobody "
            "can be asked"
        )
    return Secret(getpass("Password of the keystore: "))


def _answered_yes(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        raise ConfigError("--yes: is needed where nobody can be asked") from None


# --- what is printed ----------------------------------------------------------------------------------------


def _show(arguments: argparse.Namespace, value: object, view: Callable[[], RenderableType]) -> None:
    if arguments.json:
        from keeper.render.as_json import as_json

        print(json.dumps(as_json(value), ensure_ascii=False))
    else:
        _print(view())


def _print(view: RenderableType) -> None:
    from rich.console import Console

    Console(highlight=False).print(view)


def _listener(settings: Settings) -> Listener:
    """Return what writes events to stdout."""
    return _event_log(settings, sys.stdout)


def _warnings(settings: Settings) -> Listener:
    """Return what writes warnings to stderr, for commands whose stdout is their result."""
    return _event_log(settings, sys.stderr, warnings_only=True)


def _event_log(settings: Settings, stream: TextIO, *, warnings_only: bool = False) -> Listener:
    from keeper.config import LogFormat
    from keeper.render.events import EventLog, Severity, json_line, text_line

    def write(line: str) -> None:
        with suppress(OSError):  # a log that nobody reads any more is no reason to stop
            stream.write(redact(line, settings.secrets))
            stream.flush()

    least = Severity[settings.log_level.name]
    log = EventLog(
        form=json_line if settings.log_format is LogFormat.JSON else text_line,
        least=max(least, Severity.WARNING) if warnings_only else least,
        write=write,
        now=time.time,
    )
    if settings.log_format is LogFormat.JSON or not stream.isatty():
        return log
    from keeper.render.progress import ProgressBars

    return ProgressBars(log, stream)


def _complain(line: str) -> None:
    print(f"keeper: {line}", file=sys.stderr)


def _close_stdout() -> None:
    """Flush stdout; where its reader is gone, keep the interpreter from complaining about it at exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
