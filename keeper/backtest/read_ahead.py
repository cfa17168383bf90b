"""A World that asks ahead: what was asked at two heads in a row will be asked at the next ones too.

Where nothing happens a keeper asks the same at each head, so an archive's answers for some heads to come are
fetched while those before are dealt with: the way to the endpoint is then paid once for many blocks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from keeper.domain.address import Hash32
from keeper.domain.errors import Inconsistent, Unavailable
from keeper.domain.head import Head
from keeper.domain.state import Mined, StateRef
from keeper.ports import Signal, World
from keeper.query import Answer, Ask, LogRange, Simulate

_DEPTH = 16
"""How many heads are asked ahead."""


class ReadAhead:
    """A :class:`keeper.ports.World` around an archive's. It answers nothing that the archive did not."""

    def __init__(self, world: World, *, depth: int = _DEPTH) -> None:
        self._world = world
        self._depth = depth
        self._order: list[Hash32] = []
        self._place: dict[Hash32, int] = {}
        self._ahead: dict[Hash32, tuple[tuple[Ask, ...], asyncio.Task[tuple[Answer, ...]]]] = {}
        self._at: Hash32 | None = None
        self._asked: tuple[Ask, ...] = ()
        """What was asked first at the last head."""

    def expect(self, heads: Sequence[Head]) -> None:
        """Be told which heads come next, in their order."""
        self._order = [head.hash for head in heads]
        self._place = {hash_: place for place, hash_ in enumerate(self._order)}

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
        wanted = [ask for ask in asks if ask not in known]
        if wanted:
            known.update(zip(wanted, await self._world.answer(wanted, at), strict=True))
        return tuple(known[ask] for ask in asks)

    async def close(self) -> None:
        """Give up what is still being asked."""
        tasks = [task for _, task in self._ahead.values()]
        self._ahead.clear()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, Unavailable, Inconsistent):
                await task

    def _go_on(self, asks: Sequence[Ask], at: Hash32) -> None:
        """Ask the same at the heads that follow, where it was asked at the one before."""
        plain = tuple(ask for ask in asks if not isinstance(ask, LogRange | Simulate))
        again, self._asked = plain == self._asked, plain
        place = self._place.get(at)
        if not again or not plain or place is None:
            return
        for hash_ in self._order[place + 1 : place + 1 + self._depth]:
            if hash_ not in self._ahead:
                task = asyncio.ensure_future(self._world.answer(plain, Mined(hash=hash_)))
                self._ahead[hash_] = (plain, task)

    async def _known(self, at: Hash32) -> dict[Ask, Answer]:
        """Return what was asked ahead for a head. What failed then is asked again."""
        asks, task = self._ahead.pop(at, ((), None))
        if task is None:
            return {}
        try:
            return dict(zip(asks, await task, strict=True))
        except (Unavailable, Inconsistent):
            return {}
