"""`keeper stress` on the devnet: as predicted without feedback, and deeper with it; wrong prices are said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.devnet import Devnet
from keeper.devnet.variables import variables


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with Devnet.start(seed=1, borrowers=40) as devnet:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("KEEPER_")}
        yield plain | variables(devnet)


def stress(environment: dict[str, str], tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    empty = tmp_path / "empty.env"
    empty.touch()
    command = [sys.executable, "-m", "keeper", "stress", "--env-file", str(empty), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_stress__a_fall_of_three_tenths__presses_prices_further_with_feedback(
    environment: dict[str, str], tmp_path: Path
) -> None:
    done = stress(environment, tmp_path, "--price", "WETH=-30%", "--over", "12", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    plain, pressed = told["without_feedback"], told["with_feedback"]
    print(len(plain["liquidations"]), len(pressed["liquidations"]), plain["lowest"], pressed["lowest"])
    assert len(plain["liquidations"]) >= 10 and len(pressed["liquidations"]) >= 10
    for one in plain["liquidations"]:
        assert not one["reverted"] and one["predicted_wei"] == one["realised_wei"]
    assert plain["lowest"]["WETH"] == pytest.approx(0.7)
    assert pressed["lowest"]["WETH"] < plain["lowest"]["WETH"]
    assert [one["block"] for one in plain["liquidations"]] == sorted(
        one["block"] for one in plain["liquidations"]
    )
    assert int(plain["earned_wei"]) == sum(int(one["realised_wei"]) for one in plain["liquidations"]) > 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--price: is needed"),
        (("--price", "NOSUCH=-30%"), "NOSUCH"),
        (("--price", "WETH=+0%"), "WETH stays as it is"),
        (("--price", "WETH=-100%"), "WETH can't fall to nothing"),
        (("--price", "WETH=-200%"), "WETH can't fall to nothing or below"),
        (("--price", "WETH=200 %"), "expected TOKEN=-8% or TOKEN=1800"),
        (("--price", "WETH=-30%", "--over", "0"), "--over: 0 blocks"),
    ],
)
def test_stress__wrong_input__is_told_and_is_2(
    environment: dict[str, str], tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = stress(environment, tmp_path, *arguments)
    assert done.returncode == 2 and told in done.stderr and not done.stdout, done.stderr
