"""Signs of life: the file says how far the keeper is, systemd hears what sd_notify(3) asks for."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.domain.address import Address, Hash32
from keeper.domain.events import Audited, Decided, Degraded, Overtaken, Started, Stopped
from keeper.domain.head import Head
from keeper.domain.observation import Mismatch
from keeper.domain.position import PositionId
from keeper.live import Heartbeat


def head(number: int) -> Head:
    return Head(
        number=number,
        hash=Hash32(number.to_bytes(32, "big")),
        parent=Hash32(bytes(32)),
        timestamp_s=1_700_000_000 + number,
        base_fee_wei=1,
        gas_used=0,
        gas_limit=1,
        coinbase=Address(bytes(20)),
    )


STARTED = Started(head=head(1), markets=(), borrowers=0, pools=0, operator=None, dry_run=True)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def test_call__heads_handled__file_holds_the_last_one(tmp_path: Path) -> None:
    beat = Heartbeat(tmp_path / "heartbeat")
    beat(STARTED)
    beat(Decided(head=head(2), sent=0, milliseconds=1.0))
    beat(Overtaken(head=head(3)))
    assert json.loads((tmp_path / "heartbeat").read_text()) == {
        "head": 3,
        "hash": "0x" + (3).to_bytes(32, "big").hex(),
        "timestamp_s": 1_700_000_003,
        "pid": os.getpid(),
        "mismatches": 0,
    }
    assert os.listdir(tmp_path) == ["heartbeat"]


def test_call__audits_found_mismatches__file_counts_them(tmp_path: Path) -> None:
    beat = Heartbeat(tmp_path / "heartbeat")
    position = PositionId("aave", Address(bytes(20)))
    for number in (1, 2):
        mismatch = Mismatch(position=position, figures={"debt_base": (1, 2)}, mended=True)
        beat(Audited(head=head(number), mismatch=mismatch))
        beat(Decided(head=head(number), sent=0, milliseconds=1.0))
    assert json.loads((tmp_path / "heartbeat").read_text())["mismatches"] == 2


def test_call__nothing_was_handled__file_is_left_alone(tmp_path: Path) -> None:
    beat = Heartbeat(tmp_path / "heartbeat")
    beat(Degraded(what="a head", why="the node is down"))
    beat(Stopped(why="asked to"))
    assert not (tmp_path / "heartbeat").exists()


def test_call__systemd_listens__ready_watchdog_stopping(tmp_path: Path, systemd: socket.socket) -> None:
    beat = Heartbeat(tmp_path / "heartbeat", notify_socket=str(tmp_path / "notify"))
    beat(STARTED)
    beat(Decided(head=head(2), sent=0, milliseconds=1.0))
    beat(Stopped(why="asked to"))
    said = [systemd.recv(1_000).decode() for _ in range(3)]
    assert said == ["READY=1", "WATCHDOG=1\nSTATUS=at block 2", "STOPPING=1"]


def test_call__abstract_socket__is_found_by_its_name(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0keeper-test-{os.getpid()}")
        listening.setblocking(False)
        Heartbeat(tmp_path / "heartbeat", notify_socket=f"@keeper-test-{os.getpid()}")(STARTED)
        assert listening.recv(1_000) == b"READY=1"


def test_call__nothing_can_be_written__said_once_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    beat = Heartbeat(tmp_path / "gone" / "heartbeat", notify_socket=str(tmp_path / "nobody"))
    for number in range(3):
        beat(Decided(head=head(number), sent=0, milliseconds=1.0))
    assert [record.message.split(":")[0] for record in caplog.records] == [
        f"the heartbeat {tmp_path / 'gone' / 'heartbeat'} can't be written"
    ]
