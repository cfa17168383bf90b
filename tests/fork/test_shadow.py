"""`keeper shadow` beside a rival that liquidates, and `keeper report` on what it wrote down."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from keeper.abi import load
from keeper.devnet import Devnet
from keeper.devnet.demo.stage import give_means
from tests.fork.test_commands import EVERY_EVENT, TIMEOUT_S, User, crash, until

PRIORITY_FEE_WEI = 7 * 10**9


@pytest.fixture
def user(devnet: Devnet, tmp_path: Path) -> User:
    return User(devnet, tmp_path)


def rival_liquidates(devnet: Devnet, planned: dict[str, Any]) -> dict[str, Any]:
    """Let the rival close what the keeper had planned to, and return its receipt."""
    draft = planned["plan"]["draft"]
    call = (
        load("aave_v3_pool")
        .function("liquidationCall")
        .encode(
            *(
                bytes.fromhex(text[2:])
                for text in (
                    draft["closes"][0]["seized"]["token"]["address"],
                    draft["closes"][0]["repaid"]["token"]["address"],
                    draft["borrower"],
                )
            ),
            2**256 - 1,
            False,
        )
    )
    sent = devnet.anvil.rpc(
        "eth_sendTransaction",
        {
            "from": f"0x{devnet.rival.address.hex()}",
            "to": f"0x{devnet.addresses.pool.hex()}",
            "data": f"0x{call.hex()}",
            "gas": hex(1_200_000),
            "maxFeePerGas": hex(200 * 10**9),
            "maxPriorityFeePerGas": hex(PRIORITY_FEE_WEI),
        },
    )
    receipt: dict[str, Any] = devnet.chain.receipt(sent)
    assert receipt["status"] == "0x1"
    return receipt


@contextmanager
def running(user: User, command: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a keeper that runs, and end it as a supervisor does."""
    process = user.start(command, **EVERY_EVENT, **variables)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0


def test_shadow__a_rival_liquidates__scored_as_it_happens_and_reported(user: User) -> None:
    means = give_means(user.devnet, user.devnet.rival, spenders=(user.devnet.addresses.pool,))
    for sent in means:
        user.devnet.chain.receipt(sent)
    crash(user.devnet)
    with running(user, "shadow") as process:
        events = until(process, "decided")
        started = next(event for event in events if event["event"] == "started")
        assert started["dry_run"]
        planned = next(
            event
            for event in events
            if event["event"] == "planned" and event["plan"]["draft"]["market"].startswith("aave")
        )
        receipt = rival_liquidates(user.devnet, planned)
        race = until(process, "raced")[-1]["race"]

    assert race["liquidation"]["position"]["borrower"] == planned["plan"]["draft"]["borrower"]
    assert race["winner"]["sender"].lower() == receipt["from"]
    assert race["winner"]["place"] == int(receipt["transactionIndex"], 16)
    paid_wei = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert int(race["winner"]["gas_wei"]) == paid_wei
    assert int(race["winner"]["priority_fee_wei"]) == PRIORITY_FEE_WEI
    assert race["sighting"]["deed"] == "planned"
    assert race["sighting"]["net_wei"] == planned["plan"]["waterfall"]["net_wei"]

    told = user.types("report", "--lost", "--json")
    assert told.returncode == 0, told.stderr
    report = json.loads(told.stdout)
    assert report["races"] == [race]
    (row,) = report["rows"]
    assert row["verdict"] == "planned, not sent" and row["median_ms_ahead"] > 0
    assert row["foregone_wei"] == race["sighting"]["net_wei"]
    assert "planned, not sent" in user.types("report", "--lost").stdout

    idle = json.loads(user.types("report", "--idle", "--json").stdout)
    assert idle["watched"]["heads"] >= 2 and idle["watched"]["planned"] >= 1
    assert idle["watched"]["sent"] == idle["included"] == 0
    assert "below health 1" in user.types("report", "--idle").stdout
    assert "nothing was sent" in user.types("report").stdout


def test_shadow__a_key_is_configured__still_sends_nothing(user: User) -> None:
    variables = user.has_deployed() | user.key
    crash(user.devnet)
    with running(user, "shadow", **variables) as process:
        events = until(process, "decided")
    assert "sent" not in {event["event"] for event in events}


def test_report__after_a_run__predicted_against_realised_to_the_wei(user: User) -> None:
    variables = user.has_deployed() | user.key
    crash(user.devnet)
    with running(user, "run", **variables) as process:
        events = until(process, "concluded")
    told = user.types("report", "--json", "--csv", str(user.folder / "ledger.csv"), **variables)
    assert told.returncode == 0, told.stderr
    report = json.loads(told.stdout)

    outcomes = {
        event["submission"]["transaction"]["hash"]: event["outcome"]
        for event in events
        if event["event"] == "concluded"
    }
    entries = {entry["transaction"]: entry for entry in report["entries"]}
    assert outcomes.keys() <= entries.keys()
    with (user.folder / "ledger.csv").open() as file:
        lines = {line["transaction"]: line for line in csv.DictReader(file)}
    assert lines.keys() == entries.keys()
    for hash_, outcome in outcomes.items():
        gas_wei = int(outcome["gas_used"]) * int(outcome["effective_gas_price_wei"])
        net_wei = int(outcome["vault_profit_wei"]) - gas_wei
        line = lines[hash_]
        assert int(line["realised_net_wei"]) == net_wei
        assert int(line["realised_gas_wei"]) == gas_wei
        parts = ("price_impact", "flash_fee", "bid", "gas", "l1_fee")
        for kind in ("predicted", "realised"):
            costs_wei = sum(int(line[f"{kind}_{part}_wei"]) for part in parts)
            assert int(line[f"{kind}_bonus_wei"]) - costs_wei == int(line[f"{kind}_net_wei"])
        assert int(line["predicted_net_wei"]) == int(entries[hash_]["predicted_wei"])
        assert entries[hash_]["plan"] is not None
    shown = user.types("report", **variables).stdout
    assert "included" in shown and "in all" in shown
    assert report["protocols"], "of one protocol at least: which is first to land is the market's choice"
    assert all(row["name"] in shown for row in report["protocols"])
    idle = json.loads(user.types("report", "--idle", "--json", **variables).stdout)
    assert idle["included"] >= 1


def test_report__own_liquidations__are_no_races(user: User) -> None:
    variables = user.has_deployed() | user.key
    crash(user.devnet)
    with running(user, "run", **variables) as process:
        until(process, "concluded")
        user.devnet.anvil.rpc("evm_mine")
        events = until(process, "decided")
    assert "raced" not in {event["event"] for event in events}
    told = user.types("report", "--lost", **variables)
    assert "nobody else liquidated anything" in told.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--since", "7"), "--since: expected a number of days"),
        (("--lost", "--csv", "x"), "--csv: is of the ledger alone"),
        ((), "there is no journal in"),
    ],
)
def test_report__what_it_does_not_take__exit_2_and_named(
    user: User, words: tuple[str, ...], expected: str
) -> None:
    told = user.types("report", *words)
    assert told.returncode == 2
    assert expected in told.stderr
