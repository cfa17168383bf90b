"""What a machine reads: whole, exact, and safe from floats."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keeper.domain.address import checksum
from keeper.render.as_json import as_json
from tests.unit.render.reports import BORROWER, INCLUDED, PLAN_REPORT, SCAN_REPORT, SUBMISSION, USDC


def parsed(value: object) -> Any:
    return json.loads(json.dumps(as_json(value)))


def test_as_json__scan__amounts_are_strings_and_addresses_whole() -> None:
    report = parsed(SCAN_REPORT)
    row = report["rows"][0]
    assert row["borrower"] == checksum(BORROWER)
    assert row["health"]["health_factor_wad"] == "981234567890123456"
    assert row["collateral"][0]["amount"]["raw"] == "1207394512087654321012"
    assert row["closable"][0]["repaid"]["value_base"] == "120916500000000"
    assert report["head"]["number"] == 21_000_000
    assert report["rows"][1]["declined"][0]["why"] == {
        "kind": "declined",
        "reason": "paused",
        "detail": "the WBTC reserve is paused",
    }


def test_as_json__plan__kinds_sums_and_holes() -> None:
    report = parsed(PLAN_REPORT)
    pair = report["pairs"][0]
    assert [interval["least_raw"] for interval in pair["feasible"]] == ["1", "1209165537256"]
    assert (pair["max_profit"]["kind"], pair["restore_health"]["kind"]) == ("close", "declined")
    assert pair["max_profit"]["close_factor_bps"] == 2489
    assert report["decision"]["kind"] == "plan"
    fall = {name: int(text) for name, text in report["decision"]["waterfall"].items()}
    assert fall["net_wei"] == fall["vault_wei"] - fall["gas_wei"]
    assert report["symbols"][checksum(USDC.address)] == "USDC"
    assert report["objective"] == "max_profit"


def test_as_json__any_report__no_number_that_a_double_would_round() -> None:
    def numbers(value: Any) -> list[int | float]:
        if isinstance(value, dict):
            return [found for held in value.values() for found in numbers(held)]
        if isinstance(value, list):
            return [found for held in value for found in numbers(held)]
        return [value] if isinstance(value, (int, float)) else []

    found = [
        number for report in (SCAN_REPORT, PLAN_REPORT, SUBMISSION) for number in numbers(parsed(report))
    ]
    assert len(found) > 50
    assert max(found) < 2**53


def test_as_json__submission__without_what_anybody_could_send() -> None:
    submission = parsed(SUBMISSION)
    assert submission["transaction"] == {"hash": "0x" + "fe" * 32}


def test_as_json__outcome__its_kind_and_what_was_earned() -> None:
    outcome = parsed(INCLUDED)
    assert outcome["kind"] == "included"
    assert int(outcome["realised_profit_wei"]) == INCLUDED.realised_profit_wei


def test_as_json__something_else__refused() -> None:
    with pytest.raises(TypeError, match="a object has no form in JSON"):
        as_json(object())
