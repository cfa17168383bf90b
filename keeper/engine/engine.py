"""One state after another is observed, decided upon, and what was sent is settled.

The engine joins the rooms and decides nothing. A state is always taken in; a decision that a newer state
overtakes is dropped. What it cannot read it says, and goes on at the next head: the books find the gap
themselves.

From the state to the signature there is one round trip as a rule, the simulation: what the chain says of
transactions in flight is asked for while the state is read, and the operator's balance comes with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from keeper.domain.errors import Broken, Inconsistent, Unavailable
from keeper.domain.events import (
    Audited,
    Decided,
    Degraded,
    Foretold,
    Listener,
    Observed,
    Overtaken,
    Relinked,
    Settled,
    Stopped,
)
from keeper.domain.head import Head
from keeper.domain.observation import Observation
from keeper.domain.odds import Odds
from keeper.domain.pending import Leading
from keeper.domain.report import Trigger
from keeper.domain.state import Mined, StateRef
from keeper.engine.deciding import Considered, Decider
from keeper.engine.sending import Sender
from keeper.engine.simulating import Simulator
from keeper.planner.planner import Planner
from keeper.ports import (
    Bidder,
    Doubted,
    Foresees,
    Foresight,
    Guard,
    Journal,
    Landing,
    NewHead,
    Tick,
    World,
)
from keeper.query import (
    Answer,
    Answering,
    Ask,
    Query,
    SimulatedCall,
    both,
    run,
)
from keeper.watcher import Watcher
from keeper.watcher.triggers import triggers, unpredicted
from keeper.watcher.watcher import Advance

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The chain's times and the operator's patience, in seconds; and what their purse should hold."""

    block_time_s: int
    deadline_s: int
    """How long after the next block a transaction may still run."""
    max_head_age_s: int
    """An older head is not decided upon."""
    min_purse_wei: int = 0
    """Where the operator has less for gas, the keeper says so."""


_MOST_ROUNDS = 3
"""Requests that a head may cost where nothing is to be sent."""


class _Counting:
    """The world, and how often it was asked."""

    def __init__(self, world: Answering) -> None:
        self._world = world
        self.rounds = 0

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        self.rounds += 1
        return await self._world.answer(asks, at)


