"""Morpho Blue's arithmetic against 300 answers of the real contract, reverts and their reasons included."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from keeper.protocols.morpho_blue.arithmetic import Refusal
from keeper.protocols.morpho_blue.liquidation import Close, liquidate
from keeper.protocols.morpho_blue.state import Position, Totals

Case = dict[str, Any]


@cache
def recorded() -> tuple[Case, ...]:
    path = Path(__file__).parent / "morpho_blue_1.0.0.json.gz"
    return tuple(json.loads(gzip.decompress(path.read_bytes()))["cases"])


def totals_of(market: Case | None) -> Totals:
    if market is None:
        return Totals(0, 0, 0, 0, 0, 0)
    names = ("totalSupplyAssets", "totalSupplyShares", "totalBorrowAssets", "totalBorrowShares")
    return Totals(*(int(market[name]) for name in names), int(market["lastUpdate"]), int(market["fee"]))


def position_of(position: Case | None) -> Position:
    if position is None:
        return Position(0, 0)
    return Position(borrow_shares=int(position["borrowShares"]), collateral=int(position["collateral"]))


def liquidated(case: Case) -> Close | Refusal:
    return liquidate(
        totals_of(case["market"]),
        position_of(case["position"]),
        rate_wad=int(case["borrowRatePerSecond"] or 0),
        at_s=case["timestamp"],
        price=int(case["price"]),
        lltv_wad=int(case["lltv"]),
        seized_raw=int(case["call"]["seizedAssets"]),
        repaid_shares=int(case["call"]["repaidShares"]),
    )


@pytest.mark.parametrize("place", range(len(recorded())))
def test_liquidate__recorded_call__does_what_the_contract_did(place: int) -> None:
    case = recorded()[place]
    expected = case["expected"]
    close = liquidated(case)
    if expected["reverted"]:
        assert close == expected["error"]
        return
    assert isinstance(close, Close)
    assert close.repaid_raw == int(expected["repaidAssets"])
    assert close.repaid_shares == int(expected["repaidShares"])
    assert close.seized_raw == int(expected["seizedAssets"])
    assert close.bad_debt_raw == int(expected["badDebtAssets"])
    assert close.bad_debt_shares == int(expected["badDebtShares"])
    assert close.totals == totals_of(expected["marketAfter"])
    assert close.position == position_of(expected["positionAfter"])
    minted = close.totals.supply_shares - totals_of(case["market"]).supply_shares
    assert minted == int(expected["feeRecipientSharesDelta"])


def test_recorded_cases__by_outcome__are_as_many_as_were_recorded() -> None:
    outcomes = Counter(case["expected"].get("error", "goes through") for case in recorded())
    print(dict(outcomes))
    assert len(recorded()) == 300
    assert {outcome for outcome in outcomes if outcome != "goes through"} <= set(Refusal)
    assert outcomes["goes through"] == 161
    assert sum("bad_debt" in case["classes"] for case in recorded()) == 36
