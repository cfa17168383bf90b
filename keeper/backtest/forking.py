"""A World around an archive's that simulates on a fork where the archive does not simulate.

`eth_simulateV1` at the old block is some eighty times quicker than a fork of it, and says the same: so the
endpoint is asked, and only one that does not know the method is spared from then on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from keeper.backtest.read_ahead import Archival
from keeper.domain.errors import Unavailable
from keeper.domain.state import StateRef
from keeper.ports import Signal
from keeper.query import Answer, Ask, Simulate

OnFork = Callable[[Sequence[Simulate], StateRef], Awaitable[tuple[Answer, ...]]]
"""Simulates on a fork. Raises Unavailable where there is none."""


class Forking:
    """An :class:`keeper.backtest.read_ahead.Archival` world that is never without simulations."""

    def __init__(self, world: Archival, *, on_fork: OnFork, lacking: Callable[[], Awaitable[bool]]) -> None:
        """`lacking` finds out whether the endpoint does not know how to simulate."""
        self._world = world
        self._on_fork = on_fork
        self._lacking = lacking
        self._lacks = False

    def signals(self) -> AsyncIterator[Signal]:
        """Return what the archive's world tells."""
        return self._world.signals()

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        """Return the answer to each ask. Raises as a World's does."""
        simulations = [ask for ask in asks if isinstance(ask, Simulate)]
        if not simulations:
            return await self._world.answer(asks, at)
        if not self._lacks:
            try:
                return await self._world.answer(asks, at)
            except Unavailable:
                self._lacks = await self._lacking()
                if not self._lacks:
                    raise
        plain = [ask for ask in asks if not isinstance(ask, Simulate)]
        known: dict[Ask, Answer] = dict(zip(simulations, await self._on_fork(simulations, at), strict=True))
        if plain:
            known |= zip(plain, await self._world.answer(plain, at), strict=True)
        return tuple([known[ask] for ask in asks])

    async def answer_at_each(
        self, asks: Sequence[Ask], states: Sequence[StateRef]
    ) -> tuple[tuple[Answer, ...], ...]:
        """Return what the archive's world answers: nobody asks ahead for a simulation."""
        return await self._world.answer_at_each(asks, states)
