"""A World that asks ahead: what was asked at two heads in a row will be asked at the next ones too.

Where nothing happens a keeper asks the same at each head, so an archive's answers for some heads to come are
fetched, all in one request, while those before are dealt with: the way to the endpoint is then paid once for
many blocks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from keeper.domain.address import Hash32
from keeper.domain.errors import Inconsistent, Unavailable
from keeper.domain.head import Head
from keeper.domain.state import Mined, StateRef
from keeper.ports import Signal, World
from keeper.query import Answer, Ask, LogRange, Simulate

_TOGETHER = 16
"""How many heads are asked in one request."""
_ON_THEIR_WAY = 2
"""How many such requests there are at a time: one is dealt with, the next is on its way."""


class Archival(World, Protocol):
    """A World that can be asked at many states in one request."""

    async def answer_at_each(
        self, asks: Sequence[Ask], states: Sequence[StateRef]
    ) -> tuple[tuple[Answer, ...], ...]:
        """Return for each state the answer to each ask. Raises as `answer` does, for all together."""
        ...


@dataclass(slots=True, kw_only=True)
class _Ahead:
    """What is asked at some heads to come."""

    asks: tuple[Ask, ...]
    numbers: range
    task: asyncio.Task[tuple[tuple[Answer, ...], ...]]


class ReadAhead:
    """A :class:`keeper.ports.World` around an archive's. It answers nothing that the archive did not."""

    def __init__(self, world: Archival, *, together: int = _TOGETHER) -> None:
        self._world = world
        self._together = together
        self._hashes: dict[int, Hash32] = {}
        """Of the heads to come, and of some before."""
        self._numbers: dict[Hash32, int] = {}
        self._ahead: list[_Ahead] = []
        """In the heads' order."""
        self._at: Hash32 | None = None
        self._asked: tuple[Ask, ...] = ()
        """What was asked first at the last head."""
        self.failed = 0
        """How often the archive did not answer, as long as it was asked."""

    def expect(self, heads: Sequence[Head]) -> None:
        """Be told which heads come after those that were told of before, in their order."""
        here = self._numbers.get(self._at or Hash32(b""), 0)
        passed = [number for number in self._hashes if number < here]
        for number in passed:
            del self._numbers[self._hashes.pop(number)]
        self._hashes |= {head.number: head.hash for head in heads}
        self._numbers |= {head.hash: head.number for head in heads}

    def signals(self) -> AsyncIterator[Signal]:
        """Return what the archive's world tells."""
        return self._world.signals()

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        """Return the archive's answers, those that were asked ahead among them."""
        if not isinstance(at, Mined):
            return await self._world.answer(asks, at)
        first, self._at = at.hash != self._at, at.hash
        if first:
            self._go_on(asks, at.hash)
        known = await self._known(at.hash)
        wanted = [ask for ask in asks if ask not in known] if known else asks
        if wanted:
            try:
                known.update(zip(wanted, await self._world.answer(wanted, at), strict=True))
            except (Unavailable, Inconsistent):
                self.failed += 1
                raise
        return tuple([known[ask] for ask in asks])

    async def close(self) -> None:
        """Give up what is still being asked."""
        ahead, self._ahead = self._ahead, []
        for one in ahead:
            one.task.cancel()
        for one in ahead:
            with suppress(asyncio.CancelledError, Unavailable, Inconsistent):
                await one.task

    def _go_on(self, asks: Sequence[Ask], at: Hash32) -> None:
        """Ask the same at the heads that follow, where it was asked at the one before."""
        plain = tuple([ask for ask in asks if not isinstance(ask, LogRange | Simulate)])
        again, self._asked = plain == self._asked, plain
        number = self._numbers.get(at)
        if not again or not plain or number is None:
            return
        self._ahead = [one for one in self._ahead if number < one.numbers.stop]
        begin = max([number + 1, *(one.numbers.stop for one in self._ahead)])
        while len(self._ahead) < _ON_THEIR_WAY and begin in self._hashes:
            states = list(self._following(begin))
            task = asyncio.ensure_future(self._world.answer_at_each(plain, states))
            self._ahead.append(_Ahead(asks=plain, numbers=range(begin, begin + len(states)), task=task))
            begin += len(states)

    def _following(self, begin: int) -> Iterator[Mined]:
        for number in range(begin, begin + self._together):
            if (hash_ := self._hashes.get(number)) is None:
                return
            yield Mined(hash=hash_)

    async def _known(self, at: Hash32) -> dict[Ask, Answer]:
        """Return what was asked ahead for a head. What failed then is asked again."""
        number = self._numbers.get(at, -1)
        one = next((one for one in self._ahead if number in one.numbers), None)
        if one is None:
            return {}
        try:
            answers = (await one.task)[number - one.numbers.start]
        except (Unavailable, Inconsistent):
            return {}
        return dict(zip(one.asks, answers, strict=True))
