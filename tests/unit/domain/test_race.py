"""Why a race was lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.domain.address import Address, Hash32
from keeper.domain.position import PositionId
from keeper.domain.race import Deed, Liquidation, Race, Sighting, Winner

LIQUIDATION = Liquidation(
    position=PositionId("market", Address(b"\1" * 20)),
    liquidator=Address(b"\2" * 20),
    debt=None,
    repaid_raw=1,
    collateral=Address(b"\3" * 20),
    seized_raw=2**200,
    block_number=12,
    transaction=Hash32(b"\4" * 32),
)


def race(**seen: Any) -> Race:
    sighting = (
        Sighting(**{"first_head": 10, "first_seen_at_s": 100.0, "last_head": 11} | seen) if seen else None
    )
    winner = Winner(sender=Address(b"\5" * 20), place=3, gas_wei=9, priority_fee_wei=50)
    return Race(liquidation=LIQUIDATION, block_seen_at_s=112.5, winner=winner, sighting=sighting)


@pytest.mark.parametrize(
    ("one", "verdict", "outbid_by_wei"),
    [
        (race(), "not seen", 0),
        (race(deed=Deed.DECLINED, why="no route"), "declined: no route", 0),
        (race(deed=Deed.PLANNED, priority_fee_wei=1), "planned, not sent", 0),
        (race(deed=Deed.SENT, priority_fee_wei=20), "outbid", 30),
        (race(deed=Deed.SENT, priority_fee_wei=50), "too slow", 0),
    ],
)
def test_verdict__what_was_done__why_it_was_lost(one: Race, verdict: str, outbid_by_wei: int) -> None:
    assert (one.verdict, one.outbid_by_wei) == (verdict, outbid_by_wei)


def test_verdict__the_winner_paid_the_coinbase__outbid_by_that_too() -> None:
    sent = race(deed=Deed.SENT, priority_fee_wei=60, tip_wei=300)
    traced = replace(sent.winner, bid_wei=1_200, gas_used=10)
    assert (sent.verdict, sent.outbid_by_wei) == ("too slow", 0), "by its fee alone"
    assert replace(sent, winner=traced).outbid_by_wei == (1_200 - 60 * 10 - 300) // 10
    assert replace(sent, winner=traced).verdict == "outbid"
    assert replace(sent, winner=replace(traced, bid_wei=900)).verdict == "too slow", "as much was offered"
    assert replace(sent, winner=replace(traced, gas_used=0)).verdict == "too slow"


def test_ahead__seen_or_not__blocks_and_milliseconds() -> None:
    seen = race(deed=Deed.PLANNED)
    assert (seen.blocks_ahead, seen.ms_ahead) == (2, 12_500)
    assert (race().blocks_ahead, race().ms_ahead) == (None, None)
