"""The live World: heads as they come, and answers from the endpoints, all at one block named by its hash."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import assert_never

from keeper.domain.head import Head
from keeper.domain.secret import Secret
from keeper.domain.state import StateRef
from keeper.live.calls import Packing
from keeper.live.log_ranges import Width, log_range
from keeper.live.near_logs import NearLogs, is_near
from keeper.live.part import Part
from keeper.live.reads import BlockLogs, HashesBelow, OneAccount, OneBalance
from keeper.live.simulation import Simulation
from keeper.node.endpoint import Endpoint
from keeper.node.endpoints import Endpoints, everyone
from keeper.node.head_socket import HeadSocket
from keeper.node.heads import Heads
from keeper.ports import Doubted, NewHead, Signal, Tick
from keeper.query import Account, Ancestors, Answer, Ask, Balance, Call, LogRange, Logs, Simulate

_SURVEY_EVERY_S = 3.0
"""Where no head comes. An endpoint that stands still is left within two blocks."""


class LiveWorld:
    """A :class:`keeper.ports.World` over JSON-RPC. A fork is one too: its endpoint is the fork's."""

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        socket: Secret | None = None,
        poll_s: float = 0.5,
        tick_s: float = 5.0,
        simulates: Callable[[Endpoint], bool] = everyone,
    ) -> None:
        """`socket` is a WebSocket URL that tells of new heads; without one they are asked for each `poll_s`.

        After each `tick_s` without a head there is a Tick. `simulates` says which endpoints may see what is
        simulated: what is to be sent privately, trusted ones alone.
        """
        self._endpoints = endpoints
        self._socket = None if socket is None else HeadSocket(socket)
        self._poll_s = poll_s
        self._tick_s = tick_s
        self._packing = Packing()
        self._width = Width()
        self._newest: Head | None = None
        self._came = asyncio.Event()
        self._simulates = simulates

    # --- what happens ---------------------------------------------------------------------------------------

    async def signals(self) -> AsyncIterator[Signal]:
        """Yield the newest head, each one that follows, which is doubted, and a Tick where none came."""
        happened: asyncio.Queue[Signal] = asyncio.Queue()
        working = [asyncio.create_task(self._follow(happened))]
        if len(self._endpoints.standings) > 1:
            working.append(asyncio.create_task(self._survey(happened)))
        try:
            while True:
                coming = asyncio.create_task(happened.get())
                await asyncio.wait(
                    (coming, *working), timeout=self._tick_s, return_when=asyncio.FIRST_COMPLETED
                )
                if coming.done():
                    yield coming.result()
                    continue
                coming.cancel()
                for task in working:
                    if task.done():
                        task.result()  # raises what ended it
                yield Tick(seen_at_s=time.time())
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _follow(self, happened: asyncio.Queue[Signal]) -> None:
        stream = Heads(self._endpoints, socket=self._socket, poll_s=self._poll_s).follow()
        async with aclosing(stream):
            async for head in stream:
                self._newest = head
                self._came.set()
                happened.put_nowait(NewHead(head=head, seen_at_s=time.time()))

    async def _survey(self, happened: asyncio.Queue[Signal]) -> None:
        """Survey the endpoints at each head, and where none comes: perhaps another one has it."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait(), _SURVEY_EVERY_S)
            self._came.clear()
            head = self._newest
            why = await self._endpoints.survey(head)
            if head is not None and why:
                happened.put_nowait(Doubted(head=head, why=why))

    # --- what is so -----------------------------------------------------------------------------------------

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        """Return the answer to each ask, all at one state, in one batch wherever they fit into one.

        Raises Unavailable where no endpoint answers, Inconsistent where none knows the state any more.
        """
        (answers,) = await self.answer_at_each(asks, (at,))
        return answers

    async def answer_at_each(
        self, asks: Sequence[Ask], states: Sequence[StateRef]
    ) -> tuple[tuple[Answer, ...], ...]:
        """Return for each state the answer to each ask, in as few batches as all of them fit in.

        Raises as `answer` does, for all of them together.
        """
        ranges = [ask for ask in asks if isinstance(ask, LogRange)]
        pinned = [ask for ask in asks if not isinstance(ask, LogRange) or is_near(ask)] if ranges else asks
        answers: Sequence[dict[Ask, Answer]] = [{} for _ in states]
        if pinned:
            answers = await self._endpoints.read(
                lambda endpoint: self._by_one(endpoint, pinned, states),
                only=self._simulates if any(isinstance(ask, Simulate) for ask in pinned) else everyone,
                hedged=len(states) == 1,
            )
        for known, at in zip(answers, states, strict=True):
            for ask in [one for one in ranges if one not in known]:
                known[ask] = await log_range(self._endpoints, self._width, ask, at.hash)
        return tuple([tuple([known[ask] for ask in asks]) for known in answers])

    async def _by_one(
        self, endpoint: Endpoint, asks: Sequence[Ask], states: Sequence[StateRef]
    ) -> list[dict[Ask, Answer]]:
        """Return the answers of one endpoint for each state: usually in one round."""
        answers: list[dict[Ask, Answer]] = [{} for _ in states]
        parts = [
            (known, part) for known, at in zip(answers, states, strict=True) for part in self._parts(asks, at)
        ]
        while parts:
            requests = [part.requests() for _, part in parts]
            replies = await endpoint.read([one for of_part in requests for one in of_part])
            more: list[tuple[dict[Ask, Answer], Part]] = []
            start = 0
            for (known, part), of_part in zip(parts, requests, strict=True):
                absorbed = part.absorb(replies[start : start + len(of_part)])
                start += len(of_part)
                known.update(absorbed.answers)
                more += [(known, one) for one in absorbed.parts]
            parts = more
        return answers

    def _parts(self, asks: Sequence[Ask], at: StateRef) -> list[Part]:
        calls: list[Call] = []
        logs: list[Logs] = []
        ranges: dict[tuple[int, int], list[LogRange]] = {}
        below: dict[int, list[Ancestors]] = {}
        parts: list[Part] = []
        for ask in asks:
            match ask:
                case Call():
                    calls.append(ask)
                case Logs():
                    logs.append(ask)
                case Ancestors():
                    below.setdefault(ask.head_number, []).append(ask)
                case Account():
                    parts.append(OneAccount(ask, at.hash))
                case Balance():
                    parts.append(OneBalance(ask, at.hash))
                case Simulate():
                    parts.append(Simulation(ask, at))
                case LogRange():
                    ranges.setdefault((ask.first, ask.last), []).append(ask)
                case _:
                    assert_never(ask)
        if logs:
            parts.append(BlockLogs(tuple(logs), at.hash))
        parts += [HashesBelow(tuple(alike), at.hash) for alike in below.values()]
        parts += [NearLogs(tuple(alike), at.hash) for alike in ranges.values()]
        return self._packing.parts(calls, at) + parts
