"""What a backtest claims, against a journal that knows better."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from keeper.backtest.calibration import calibration
from keeper.domain.address import Address, Hash32
from keeper.domain.ledger import Watched
from keeper.domain.position import PositionId
from keeper.domain.submission import Expired, Included, Outcome
from tests.unit.backtest.worlds import A, B, head


def included(number: int, wei: int) -> Included:
    return Included(
        block_number=number,
        block_hash=Hash32(bytes(32)),
        gas_used=100,
        effective_gas_price_wei=1,
        vault_profit_wei=wei + 100,
        tip_wei=0,
    )


def flight(borrower: Address, number: int, wei: int) -> Any:
    return SimpleNamespace(
        position=PositionId("m", borrower), block=head(number), outcome=included(number, wei)
    )


def submitted(borrower: Address, outcome: Outcome) -> Any:
    return SimpleNamespace(positions=(PositionId("m", borrower),)), outcome


def test_calibration__of_blocks_that_were_watched_in_part__counts_those_alone() -> None:
    score: Any = SimpleNamespace(
        won=(flight(A, 11, 300), flight(B, 12, 50), flight(B, 40, 999)), extra=(flight(A, 19, 10),)
    )
    journal = [
        submitted(A, included(12, 200)),
        submitted(B, Expired(head_number=13, why="late")),
        submitted(B, included(41, 7)),
    ]
    spans = [Watched(at_s=0, heads=9, first_head=5, last_head=14), Watched(at_s=9, heads=0)]
    found = calibration(score, journal, spans, first=10, last=60)
    assert found is not None
    assert (found.first, found.last) == (10, 14)
    assert (found.wins, found.ledger_wins, found.both) == (2, 1, 1)
    assert (found.profit_wei, found.ledger_profit_wei) == (350, 200)
    assert (found.wins_error, found.profit_error) == (1.0, 0.75)


def test_calibration__of_blocks_that_nobody_watched__is_none() -> None:
    score: Any = SimpleNamespace(won=(), extra=())
    assert (
        calibration(score, [], [Watched(at_s=0, heads=3, first_head=1, last_head=3)], first=10, last=60)
        is None
    )
