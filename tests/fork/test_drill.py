"""Everything that can go wrong around a running keeper: each kind by itself, and many at random.

What the endpoints do to the following of heads alone is in test_endpoint_faults.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keeper.devnet.drill.command import run
from keeper.devnet.drill.faults import KINDS
from keeper.devnet.drill.play import Act, DrillReport, Fell, Told
from keeper.devnet.drill.scene import Way, scene


@pytest.mark.timeout(1_200)  # most of it is waiting
@pytest.mark.parametrize("way", [Way.PUBLIC, Way.BACKRUN])
def test_strike__each_kind_by_itself__goes_on_within_two_blocks_and_nothing_is_lost(
    way: Way, tmp_path: Path
) -> None:
    kinds = [kind for kind in KINDS if kind.startswith("relay") is (way is Way.BACKRUN)]
    report, heard = DrillReport(seed=1), list[Told]()
    with scene(tmp_path, seed=4, blocks=3 * len(kinds), way=way) as on:
        act = Act(on, report=report, tell=heard.append)
        for kind in kinds:
            while not KINDS[kind].possible(on):
                act.goes_on()
            act.strike(kind)
            act.goes_on()
        act.end()
    told = [one for one in heard if isinstance(one, Fell)]
    print({one.kind: one.went_on_after for one in told}, report.numbers())
    assert [one.kind for one in told] == kinds
    assert all(one.went_on_after <= 2 for one in told)
    assert report.audit.is_sound and report.audit.included >= 5, report.audit.findings


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
