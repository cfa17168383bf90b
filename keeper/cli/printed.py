"""What is printed: results to stdout, everything else to stderr."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from keeper.domain.secret import redact

if TYPE_CHECKING:
    from rich.console import RenderableType

    from keeper.config import Settings
    from keeper.domain.events import Listener


def show(arguments: argparse.Namespace, value: object, view: Callable[[], RenderableType]) -> None:
    """Print a result: as JSON where ``--json`` asks for that, else as it is looked at."""
    if arguments.json:
        from keeper.render.as_json import as_json

        print(json.dumps(as_json(value), ensure_ascii=False))
    else:
        print_view(view())


def print_view(view: RenderableType) -> None:
    """Print to stdout what is looked at."""
    from rich.console import Console

    Console(highlight=False).print(view)


def complain(line: str) -> None:
    """Tell on stderr what went wrong."""
    print(f"keeper: {line}", file=sys.stderr)


def event_log(settings: Settings) -> Listener:
    """Return what writes events to stdout."""
    return _log(settings, sys.stdout)


def warning_log(settings: Settings) -> Listener:
    """Return what writes warnings to stderr, for commands whose stdout is their result."""
    return _log(settings, sys.stderr, warnings_only=True)


def _log(settings: Settings, stream: TextIO, *, warnings_only: bool = False) -> Listener:
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


class Progress:
    """How far a long job is, on stderr where a person looks at it."""

    def __init__(self, what: str = "blocks") -> None:
        self._what = what
        self._began_s = self._told_s = time.monotonic()
        self._shown = sys.stderr.isatty()

    def at(self, done: int, of: int) -> None:
        """Tell that so many are done; not more often than can be read."""
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
        """Clear the line."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
