"""Which positions are audited: drawn by the head's hash, each as likely as any other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from keeper.domain.address import Address, Hash32
from keeper.domain.position import PositionId
from keeper.watcher.auditing import drawn
from keeper.watcher.columns import Columns
from tests.unit.watcher.test_book import HEAD
from tests.unit.watcher.test_columns import Held, columns

WIDE = tuple((slot, 1) for slot in range(200))
"""More entries than any table has room for."""


def crowd(count: int) -> Columns[Held]:
    held = columns()
    rows = {
        PositionId("a", Address(n.to_bytes(20))): WIDE if n % 10 == 9 else ((1, n),) * (1 + n % 3)
        for n in range(count)
    }
    held.put(rows)
    return held


def test_drawn__many_heads__everybody_comes_up_as_often() -> None:
    held, seen = crowd(50), Counter[PositionId]()
    for number in range(1_000):
        seen.update(drawn(replace(HEAD, hash=Hash32(number.to_bytes(32))), held, count=2))
    assert set(seen) == set(held)
    assert min(seen.values()) >= 15
    assert max(seen.values()) <= 75


def test_drawn__the_same_head__the_same_ones() -> None:
    assert drawn(HEAD, crowd(50), count=3) == drawn(HEAD, crowd(50), count=3)


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 1), (5, 5), (9, 5)])
def test_drawn__few_positions__no_more_than_there_are(count: int, expected: int) -> None:
    assert len(drawn(HEAD, crowd(5), count=count)) == expected
