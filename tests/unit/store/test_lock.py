"""One keeper for each journal and each key; the lock ends with its process, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keeper.domain.address import Address
from keeper.domain.errors import ConfigError
from keeper.store import Lock

ONE, OTHER = Address(b"\x01" * 20), Address(b"\x02" * 20)

_HOLDER = """
import sys, time
from pathlib import Path
from keeper.store import Lock
with Lock.of(journal=Path(sys.argv[1]), operator=None):
    print("held", flush=True)
    time.sleep(60)
"""


def test_acquire__held_by_another_process__names_it_and_is_free_when_that_is_killed(tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(journal)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == b"held\n"
    lock = Lock.of(journal=journal, operator=ONE)
    with pytest.raises(ConfigError, match=rf"another keeper \(process {holder.pid}\) holds .*journal"):
        lock.acquire()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with lock:
        pass


def test_acquire__same_key_on_another_journal__is_refused(tmp_path: Path) -> None:
    with (
        Lock.of(journal=tmp_path / "a.sqlite", operator=ONE),
        pytest.raises(ConfigError, match=rf"process {os.getpid()}\) holds .*0x0101"),
    ):
        Lock.of(journal=tmp_path / "b.sqlite", operator=ONE).acquire()


def test_acquire__refused__holds_nothing_itself(tmp_path: Path) -> None:
    with Lock.of(journal=tmp_path / "a.sqlite", operator=ONE):
        with pytest.raises(ConfigError):
            Lock.of(journal=tmp_path / "b.sqlite", operator=ONE).acquire()
        with Lock.of(journal=tmp_path / "b.sqlite", operator=OTHER):
            pass


def test_release__then_again__can_be_held_again(tmp_path: Path) -> None:
    for _ in range(2):
        with Lock.of(journal=tmp_path / "made" / "a.sqlite", operator=ONE):
            pass


def test_acquire__no_place_for_it__says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="KEEPER_STATE_DIR: can't write"):
        Lock.of(journal=tmp_path / "file" / "a.sqlite", operator=None).acquire()
