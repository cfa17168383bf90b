"""Anvil ends with its starter, however the starter ends, and leaves no file behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from keeper.node import anvil as anvil_module
from keeper.node.anvil import Anvil, AnvilError, anvil_package, fetched_anvil, find_anvil, version_of
from keeper.node.blocking_rpc import RpcError

pytestmark = pytest.mark.enable_socket

_STARTER = """
import sys
from keeper.node.anvil import Anvil
anvil = Anvil().start()
print(anvil.pid, anvil.folder, flush=True)
{ending}
"""


def _start_in_another_process(ending: str) -> tuple[subprocess.Popen[str], int, Path]:
    starter = subprocess.Popen(
        [sys.executable, "-c", _STARTER.format(ending=ending)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(anvil_module.__file__).parents[2],
    )
    assert starter.stdout is not None
    with starter.stdout:
        pid, folder = starter.stdout.readline().split()
    return starter, int(pid), Path(folder)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that nobody has reaped yet is dead all the same.
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return not state.stdout.strip().startswith("Z") and state.stdout.strip() != ""


def _eventually(condition: Callable[[], bool], *, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_anvil__started_and_stopped__answers_and_leaves_nothing() -> None:
    with Anvil(chain_id=31_415) as anvil:
        pid, folder = anvil.pid, anvil.folder
        assert int(anvil.rpc("eth_chainId"), 16) == 31_415
        assert folder.is_dir()
    assert not _runs(pid)
    assert not folder.exists()


async def test_anvil__async_with__answers() -> None:
    async with Anvil() as anvil:
        assert await asyncio.to_thread(anvil.rpc, "eth_blockNumber") == "0x0"


def test_anvil__two_at_once__each_has_its_port() -> None:
    with Anvil() as one, Anvil() as other:
        one.rpc("evm_mine")
        assert one.url != other.url
        assert (one.rpc("eth_blockNumber"), other.rpc("eth_blockNumber")) == ("0x1", "0x0")


@pytest.mark.parametrize(
    "ending", ["import time; time.sleep(60)", "sys.exit(3)"], ids=["kill -9", "exit without stop"]
)
def test_anvil__starter_gone__anvil_and_folder_go_too(ending: str) -> None:
    starter, pid, folder = _start_in_another_process(ending)
    if "sleep" in ending:
        assert _runs(pid)
        starter.send_signal(signal.SIGKILL)
    starter.wait()
    assert _eventually(lambda: not _runs(pid))
    assert _eventually(lambda: not folder.exists())


def test_anvil__starting_thread_ends__anvil_goes_on() -> None:
    anvil = Anvil()
    thread = threading.Thread(target=anvil.start)
    thread.start()
    thread.join()
    try:
        time.sleep(0.1)
        assert anvil.rpc("eth_blockNumber") == "0x0"
    finally:
        anvil.stop()


def test_start__folder_of_a_dead_starter__is_removed() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = Path(tempfile.mkdtemp(prefix=f"keeper-anvil-{gone.pid}-"))
    ours = Path(tempfile.mkdtemp(prefix=f"keeper-anvil-{os.getpid()}-"))
    with Anvil():
        pass
    assert not left.exists()
    assert ours.exists()
    ours.rmdir()


def test_start__unknown_argument__raises_with_anvils_words() -> None:
    with pytest.raises(AnvilError, match="unexpected argument '--no-such-thing'"):
        Anvil(extra=["--no-such-thing"]).start()


def test_start__twice__raises() -> None:
    with Anvil() as anvil, pytest.raises(AnvilError, match="runs already"):
        anvil.start()


def test_rpc__refused__raises_with_code_and_message() -> None:
    with Anvil() as anvil:
        with pytest.raises(RpcError) as refused:
            anvil.rpc("eth_noSuchMethod")
        assert refused.value.code == -32601
        assert anvil.rpc("eth_blockNumber") == "0x0"  # the connection survives


def test_batch__several__results_in_their_order() -> None:
    with Anvil(chain_id=5) as anvil:
        assert anvil.rpc.batch([("eth_chainId", []), ("eth_blockNumber", [])]) == ["0x5", "0x0"]


def test_pause__then_resume__answers_again() -> None:
    with Anvil() as anvil:
        anvil.pause()
        anvil.resume()
        assert anvil.rpc("eth_blockNumber") == "0x0"


def _fake_anvil(folder: Path, version: str) -> Path:
    fake = folder / "anvil"
    fake.write_text(f"#!/bin/sh\necho 'anvil Version: {version}-stable'\n")
    fake.chmod(0o755)
    return fake


def test_find_anvil__new_on_path__is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = _fake_anvil(tmp_path, "1.5.0")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_anvil(tmp_path) == fake


def test_find_anvil__old_on_path__fetched_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_anvil(tmp_path, "1.4.4")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(AnvilError, match="run scripts/setup"):
        find_anvil(tmp_path)
    fetched = fetched_anvil(tmp_path)
    fetched.parent.mkdir(parents=True)
    fetched.touch()
    assert find_anvil(tmp_path) == fetched


def test_version_of__something_else__is_empty() -> None:
    assert version_of(Path("/bin/true")) == ()


@pytest.mark.parametrize(
    ("system", "machine", "package"),
    [
        ("Linux", "x86_64", "@foundry-rs/anvil-linux-amd64"),
        ("Linux", "aarch64", "@foundry-rs/anvil-linux-arm64"),
        ("Darwin", "arm64", "@foundry-rs/anvil-darwin-arm64"),
        ("Windows", "AMD64", "@foundry-rs/anvil-win32-amd64"),
    ],
)
def test_anvil_package__platform__names_it(
    system: str, machine: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert anvil_package() == package
