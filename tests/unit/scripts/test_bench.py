"""scripts/bench's own part: which benchmarks there are, and what it says to a name that none has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "_bench", *arguments],
        env={**os.environ, "PYTHONPATH": "scripts"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "told"), [(["nosuch"], "there is no nosuch; there are"), (["--rounds", "0"], "--rounds")]
)
def test_main__wrong_usage__two_and_what_is_wrong(arguments: list[str], told: str) -> None:
    done = bench(*arguments)
    assert done.returncode == 2 and told in done.stderr and not done.stdout


def test_main__help__names_every_benchmark_and_tells_how_to_read_them() -> None:
    told = bench("--help").stdout
    listed = [
        line.split()[0] for line in told.splitlines() if line.startswith("  ") and len(line.split()) > 4
    ]
    assert set(listed) >= {
        "bootstrap",
        "gc-pause",
        "head-to-decision",
        "logs",
        "memory",
        "requests",
        "rescan",
        "rescan-1m",
    }
    assert "even the worst round's" in told


def test_main__json__one_object_a_line_with_equal_answers_asserted() -> None:
    done = bench("logs", "--json", "--rounds", "1")
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert list(told) == ["name", "value", "unit", "ratio", "ratio_worst", "must", "ok"]
    assert done.returncode == (0 if told["ok"] else 1), done.stderr
