"""A keeper that ran live, and the backtest of the same blocks on the same chain, held against its ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from keeper.devnet.demo.log import head_number
from keeper.devnet.demo.stage import Stage, set_up
from keeper.devnet.scenario import crash, play

STEPS = 5


@dataclass(frozen=True)
class Lived:
    """The blocks that a keeper lived through, and what the vault got in them."""

    stage: Stage
    first: int
    last: int
    vault_earned_wei: int

    def backtest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        told = ["--from", str(self.first), "--to", str(self.last), *arguments]
        return subprocess.run(
            [sys.executable, "-m", "keeper", "backtest", *told],
            cwd=self.stage.folder,
            env=dict(self.stage.environment),
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def lived() -> Iterator[Lived]:
    with set_up(seed=1) as stage:
        keeper, devnet = stage.start_keeper(), stage.devnet
        try:
            keeper.until(lambda line: line["event"] == "started")
            first, before_wei = devnet.chain.block_number(), stage.vault_wei()

            def dealt_with() -> None:
                number = devnet.chain.block_number()
                keeper.until(lambda line: line["event"] == "decided" and head_number(line) == number)

            for _ in play(devnet, crash(1)[:STEPS], rest=dealt_with):
                dealt_with()
        finally:
            keeper.stop()
        yield Lived(stage, first, devnet.chain.block_number(), stage.vault_wei() - before_wei)


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_backtest__blocks_that_the_keeper_lived_through__comes_to_what_its_ledger_says(lived: Lived) -> None:
    """No rival plays: the keeper's own transactions are what the backtest has to outbid, by a wei a gas."""
    told, figures = lines(lived.backtest("--json", "--calibrate", "--latency", "0.1"))
    found = told["calibration"]
    print(found, figures)
    assert found["ledger_wins"] >= 5 and found["both"] >= 5
    assert found["wins"] == found["ledger_wins"] and found["wins_error"] == 0
    assert 0 < int(found["ledger_profit_wei"]) < lived.vault_earned_wei  # after gas
    assert abs(found["profit_error"]) <= 1e-4
    # a row's closes are an event each; Morpho's are one, whoever else watches its contract
    assert figures["caught"] + figures["same_block"] == figures["chain_liquidations"] >= 12


def test_backtest__supposed_slower_than_the_keeper_was__the_error_shows_it(lived: Lived) -> None:
    told, _ = lines(lived.backtest("--json", "--calibrate", "--latency", "30", "--latency-spread", "0"))
    assert told["calibration"]["wins_error"] < -0.5


def test_backtest__for_a_person__the_error_stands_below_the_figures(lived: Lived) -> None:
    done = lived.backtest("--latency", "0.1")
    assert "live in blocks" in done.stdout and "of the same" in done.stdout, done.stdout
