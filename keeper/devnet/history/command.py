"""What ``scripts/history`` does: makes a history, and runs a backtest on it, or stays until it is stopped."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from keeper.devnet.borrowers import LEAST
from keeper.devnet.build import SEED
from keeper.devnet.history.play import STEP_BLOCKS, History, Plan, make
from keeper.devnet.history.prices import RECORDED, PriceError, Prices, from_csv, from_seed
from keeper.domain.errors import ConfigError

_ABOUT = """\
Makes a history on a local chain with the real contracts of Aave V3.6 and Uniswap V3: borrowers who act and
repay, a crash, two liquidators who compete. Every block's state stays readable while it runs, as at an
archive endpoint. With --backtest it runs `keeper backtest` over all of it and ends; else it prints what a
keeper needs to be told and stays until Ctrl-C. Nothing stays behind.
"""


def run(argv: Sequence[str], *, say: Callable[[str], None]) -> int:
    """Make a history as the arguments say, and return the exit code. Raises ConfigError, AnvilError."""
    arguments = _parser().parse_args(argv)
    plan = Plan(
        blocks=arguments.blocks,
        borrowers=arguments.borrowers,
        seed=arguments.seed,
        prices=_prices(arguments),
    )
    mistakes = []
    if plan.blocks < STEP_BLOCKS:
        mistakes.append(f"--blocks: {plan.blocks} is too few: expected {STEP_BLOCKS} or more")
    if plan.borrowers < LEAST:
        mistakes.append(f"--borrowers: {plan.borrowers} is too few for every kind: at least {LEAST}")
    if mistakes:
        raise ConfigError(*mistakes)
    began_s = time.monotonic()
    with make(plan, tell=_progress()) as history:
        seconds = time.monotonic() - began_s
        if not arguments.json:
            say(_told(history, seconds))
        if arguments.backtest:
            return _backtest(history, arguments)
        if arguments.json:
            say(json.dumps(_line(history, seconds)))
            return 0
        for name, value in history.variables().items():
            say(f"{name}={value}")
        say(f"\nkeeper backtest --from {history.first_block - 1} --to {history.last_block}")
        say("Ctrl-C ends it.")
        return _until_stopped()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/history", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--blocks", type=int, default=1000, metavar="N", help="how long (default: 1000)")
    add("--borrowers", type=int, default=300, metavar="N", help="how many (default: 300)")
    add("--seed", type=int, default=SEED, metavar="N", help="draws all that is not said (default: 1)")
    add(
        "--prices",
        type=Path,
        metavar="CSV",
        help="prices of a column WETH; else a recorded crash, or the seed",
    )
    add("--backtest", action="store_true", help="run `keeper backtest` over it, and end")
    add("--json", action="store_true", help="end with one JSON line instead")
    add("rest", nargs=argparse.REMAINDER, metavar="-- …", help="further arguments of `keeper backtest`")
    return parser


def _prices(arguments: argparse.Namespace) -> tuple[Prices, ...]:
    steps = -(-arguments.blocks // STEP_BLOCKS)
    if arguments.prices is None and not RECORDED.is_file():
        return from_seed(arguments.seed, steps=steps)
    try:
        return from_csv(arguments.prices or RECORDED, steps=steps)
    except PriceError as error:
        raise ConfigError(f"--prices: {error}") from None


def _backtest(history: History, arguments: argparse.Namespace) -> int:
    """Run the command as anybody would, and return its exit code."""
    rest = [one for one in arguments.rest if one != "--"]
    nothing = history.devnet.anvil.folder / "empty.env"
    nothing.touch()
    command = [sys.executable, "-m", "keeper", "backtest", "--env-file", str(nothing)]
    command += ["--from", str(history.first_block - 1), "--to", str(history.last_block), *rest]
    command += ["--json"] if arguments.json else []
    plain = {name: value for name, value in os.environ.items() if not name.startswith("KEEPER_")}
    return subprocess.run(command, env=plain | history.variables(), check=False).returncode


def _told(history: History, seconds: float) -> str:
    counts = history.counts
    rivals = ", ".join(f"{name} {counts[name]}" for name in sorted(counts) if name.endswith(("won", "lost")))
    return (
        f"{counts['blocks']:,} blocks in {seconds:.1f} s: {counts['price reports']} price reports, "
        f"{counts['liquidations']} liquidations ({rivals}), {counts['repays']} repays, "
        f"{counts['rescues']} rescues"
    )


def _line(history: History, seconds: float) -> dict[str, object]:
    counts = {name.replace(" ", "_"): count for name, count in sorted(history.counts.items())}
    return {
        "first_block": history.first_block,
        "last_block": history.last_block,
        **counts,
        "seconds": round(seconds, 3),
    }


def _progress() -> Callable[[int, int], None]:
    if not sys.stderr.isatty():
        return lambda done, of: None

    def tell(done: int, of: int) -> None:
        if done % 10 == 0 or done == of:
            sys.stderr.write(f"\r{done:,} of {of:,} blocks made\x1b[K" + ("\r\x1b[K" if done == of else ""))
            sys.stderr.flush()

    return tell


def _until_stopped() -> int:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 0
