"""`keeper run` as a process of its own: started, listened to, killed. Nothing else reaches into it."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from keeper.devnet.demo.log import Line
from keeper.domain.errors import KeeperError

_WATCHDOG = 'read -r _; kill -9 "$1"'
"""Waits on a pipe whose other end only we hold: the system closes it however we end."""
_PATIENCE_S = 100.0
"""One that has ended is known at once: this is for one that hangs, on a machine with other work to do."""
_LOOKS_EVERY_S = 0.02
_STOPS_WITHIN_S = 10.0


class Ended(KeeperError):
    """The keeper ended, or keeps silent; the message has its last words."""


class Daemon:
    """One run of `keeper run`, logging JSON."""

    def __init__(
        self, environment: Mapping[str, str], folder: Path, *, module: Sequence[str] = ("keeper",)
    ) -> None:
        """Start it, with this environment and no other; `folder` takes what it says: `log` and `stderr`.

        `module` is what Python runs, with its first arguments.
        """
        self._errors = folder / "stderr"
        self._log = folder / "log"
        with open(self._errors, "ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *module, "run", "--env-file", _nothing(folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**environment, "PYTHONUTF8": "1"},
                start_new_session=True,  # Ctrl-C is for us, who then stop it
            )
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "sh", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
        self._last: list[Line] = []
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Return the number of its process."""
        return self._process.pid

    def until(
        self,
        last: Callable[[Line], bool],
        *,
        interrupted: Callable[[], bool] = lambda: False,
        within_s: float = _PATIENCE_S,
    ) -> list[Line]:
        """Return what it logs, up to and with the first line that is the `last`, or until interrupted.

        Raises Ended where neither comes.
        """
        deadline = time.monotonic() + within_s
        heard: list[Line] = []
        while True:
            try:
                line = self._lines.get(timeout=_LOOKS_EVERY_S)
            except queue.Empty:
                if interrupted():
                    return heard
                if time.monotonic() < deadline:
                    continue
                raise Ended(
                    f"the keeper said nothing to the point in {within_s:g} s: {self._said()}"
                ) from None
            if line is None:
                raise Ended(f"the keeper ended with exit code {self._process.wait()}: {self._said()}")
            heard.append(line)
            self._last = heard[-3:]
            if last(line):
                return heard

    def hold_still(self) -> None:
        """Stop it where it is, until it may go on, or is killed."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> list[Line]:
        """Kill it: it gets no chance to do anything more. Return what it had logged and nobody had heard."""
        self._end(signal.SIGKILL)
        heard: list[Line] = []
        while (line := self._lines.get()) is not None:
            heard.append(line)
        return heard

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process.returncode is not None:
            return  # it has been ended already
        # The watchdog goes first: it must not be there to kill the number of a process that is gone.
        self._watchdog.kill()
        self._watchdog.wait()
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()
        self._process.send_signal(how)
        try:
            self._process.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self, stream: IO[bytes]) -> None:
        with open(self._log, "ab") as log:
            for text in stream:
                log.write(text)
                if text.endswith(b"\n"):  # the last line may have been cut by a kill
                    self._lines.put(json.loads(text))
        self._lines.put(None)

    def _said(self) -> str:
        errors = self._errors.read_text(errors="replace").strip().splitlines()[-3:]
        return " | ".join(errors or [json.dumps(line, ensure_ascii=False)[:300] for line in self._last])


def _nothing(folder: Path) -> Path:
    """Return an empty file, in place of anybody's ``.env``."""
    path = folder / "empty.env"
    path.touch()
    return path
