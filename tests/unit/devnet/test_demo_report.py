"""The numbers are the ones that are promised, and a broken promise is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.devnet.demo_reports import (
    ATTACKS,
    FAILURE,
    LIQUIDATIONS,
    LOST,
    OVERLOOKED,
    RECOVERY,
    REPORT,
    SANDWICH,
)


def test_broken__all_is_well__nothing() -> None:
    assert list(REPORT.broken()) == []


def test_numbers__are_exactly_those_of_the_promise() -> None:
    assert REPORT.numbers() == {
        "borrowers": 63,
        "unhealthy": 12,
        "liquidated": 10,
        "lost_to_rival": 1,
        "declined": 1,
        "overlooked": 0,
        "reverted": 0,
        "taken_by_attacks_wei": 0,
        "predicted_profit_wei": 89_900_000_000_000_000_000,
        "realised_profit_wei": 89_900_000_000_000_000_000,
        "seconds": 12.3,
        "liquidated_by_protocol": {"aave-v3": 3, "morpho": 4, "morpho-pre": 3},
    }


def test_liquidated__one_position_twice__counts_once() -> None:
    again = replace(REPORT, liquidations=(*LIQUIDATIONS, LIQUIDATIONS[0]))
    assert again.numbers()["liquidated"] == 10


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"borrowers": 39}, "borrowers: 39"),
        ({"liquidations": LIQUIDATIONS[:9]}, "liquidated: 9"),
        ({"liquidations": LIQUIDATIONS[2::3]}, "liquidated: none of morpho,"),
        ({"lost": ()}, "the rival won no race"),
        ({"lost": (replace(LOST, gas_used=60_000),)}, "60000 gas"),
        ({"overlooked": (OVERLOOKED,)}, "overlooked: 1"),
        ({"failures": (FAILURE,)}, "reverted: 1"),
        ({"bad_debts": ()}, "bad debt"),
        ({"sandwich": None}, "no sandwich"),
        ({"sandwich": replace(SANDWICH, taken_wei=1)}, "taken_by_attacks_wei: 1"),
        ({"sandwich": replace(SANDWICH, error="", succeeded=True)}, "the transaction went through"),
        ({"sandwich": replace(SANDWICH, error="0x08c379a0", profit_wei=None)}, "0x08c379a0"),
        ({"attacks": ATTACKS[:2]}, "2 attacks"),
        ({"attacks": (*ATTACKS[:2], replace(ATTACKS[2], taken_wei=7))}, "taken_by_attacks_wei: 7"),
        ({"attacks": (*ATTACKS[:2], replace(ATTACKS[2], taken_from_allow_list_wei=0))}, "no attack"),
        ({"recovery": None}, "never killed"),
        ({"recovery": replace(RECOVERY, liquidations=2)}, "2 liquidations of the same position"),
        ({"recovery": replace(RECOVERY, liquidations=0)}, "0 liquidations of the same position"),
        ({"claimed_wei": 1}, "the keeper claims 1 wei"),
        ({"vault_wei": REPORT.vault_wei + 1}, "arrived"),
    ],
)
def test_broken__one_thing_is_wrong__is_named(changed: dict[str, Any], named: str) -> None:
    assert any(named in promise for promise in replace(REPORT, **changed).broken())


def test_liquidated__one_borrower_in_two_markets__counts_twice() -> None:
    first = LIQUIDATIONS[0]
    draft = replace(first.plan.draft, market="morpho:0xBB/0x77")
    elsewhere = replace(first, plan=replace(first.plan, draft=draft))
    assert replace(REPORT, liquidations=(*LIQUIDATIONS, elsewhere)).numbers()["liquidated"] == 11


def test_broken__realised_over_a_bp_apart__is_named() -> None:
    first, *others = LIQUIDATIONS
    off_by = REPORT.predicted_wei // 10_000
    for more_wei, breaks in ((off_by - 1, False), (off_by + 1, True)):
        changed = replace(
            REPORT,
            liquidations=(replace(first, arrived_wei=first.arrived_wei + more_wei), *others),
            vault_wei=REPORT.vault_wei + more_wei,
            claimed_wei=REPORT.claimed_wei + more_wei,
        )
        assert any("were predicted" in promise for promise in changed.broken()) is breaks
