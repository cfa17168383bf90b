"""Pre-liquidation's arithmetic against 210 answers of the real contract, reverts and reasons included."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from keeper.protocols.morpho_blue.accrual import accrue
from keeper.protocols.morpho_blue.arithmetic import Refusal
from keeper.protocols.morpho_blue.liquidation import Close
from keeper.protocols.morpho_blue.pre_liquidation.arithmetic import (
    Offer,
    Parameters,
    PreRefusal,
    offer,
    pre_liquidate,
)
from keeper.protocols.morpho_blue.state import Position, Totals

Case = dict[str, Any]


@cache
def recorded() -> tuple[Case, ...]:
    path = Path(__file__).parent / "morpho_pre_liquidation.json.gz"
    return tuple(json.loads(gzip.decompress(path.read_bytes()))["cases"])


def totals_of(market: Case) -> Totals:
    names = ("totalSupplyAssets", "totalSupplyShares", "totalBorrowAssets", "totalBorrowShares")
    return Totals(*(int(market[name]) for name in names), int(market["lastUpdate"]), int(market["fee"]))


def position_of(position: Case) -> Position:
    return Position(borrow_shares=int(position["borrowShares"]), collateral=int(position["collateral"]))


def parameters_of(case: Case) -> Parameters:
    names = ("preLltv", "preLCF1", "preLCF2", "preLIF1", "preLIF2")
    return Parameters(*(int(case["preParams"][name]) for name in names))


def pre_liquidated(case: Case) -> Close | Refusal | PreRefusal:
    return pre_liquidate(
        totals_of(case["market"]),
        position_of(case["position"]),
        parameters_of(case),
        rate_wad=int(case["borrowRatePerSecond"] or 0),
        at_s=case["timestamp"],
        price=int(case["preLiquidationPrice"]),
        market_price=int(case["marketPrice"]),
        lltv_wad=int(case["lltv"]),
        authorised=case["authorized"],
        seized_raw=int(case["call"]["seizedAssets"]),
        repaid_shares=int(case["call"]["repaidShares"]),
    )


@pytest.mark.parametrize("place", range(len(recorded())))
def test_pre_liquidate__recorded_call__does_what_the_contract_did(place: int) -> None:
    case = recorded()[place]
    expected = case["expected"]
    close = pre_liquidated(case)
    if expected["reverted"]:
        assert close == expected["error"]
        return
    assert isinstance(close, Close)
    assert close.repaid_raw == int(expected["repaidAssets"])
    assert close.repaid_shares == int(expected["repaidShares"])
    assert close.seized_raw == int(expected["seizedAssets"])
    assert close.totals == totals_of(expected["marketAfter"])
    assert close.position == position_of(expected["positionAfter"])


def test_offer__recorded_call_that_was_too_large__the_contracts_own_limit() -> None:
    too_large = [case for case in recorded() if case["expected"].get("args")]
    for case in too_large:
        rate_wad = int(case["borrowRatePerSecond"] or 0)
        offered = offer(
            accrue(totals_of(case["market"]), rate_wad=rate_wad, at_s=case["timestamp"]),
            position_of(case["position"]),
            parameters_of(case),
            price=int(case["preLiquidationPrice"]),
            lltv_wad=int(case["lltv"]),
        )
        assert isinstance(offered, Offer)
        assert offered.most_shares == int(case["expected"]["args"][1])
    assert len(too_large) == 43


def test_recorded_cases__by_outcome__are_as_many_as_were_recorded() -> None:
    outcomes = Counter(case["expected"].get("error", "goes through") for case in recorded())
    print(dict(outcomes))
    assert len(recorded()) == 210
    assert {outcome for outcome in outcomes if outcome != "goes through"} <= {*Refusal, *PreRefusal}
    assert outcomes["goes through"] == 83
