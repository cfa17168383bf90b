"""The brakes, with the daemon in the street: what it does while one is on, and how it is released."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from keeper.devnet import Devnet
from keeper.devnet.drill.stage import daemon_stage
from keeper.devnet.scenario import crash as crash_path
from keeper.domain.brake import Brake, Tripped
from keeper.domain.submission import Reverted
from keeper.store import SqliteJournal
from tests.fork.test_commands import EVERY_EVENT, TIMEOUT_S, User, crash, transactions, until

CHAIN_ID = 31337


@pytest.fixture
def user(devnet: Devnet, tmp_path: Path) -> User:
    return User(devnet, tmp_path)


def trip(user: User) -> None:
    """Let a brake have come on in an earlier life."""
    path = user.folder / "state" / f"journal-{CHAIN_ID}.sqlite"
    with SqliteJournal.open(path, chain_id=CHAIN_ID) as journal:
        journal.braked(Tripped(at_s=int(time.time()), brake=Brake.LOSS, detail="0.500000 lost in a day"))


def test_run__a_brake_is_on__watches_and_sends_once_it_is_resumed(user: User) -> None:
    variables = user.has_deployed() | user.key
    trip(user)
    checked = user.types("check", **variables)
    assert checked.returncode == 1
    shown = " ".join(checked.stdout.split())
    assert "FAIL brakes" in shown and "`keeper resume`" in shown
    crash(user.devnet)
    sent = transactions(user)
    process = user.start("run", **EVERY_EVENT, **variables)
    try:
        events = until(process, "decided")
        held = [event for event in events if event["event"] == "left" and event["why"]["reason"] == "held"]
        assert held and "0.500000 lost in a day" in held[0]["why"]["detail"]
        assert [event["level"] for event in events if event["event"] == "braked"] == ["error"]
        assert transactions(user) == sent
        resumed = user.types("resume", **variables)
        assert resumed.stdout.startswith("released: the brake on loss")
        user.devnet.anvil.rpc("evm_mine")
        events = until(process, "sent")
        assert "released" in {event["event"] for event in events}
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT_S)
    assert transactions(user) > sent
    assert user.types("check", **variables).returncode == 0
    assert user.types("resume", **variables).stdout == "no brake was on\n"


def test_run__kill_file__nothing_is_sent_while_it_is_there(user: User) -> None:
    variables = user.has_deployed() | user.key | {"KEEPER_KILL_FILE": str(user.folder / "stop")}
    (user.folder / "stop").touch()
    crash(user.devnet)
    sent = transactions(user)
    process = user.start("run", **EVERY_EVENT, **variables)
    try:
        assert "sent" not in {event["event"] for event in until(process, "decided")}
        assert transactions(user) == sent
        told = user.types("resume", **variables)
        assert told.returncode == 2 and "KEEPER_KILL_FILE" in told.stderr
        (user.folder / "stop").unlink()
        user.devnet.anvil.rpc("evm_mine")
        until(process, "sent")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT_S)


def test_run__more_than_a_liquidation_may_be_worth__declined(user: User) -> None:
    variables = user.has_deployed() | user.key | {"KEEPER_MAX_VALUE_WEI": "1000"}
    crash(user.devnet)
    process = user.start("run", **EVERY_EVENT, **variables)
    events = until(process, "decided")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=TIMEOUT_S)
    reasons = {event["why"]["reason"] for event in events if event["event"] == "left"}
    assert "too large" in reasons
    assert not {"sent", "planned"} & {event["event"] for event in events}


def test_check__little_gas__said_and_no_reason_not_to_run(user: User) -> None:
    variables = user.has_deployed() | user.key | {"KEEPER_MIN_OPERATOR_BALANCE_WEI": str(10**30)}
    told = user.types("check", "--json", **variables)
    assert told.returncode == 1
    (line,) = [line for line in json.loads(told.stdout)["lines"] if not line["ok"]]
    assert line["name"] == "gas" and "KEEPER_MIN_OPERATOR_BALANCE_WEI" in line["advice"]
    process = user.start("run", **EVERY_EVENT, **variables)
    until(process, "started")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0


def test_run__reverted_while_it_was_down__counted_at_the_next_start(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    rpc, high = manual_devnet.anvil.rpc, manual_devnet.prices_base()
    with daemon_stage(manual_devnet, tmp_path) as stage:
        stage.environment |= {"KEEPER_MAX_REVERTS_IN_ROW": "1", "KEEPER_CONFIRMATIONS": "0"}
        stage.start()
        stage.await_decision()
        for step in crash_path(2, steps=8):
            manual_devnet.market_block(step.prices_base, base_fee_wei=step.base_fee_wei)
            stage.await_decision()
            if stage.open_intents():
                break
        left_open = stage.open_intents()
        stage.kill()
        for one in left_open:
            rpc("anvil_dropTransaction", "0x" + one.hash.hex())
        manual_devnet.market_block(high)  # all are healthy again: what was sent can only revert
        for one in left_open:
            rpc("eth_sendRawTransaction", "0x" + one.transaction.raw.hex())
        manual_devnet.keeper_block()
        stage.start()
        heard = stage.living.until(lambda line: line["event"] == "decided")
        stage.stop()
        outcomes = dict(stage.journal())
    assert left_open and all(isinstance(outcomes[one], Reverted) for one in left_open)
    told = [line["event"] for line in heard]
    assert told.count("recovered") == len(left_open)
    assert told.index("braked") < told.index("started") and "sent" not in told