class Engine:
    """Drives one chain's keeper. Without `landing` nothing is sent, without `journal` nothing is kept."""

    def __init__(
        self,
        *,
        world: World,
        watcher: Watcher,
        planner: Planner,
        journal: Journal | None,
        landing: Landing | None,
        guard: Guard | None = None,
        bidder: Bidder | None = None,
        backrun_bidder: Bidder | None = None,
        listen: Listener,
        clock: Callable[[], float],
        pace: Pace,
        preamble: Sequence[SimulatedCall] = (),
        odds: Odds | None = None,
        remember: Callable[[Advance], None] | None = None,
    ) -> None:
        """`preamble` comes before each simulation: it deploys an executor where there is none yet.

        `backrun_bidder` says what is bid behind a hash, where that is another than elsewhere.
        `odds` are those of the races before; without them the chance to lose is left out of account.
        `remember` is told what changed at each head.
        """
        operator = planner.desk.operator
        self._world = world
        self._watcher = watcher
        self._landing = landing
        self._guard = guard
        self._listen = listen
        self._clock = clock
        self._pace = pace
        self._remember = remember
        self._decider = Decider(
            planner=planner,
            simulator=Simulator(world=world, journal=journal, operator=operator, preamble=preamble),
            landing=landing,
            guard=guard,
            bidder=bidder,
            backrun_bidder=backrun_bidder,
            odds=odds,
        )
        self._sender = Sender(
            landing=landing,
            journal=journal,
            guard=guard,
            listen=listen,
            operator=operator,
            min_purse_wei=pace.min_purse_wei,
        )
        self._rounds = 0
        self._sending_behind: asyncio.Task[None] | None = None
        self.triggers: tuple[Trigger, ...] = ()
        """Where the next borrowers fall, as of the last head that left time for it."""

    # --- following the chain --------------------------------------------------------------------------------

    async def follow(self, stop: asyncio.Event, *, ahead: Foresees | None = None) -> None:
        """Handle every head until `stop` is set; the head in hand is finished first.

        Between heads, what `ahead` foresees is decided upon.
        """
        heads: asyncio.Queue[NewHead] = asyncio.Queue()
        doubted: Head | None = None

        def overtaken(head: Head) -> bool:
            return not heads.empty() or head == doubted

        async def receive() -> None:
            nonlocal doubted
            last_s, told = self._clock(), False
            async for signal in self._world.signals():
                match signal:
                    case NewHead():
                        last_s, told = signal.seen_at_s, False
                        heads.put_nowait(signal)
                    case Tick(seen_at_s=now_s):
                        if not told and (quiet_s := now_s - last_s) > self._pace.max_head_age_s:
                            told = True
                            self._listen(Degraded(what="no new head", why=f"for {quiet_s:.0f} s"))
                    case Doubted(head=head, why=why):
                        doubted = head
                        self._listen(Degraded(what=f"head {head.number} is doubted", why=why))

        receiving = asyncio.create_task(receive())
        stopping = asyncio.create_task(stop.wait())
        foretelling: asyncio.Task[None] | None = None
        looking: asyncio.Task[None] | None = None
        try:
            while not stop.is_set():
                next_head = asyncio.create_task(heads.get())
                await asyncio.wait((next_head, stopping, receiving), return_when=asyncio.FIRST_COMPLETED)
                if next_head.done():
                    await _ended(foretelling)
                    await self._stop_looking(looking)
                    seen = next_head.result()
                    overtaken_now = partial(overtaken, seen.head)
                    await self.step(seen, overtaken=overtaken_now)
                    foretelling = asyncio.create_task(self.foretell())
                    if ahead is not None:
                        looking = asyncio.create_task(self._look_ahead(ahead, overtaken_now))
                    continue
                next_head.cancel()
                if receiving.done():
                    receiving.result()  # raises what ended it
                    raise Unavailable("the stream of heads ended")
        finally:
            for task in (receiving, stopping, foretelling):
                await _ended(task)
            await self._stop_looking(looking)
        self._listen(Stopped(why="asked to"))

    async def step(self, seen: NewHead, *, overtaken: Callable[[], bool] = lambda: False) -> None:
        """Take in one head, settle what is in flight, decide, and send."""
        head = seen.head
        observation, settled = await asyncio.gather(
            self.observe(head), self._settle(head), return_exceptions=True
        )
        self._told(settled if isinstance(settled, tuple) else ())
        if isinstance(observation, BaseException):
            self._degraded(f"head {head.number} could not be read", observation)
            return
        for how in observation.rejoined:
            self._listen(Relinked(head=head, how=how))
        for mismatch in observation.mismatches:
            self._listen(Audited(head=head, mismatch=mismatch))
        self._listen(
            Observed(
                head=head,
                borrowers=observation.borrowers,
                unhealthy=len(observation.opportunities),
                skipped=observation.skipped,
                milliseconds=self._since(seen),
            )
        )
        self._sender.tell_purse()
        if isinstance(settled, BaseException):
            self._degraded(f"head {head.number} was not dealt with to its end", settled)
            return
        if overtaken():
            self._listen(Overtaken(head=head))
            return
        if (age_s := seen.seen_at_s - head.timestamp_s) > self._pace.max_head_age_s:
            self._listen(
                Degraded(what=f"head {head.number} is not decided upon", why=f"it is {age_s:.0f} s old")
            )
            return
        try:
            considered = await self.decide(observation)
            if overtaken():
                self._listen(Overtaken(head=head))
                return
            sent = await self._sender.send(head, considered, overtaken)
            await self._sender.cancel_useless(head)
        except (Unavailable, Inconsistent, Broken) as error:
            self._degraded(f"head {head.number} was not dealt with to its end", error)
            return
        self._listen(Decided(head=head, sent=sent, milliseconds=self._since(seen)))

    async def _settle(self, head: Head) -> tuple[Settled, ...]:
        return () if self._landing is None else await self._landing.settle(head)

    def _told(self, settled: Sequence[Settled]) -> None:
        """Tell what has come to its outcome, or stands no longer: whoever listens, then what brakes by it."""
        for one in settled:
            self._listen(one)
            self._decider.learn(one)
        if self._guard is not None:
            self._guard.settled(settled)
            self._guard.look()

    def _degraded(self, what: str, why: BaseException) -> None:
        """Tell what the world kept from being done. Raises what is nobody's fault but ours."""
        if not isinstance(why, (Unavailable, Inconsistent, Broken)):
            raise why
        self._listen(Degraded(what=what, why=str(why)))

    async def observe(self, head: Head) -> Observation:
        """Return the state after `head`. Raises Unavailable or Inconsistent; nothing is half taken in."""
        counting = _Counting(self._world)
        advance, self._sender.purse_wei = await run(
            both(self._watcher.advance(head), self._sender.purse()), Mined(hash=head.hash), counting
        )
        self._rounds = counting.rounds
        self._watcher.apply(advance)
        if self._remember is not None:
            self._remember(advance)
        block = head.next_block(block_time_s=self._pace.block_time_s)
        return self._watcher.observe(block=block, deadline_s=block.timestamp_s + self._pace.deadline_s)

    async def foretell(self, *, whole: bool = False) -> None:
        """Keep the trigger prices from the last head on. It gives way to whatever comes, feed by feed.

        What prices are made of is looked at as a `whole`, or one round at a head that left a request for it.
        """
        head, pricing = self._watcher.head, self._watcher.pricing
        if head is None:
            return
        books = self._watcher.current
        unknown = pricing.unknown(books)
        if unknown and (whole or self._rounds < _MOST_ROUNDS):
            looking: Query[object] = pricing.look(unknown) if whole else pricing.look_on(unknown)
            try:
                await run(looking, Mined(hash=head.hash), self._world)
            except (Unavailable, Inconsistent, Broken) as error:
                self._degraded("what prices are made of could not be read", error)
                return
        found: list[Trigger] = []
        at_s = head.next_block(block_time_s=self._pace.block_time_s).timestamp_s
        for book in books:
            for of_feed in triggers(book, pricing, at_s=at_s):
                found += of_feed
                await asyncio.sleep(0)
        missing = tuple(one for book in books for one in unpredicted(book, pricing))
        if found or missing:
            self.triggers = tuple(found)
            self._listen(Foretold(head=head, triggers=self.triggers, unpredicted=missing))

    async def decide(self, seen: Observation, *, behind: Foresight | None = None) -> tuple[Considered, ...]:
        """Return what `Decider.decide` does: the plans first, in the order they run."""
        return await self._decider.decide(seen, behind=behind)

    # --- ahead of the chain ---------------------------------------------------------------------------------

    async def _look_ahead(self, ahead: Foresees, overtaken: Callable[[], bool]) -> None:
        """Decide upon whatever is foreseen upon the last head, until the next one comes."""
        if (head := self._watcher.head) is None:
            return
        ahead.upon(head)
        while True:
            await self.step_behind(await ahead.foreseen(), overtaken=overtaken)

    async def _stop_looking(self, looking: asyncio.Task[None] | None) -> None:
        """End looking ahead at once; but what is being sent is sent, and its answers are waited for."""
        await _ended(looking)
        if self._sending_behind is not None:
            await self._sending_behind
            self._sending_behind = None

    async def step_behind(
        self, foreseen: Foresight, *, overtaken: Callable[[], bool] = lambda: False
    ) -> None:
        """Decide about those whom a pending transaction lets fall, and send what is to come behind it."""
        head = foreseen.head
        if head != self._watcher.head:
            return  # it is looked at again upon the newer one
        if self._landing is not None and not self._landing.takes(foreseen.behind):
            return
        block = head.next_block(block_time_s=self._pace.block_time_s)
        seen = self._watcher.observe(
            block=block, deadline_s=block.timestamp_s + self._pace.deadline_s, prices=foreseen.prices
        )
        theirs = (one for one in seen.opportunities if one.position in foreseen.positions)
        try:
            considered = await self.decide(replace(seen, opportunities=tuple(theirs)), behind=foreseen)
        except (Unavailable, Inconsistent, Broken) as error:
            self._degraded(f"what is behind 0x{foreseen.behind.hash.hex()} was not decided", error)
            return
        if not overtaken():
            self._sending_behind = asyncio.create_task(
                self._send_behind(head, considered, overtaken, foreseen.behind)
            )
            await asyncio.shield(self._sending_behind)
            self._sending_behind = None

    async def _send_behind(
        self, head: Head, considered: Sequence[Considered], overtaken: Callable[[], bool], behind: Leading
    ) -> None:
        try:
            await self._sender.send(head, considered, overtaken, behind=behind)
        except (Unavailable, Inconsistent, Broken) as error:
            self._degraded(f"what is behind 0x{behind.hash.hex()} was not all sent", error)

    def _since(self, seen: NewHead) -> float:
        return (self._clock() - seen.seen_at_s) * 1e3


async def _ended(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task, and wait until it has ended."""
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError, Unavailable):
            await task
