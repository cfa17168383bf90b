"""Everything that can go wrong around a running keeper: each kind by itself, and many at random.

What the endpoints do to the following of heads alone is in test_endpoint_faults.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from keeper.devnet.drill.command import run
from keeper.devnet.drill.faults import KINDS
from keeper.devnet.drill.play import Act, DrillReport, Fell, Told
from keeper.devnet.drill.scene import Way, scene

BY_THEMSELVES = {
    "endpoints": lambda kind: "endpoint" in kind or kind == "head forks",
    "chain": lambda kind: kind.startswith("reorg") or kind in ("dropped from the pool", "replacement race"),
    "relays": lambda kind: kind.startswith("relay"),
    "machine": lambda kind: kind in ("keeper killed", "disk full", "clock steps back", "journal torn"),
}


@pytest.mark.timeout(7_200)  # at its whole size: most of it is waiting
def test_strike__each_kind_by_itself__goes_on_within_two_blocks_and_nothing_is_lost(
    full: bool, tmp_path: Path
) -> None:
    for group in BY_THEMSELVES if full else ("endpoints",):
        (tmp_path / group).mkdir()
        strike(group, tmp_path / group)


def strike(group: str, tmp_path: Path) -> None:
    belongs: Callable[[str], bool] = BY_THEMSELVES[group]
    report, heard = DrillReport(seed=1), list[Told]()
    with scene(tmp_path, seed=4, blocks=40, way=Way.BACKRUN if group == "relays" else Way.PUBLIC) as on:
        act = Act(on, report=report, tell=heard.append)
        for kind in filter(belongs, KINDS):
            while not KINDS[kind].possible(on):
                act.goes_on()
            act.strike(kind)
            act.goes_on()
        act.end()
    told = [one for one in heard if isinstance(one, Fell)]
    print(group, {one.kind: one.went_on_after for one in told}, report.numbers())
    assert [one.kind for one in told] == list(filter(belongs, KINDS))
    assert all(one.went_on_after <= 2 for one in told)
    assert report.audit.is_sound and report.audit.included >= 5


def test_kinds__every_one__in_a_group() -> None:
    assert all(sum(belongs(kind) for belongs in BY_THEMSELVES.values()) == 1 for kind in KINDS)


@pytest.mark.timeout(14_400)
def test_drill__one_fault_in_two_blocks__the_ledger_equals_the_chain_to_the_wei(full: bool) -> None:
    blocks = 1_000 if full else 100
    said: list[str] = []
    assert run(["--seed", "1", "--blocks", str(blocks), "--json"], say=said.append) == 0
    numbers = json.loads(said[-1])
    print(numbers)
    assert list(numbers) == [
        "faults",
        "blocks",
        "sent",
        "included",
        "double",
        "stuck",
        "lost",
        "ledger_difference_wei",
    ]
    assert numbers["faults"] == blocks // 2 and numbers["blocks"] >= blocks
    assert numbers["included"] >= blocks // 4
    assert [numbers[name] for name in list(numbers)[-4:]] == [0, 0, 0, 0]
