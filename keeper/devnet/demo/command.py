"""What `keeper demo` does: set the stage, play, clear it away, and show what came of it."""

from __future__ import annotations

import io
import json
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.live import Live
from rich.text import Text

from keeper.devnet.compile import CompileError
from keeper.devnet.demo.page import demo_view, progress_line
from keeper.devnet.demo.play import Play, Progress
from keeper.devnet.demo.report import DemoReport
from keeper.devnet.demo.stage import set_up
from keeper.devnet.scenario import STEPS, crash
from keeper.domain.errors import Unavailable
from keeper.node.anvil import AnvilError

_DRAWN_COLUMNS = 120
_DRAWN_ROWS = 16


def run(*, seed: int, as_json: bool) -> int:
    """Play the demo and print it. Returns the exit code: 0 where every promise holds, else 1.

    With `as_json` the numbers alone go to stdout, as one JSON object.
    Raises Unavailable where set-up has left something out, Ended where the keeper does not keep up.
    """
    report = play(seed=seed)
    broken = tuple(report.broken())
    if as_json:
        for promise in broken:
            sys.stderr.write(f"keeper: broken promise: {promise}\n")
        sys.stdout.write(json.dumps(report.numbers()) + "\n")
    else:
        console = Console(highlight=False)
        console.print(demo_view(report, width=console.width))
    return 1 if broken else 0


def play(*, seed: int, steps: int = STEPS) -> DemoReport:
    """Play the demo, showing its progress on stderr, and return what came of it. Raises as `run` does."""
    began_s = time.monotonic()
    try:
        with _ended_by_sigterm(), _progress() as tell, set_up(seed) as stage:
            report = Play(stage, crash(seed, steps=steps), seed=seed, tell=tell).run()
    except (AnvilError, CompileError) as error:
        raise Unavailable(str(error)) from error
    return replace(report, seconds=time.monotonic() - began_s)


def draw(report: DemoReport, path: Path) -> None:
    """Write the page to a file as it looks in a terminal, the table cut short."""
    console = Console(record=True, width=_DRAWN_COLUMNS, highlight=False, file=io.StringIO())
    console.print(demo_view(report, width=_DRAWN_COLUMNS, rows=_DRAWN_ROWS))
    drawn = console.export_svg(title="scripts/demo")
    # without the fonts that a reader's browser would fetch from somewhere
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL))


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """Yield what shows the progress on stderr: in one line where that is a terminal, else in one a block."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda progress: console.print(progress_line(progress), soft_wrap=True)
        return
    first = Text("setting the stage: Aave V3.6, Morpho Blue, Uniswap V3 and V2, executor and vault", "dim")
    with Live(first, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as live:
        yield lambda progress: live.update(progress_line(progress))


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end what is in here as Ctrl-C does: everything that was started is stopped on the way."""

    def end(received: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + received)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
