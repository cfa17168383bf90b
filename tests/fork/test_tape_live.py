"""A live keeper's tape: killed or not, what it decided is decided again from it, with sockets blocked."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_socket

from keeper.app.replaying import replay
from keeper.backtest.replay import Fate, Replay
from keeper.backtest.tape_world import Tape, is_live
from keeper.config import Settings, load
from keeper.devnet import Devnet
from keeper.devnet.demo.daemon import Daemon
from keeper.devnet.demo.log import head_number
from keeper.devnet.scenario import crash, play
from keeper.devnet.variables import variables

STEPS = 6


@dataclass(frozen=True)
class Killed:
    """A tape whose keeper was killed in the midst of a crash, and how that keeper was configured."""

    tape: Path
    settings: Settings
    heads: int


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    folder = tmp_path_factory.mktemp("tape")
    tape = folder / "live.tape"
    with Devnet.start(seed=1, borrowers=40, automine=False) as devnet:
        devnet.mine()
        plain = {name: value for name, value in os.environ.items() if not name.startswith("KEEPER_")}
        told = variables(devnet) | {
            "KEEPER_DRY_RUN": "true",
            "KEEPER_TAPE": str(tape),
            "KEEPER_STATE_DIR": str(folder / "state"),
            "KEEPER_POLL_INTERVAL_S": "0.05",
            "KEEPER_MAX_HEAD_AGE_S": "100000000",
        }
        daemon = Daemon(plain | told | {"KEEPER_LOG_FORMAT": "json", "KEEPER_LOG_LEVEL": "debug"}, folder)
        try:
            daemon.until(lambda line: line["event"] == "started")
            heads = 0

            def dealt_with() -> None:
                nonlocal heads
                number = devnet.chain.block_number()
                daemon.until(lambda line: line["event"] == "decided" and head_number(line) == number)
                heads += 1

            for _ in play(devnet, crash(1)[:STEPS], rest=dealt_with):
                dealt_with()
        finally:
            daemon.kill()
        empty = folder / "empty.env"
        empty.touch()
        settings = load(env_file=empty, environ={**told, "KEEPER_RPC_URLS": ""}, needs=())
    return Killed(tape, settings, heads)


def again(killed: Killed, tape: Path) -> Replay:
    settings = replace(killed.settings, rpc_urls=())
    pytest_socket.disable_socket(allow_unix_socket=True)
    try:
        return asyncio.run(replay(settings, Tape.load(tape, last=-1), first=None, last=None))
    finally:
        pytest_socket.enable_socket()


def test_replay__of_a_killed_keepers_tape__decides_the_same(killed: Killed) -> None:
    assert is_live(killed.tape)
    done = again(killed, killed.tape)
    print(done.counts, done.heads, done.unanswered)
    assert done.heads >= killed.heads - 1
    assert done.counts[Fate.SAME] == len(done.compared) >= 20
    assert sum(bool(one.now and one.now.call) for one in done.compared) >= 5
    assert not done.unanswered and not done.unread


def test_replay__the_same_tape_twice__is_the_same_to_the_byte(killed: Killed) -> None:
    assert again(killed, killed.tape).journal == again(killed, killed.tape).journal


def test_replay__a_torn_tail__is_replayed_up_to_the_tear(killed: Killed, tmp_path: Path) -> None:
    torn = tmp_path / "torn.tape"
    whole = killed.tape.read_bytes()
    torn.write_bytes(whole[: len(whole) * 2 // 3])
    full, done = again(killed, killed.tape), again(killed, torn)
    assert 0 < done.heads < full.heads
    assert done.compared and all(one.fate is Fate.SAME for one in done.compared)


def test_replay__other_settings__tells_what_is_decided_otherwise(killed: Killed) -> None:
    dear = replace(killed, settings=replace(killed.settings, min_profit_wei=10**24))
    done = again(dear, killed.tape)
    print(done.counts)
    other = [one for one in done.compared if one.fate is Fate.OTHER]
    assert any(one.then and one.then.call for one in other)
    assert all(one.now and not one.now.call for one in other)  # none is worth so much


def test_backtest__command_on_a_live_tape__needs_no_range(killed: Killed, tmp_path: Path) -> None:
    empty = tmp_path / "empty.env"
    empty.touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KEEPER_")}
    done = subprocess.run(
        [sys.executable, "-m", "keeper", "backtest", "--env-file", str(empty), "--tape", str(killed.tape)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "KEEPER_MARKETS" in done.stderr
