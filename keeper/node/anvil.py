"""A local Anvil that ends with whoever started it, and takes its files with it.

Anvil writes old states to disk and leaves them behind, and it outlives a starter that is killed. So each one
gets a folder of its own, and a *watchdog*: a shell that waits on a pipe whose other end only the starter
holds. The system closes that end however the starter dies, ``kill -9`` included; the watchdog then kills
Anvil and removes the folder. (``PR_SET_PDEATHSIG`` would do half of it, on Linux alone, and it fires when
the *thread* that started Anvil ends.) Should all of them be killed at once, the next start tidies up.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from keeper.domain.errors import KeeperError
from keeper.node.blocking_rpc import BlockingRpc

VERSION = "1.7.1"
"""What is fetched where the PATH has no Anvil that will do."""

_OLDEST = (1, 5)
_CHECKOUT = Path(__file__).resolve().parents[2]
_FOLDER_PREFIX = "keeper-anvil-"
_LISTENING = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")
_WATCHDOG = 'read -r pid; read -r _; kill -9 "$pid"; rm -rf "$1"; sleep 0.2; rm -rf "$1"'
"""It is told whom to watch when Anvil has started, so that there is hardly a moment when nobody watches."""


class AnvilError(KeeperError):
    """Anvil is missing or did not start; the message says what to do."""


class Anvil:
    """One Anvil on a free loopback port, from `start` (or `with`, or `async with`) to `stop`."""

    def __init__(
        self,
        *,
        load_state: Path | None = None,
        fork_url: str | None = None,
        fork_block: int | None = None,
        chain_id: int | None = None,
        timestamp_s: int | None = None,
        block_time_s: float | None = None,
        no_mining: bool = False,
        extra: Sequence[str] = (),
        port: int = 0,
    ) -> None:
        """Say how Anvil is to run; nothing is started yet. `extra` are further arguments of Anvil's own."""
        self._arguments = [
            *_option("--port", port),
            *_option("--load-state", load_state),
            *_option("--fork-url", fork_url),
            *_option("--fork-block-number", fork_block),
            *_option("--chain-id", chain_id),
            *_option("--timestamp", timestamp_s),
            *_option("--block-time", block_time_s),
            *(["--no-mining"] if no_mining else []),
            *(["--no-storage-caching"] if fork_url else []),
            *extra,
        ]
        self._port = 0
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._rpc: BlockingRpc | None = None

    # --- starting and stopping

    def start(self, *, within_s: float = 30.0) -> Self:
        """Start it and return it once it answers. Raises AnvilError with Anvil's own words where it fails."""
        if self._process is not None:
            raise AnvilError("this Anvil runs already")
        binary = find_anvil()
        _remove_folders_left_behind()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-"))
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "sh", self._folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._watchdog.stdin is not None
        with open(self._folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                [binary, *_option("--cache-path", self._folder / "states"), *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the starter, who then stops it
            )
        self._watchdog.stdin.write(f"{self._process.pid}\n".encode())
        self._watchdog.stdin.flush()
        try:
            self._port = self._await_port(within_s)
        except BaseException:
            self.stop()
            raise
        self._rpc = BlockingRpc(self.url)
        return self

    def stop(self) -> None:
        """End it and remove its folder. Harmless where it has ended already."""
        if self._rpc is not None:
            self._rpc.close()
        # Both are killed before either is waited for: until then nobody else can get Anvil's number.
        running = [process for process in (self._process, self._watchdog) if process is not None]
        for process in running:
            process.kill()
        for process in running:
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._watchdog = self._process = self._rpc = self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    # --- talking to it

    @property
    def url(self) -> str:
        """Return its HTTP endpoint."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        """Return its WebSocket endpoint."""
        return f"ws://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Return its process id."""
        if self._process is None:
            raise AnvilError("this Anvil does not run")
        return self._process.pid

    @property
    def folder(self) -> Path:
        """Return the folder that it keeps its files in; ``log`` in it is what Anvil said."""
        if self._folder is None:
            raise AnvilError("this Anvil does not run")
        return self._folder

    @property
    def rpc(self) -> BlockingRpc:
        """Return a blocking client: ``anvil.rpc("eth_blockNumber")``."""
        if self._rpc is None:
            raise AnvilError("this Anvil does not run")
        return self._rpc

    def pause(self) -> None:
        """Freeze it: connections open, requests hang."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def _await_port(self, within_s: float) -> int:
        assert self._process is not None
        assert self._folder is not None
        log = self._folder / "log"
        deadline = time.monotonic() + within_s
        while True:
            ended = self._process.poll() is not None
            said = log.read_text(errors="replace")
            if found := _LISTENING.search(said):
                return int(found[1])
            if ended:
                raise AnvilError(f"Anvil ended at once: {_complaint(said)}")
            if time.monotonic() > deadline:
                raise AnvilError(f"Anvil was not ready after {within_s:g} s: {_complaint(said)}")
            time.sleep(0.002)


def find_anvil(checkout: Path = _CHECKOUT) -> Path:
    """Return the Anvil to run: the PATH's where it is new enough, else the one that set-up fetched.

    Raises AnvilError, saying what to do, where there is neither.
    """
    on_path = shutil.which("anvil")
    if on_path is not None and version_of(Path(on_path)) >= _OLDEST:
        return Path(on_path)
    fetched = fetched_anvil(checkout)
    if fetched.is_file():
        return fetched
    oldest = ".".join(map(str, _OLDEST))
    raise AnvilError(f"no anvil >= {oldest} on the PATH and none in {fetched.parents[4]}: run scripts/setup")


def fetched_anvil(checkout: Path = _CHECKOUT) -> Path:
    """Return where set-up puts this platform's Anvil: the binary itself, for its launcher hides failures."""
    suffix = ".exe" if os.name == "nt" else ""
    return checkout / ".cache" / "anvil" / "node_modules" / anvil_package() / "bin" / f"anvil{suffix}"


def anvil_package() -> str:
    """Return the npm package of this platform's Anvil, such as ``@foundry-rs/anvil-linux-amd64``."""
    system = {"windows": "win32"}.get(platform.system().lower(), platform.system().lower())
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    return f"@foundry-rs/anvil-{system}-{machine}"


@cache
def version_of(binary: Path) -> tuple[int, ...]:
    """Return an Anvil's version, ``()`` where the binary does not say one."""
    try:
        run = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", run.stdout)
    return tuple(int(part) for part in found.groups()) if found else ()


def _option(name: str, value: object) -> list[str]:
    return [] if value is None else [name, str(value)]


def _complaint(log: str) -> str:
    """Return what a log says is wrong, else its end."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [i for i, line in enumerate(lines) if line.lower().startswith("error")]
    told = lines[errors[0] : errors[0] + 3] if errors else lines[-3:]
    return " | ".join(told) or "it said nothing"


def _remove_folders_left_behind() -> None:
    """Remove the folders of starters that are gone: theirs and their watchdog's end came at once."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*-*"):
        pid = folder.name.removeprefix(_FOLDER_PREFIX).split("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
