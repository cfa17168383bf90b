"""Asking ahead: the same answers, fewer ways to the endpoint, and none for what turns out otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from keeper.backtest.read_ahead import ReadAhead
from keeper.domain.errors import Unavailable
from keeper.domain.state import StateRef
from keeper.query import Answer, Ask, Call
from tests.unit.backtest.worlds import A, Small, at, head

ONE, OTHER = Call(A, b"\x01"), Call(A, b"\x02")


class Told(Small):
    """Answers each ask with the state's last byte, and remembers what it was asked where."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.asked: list[tuple[int, tuple[Ask, ...]]] = []
        self.fails_at = fails_at
        self.together: list[list[int]] = []

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        number = at.hash[-1]
        self.asked.append((number, tuple(asks)))
        if number == self.fails_at:
            self.fails_at = None
            raise Unavailable("just now")
        return tuple(bytes([number]) for _ in asks)

    async def answer_at_each(
        self, asks: Sequence[Ask], states: Sequence[StateRef]
    ) -> tuple[tuple[Answer, ...], ...]:
        self.together.append([state.hash[-1] for state in states])
        return tuple([await self.answer(asks, state) for state in states])


def follow(world: Told, rounds: dict[int, list[tuple[Call, ...]]]) -> dict[int, list[tuple[Answer, ...]]]:
    async def run() -> dict[int, list[tuple[Answer, ...]]]:
        ahead = ReadAhead(world, together=3)
        ahead.expect([head(number) for number in range(1, 9)])
        got = {
            number: [await ahead.answer(asks, at(number)) for asks in of_head]
            for number, of_head in rounds.items()
        }
        await ahead.close()
        return got

    return asyncio.run(run())


def test_answer__the_same_at_each_head__is_asked_once_for_each_and_right() -> None:
    world = Told()
    got = follow(world, {number: [(ONE,)] for number in range(1, 9)})
    assert got == {number: [(bytes([number]),)] for number in range(1, 9)}
    assert sorted(world.asked) == [(number, (ONE,)) for number in range(1, 9)]
    assert world.together == [[3, 4, 5], [6, 7, 8]]


def test_answer__something_else_at_one_head__is_asked_there() -> None:
    world = Told()
    got = follow(world, {1: [(ONE,)], 2: [(ONE,)], 3: [(ONE, OTHER)], 4: [(ONE,), (OTHER,)], 5: [(ONE,)]})
    assert got[3] == [(b"\x03", b"\x03")] and got[4] == [(b"\x04",), (b"\x04",)]
    assert (3, (OTHER,)) in world.asked and (4, (OTHER,)) in world.asked
    assert [asked for asked in world.asked if asked[1] == (ONE, OTHER)] == []


def test_answer__asking_ahead_fails__is_asked_again_when_it_counts() -> None:
    world = Told(fails_at=4)
    got = follow(world, {number: [(ONE,)] for number in range(1, 6)})
    assert got[4] == [(b"\x04",)]
    assert [number for number, _ in world.asked].count(4) == 2


def test_answer__the_archive_fails_when_it_counts__is_counted_and_raised() -> None:
    """What a pass makes of such a head depends on the endpoint's mood: no result is to come of it unseen."""

    async def run() -> int:
        ahead = ReadAhead(Told(fails_at=1))
        with pytest.raises(Unavailable):
            await ahead.answer((ONE,), at(1))
        assert await ahead.answer((ONE,), at(1)) == (b"\x01",)
        return ahead.failed

    assert asyncio.run(run()) == 1
