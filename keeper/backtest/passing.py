"""One pass over past blocks: the daemon's own engine, stepped from head to head."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from keeper.backtest import past
from keeper.backtest.landing import PastLanding
from keeper.backtest.ledger import Ending, Episode, Ledger, Sighting
from keeper.backtest.observed import Observed, observed, telling
from keeper.backtest.overlay import Carried
from keeper.backtest.past import Past, Untold
from keeper.backtest.world import PastWorld
from keeper.domain.address import Address
from keeper.domain.errors import Broken, Unavailable
from keeper.domain.events import Degraded, Event, Left, Planned
from keeper.domain.head import Head
from keeper.domain.position import PositionId
from keeper.domain.state import Mined
from keeper.engine import Engine
from keeper.ports import AnyProtocol, NewHead, World
from keeper.query import Log, log_range, logs, run

_AT_ONCE = 100
"""Headers asked for at once."""

Watched = Callable[[], Sequence[tuple[AnyProtocol, object]]]
"""The protocols that are watched, each with its market as it is known."""


@dataclass(slots=True)
class Ears:
    """A listener that keeps what a pass needs to know of the engine's decisions upon one head."""

    head: Head | None = None
    sighted: dict[PositionId, Sighting] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)

    def begin(self, head: Head) -> None:
        """Forget the last head."""
        self.head, self.sighted, self.degraded = head, {}, []

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        match event:
            case Left(head=head, market=market, borrower=borrower, why=why):
                self.sighted[PositionId(market, borrower)] = Sighting(head_number=head.number, declined=why)
            case Planned(head=head, plan=plan):
                position = PositionId(plan.draft.market, plan.draft.borrower)
                self.sighted.setdefault(position, Sighting(head_number=head.number, declined=None))
            case Degraded(what=what, why=why):
                self.degraded.append(f"{what}: {why}")
            case _:
                pass


class Pass:
    """Drives one engine over a range of blocks. Everything it is given belongs to this pass alone."""

    def __init__(
        self,
        *,
        engine: Engine,
        ears: Ears,
        archive: World,
        world: PastWorld,
        past: Past,
        carried: Carried,
        landing: PastLanding,
        watched: Watched,
        heard: Callable[[Head], None] = lambda head: None,
        expect: Callable[[Sequence[Head]], None] = lambda heads: None,
    ) -> None:
        """`archive` is what `world` lies over: the chain as it really was.

        `heard` is told of each head, `expect` of those to come.
        """
        self._engine = engine
        self._ears = ears
        self._archive = archive
        self._world = world
        self._past = past
        self._carried = carried
        self._landing = landing
        self._watched = watched
        self._heard = heard
        self._expect = expect
        self._open: dict[PositionId, int] = {}

    async def over(
        self, first: int, last: int, *, tell: Callable[[Ledger], None] = lambda ledger: None
    ) -> Ledger:
        """Return what the blocks from `first` to `last` brought; everything is read at the first.

        Raises Unavailable where the past can't be had.
        """
        ends = await past.headers(self._past, first, first), await past.headers(self._past, last, last)
        ledger = Ledger(first=ends[0][0], last=ends[1][0])
        parent: Head | None = None
        liquidated: dict[int, list[Observed]] = {}
        async with aclosing(self._heads(first, last)) as heads:
            async for head in heads:
                await self._block(head, parent, ledger, liquidated.get(head.number, ()))
                if parent is None:
                    if head.number in ledger.unread:
                        raise Unavailable(f"block {head.number} can't be read: {ledger.unread[head.number]}")
                    ledger.observed = await self._observed(head, ledger.last)
                    for one in ledger.observed:
                        liquidated.setdefault(one.block_number, []).append(one)
                parent = head
                tell(ledger)
        ledger.flights = tuple(self._landing.flights)
        return ledger

    async def _heads(self, first: int, last: int) -> AsyncGenerator[Head, None]:
        """Yield the headers, the next ones asked for while those before are dealt with."""

        def ask(start: int) -> asyncio.Task[tuple[Head, ...]]:
            return asyncio.ensure_future(past.headers(self._past, start, min(last, start + _AT_ONCE - 1)))

        coming = ask(first)
        try:
            for start in range(first, last + 1, _AT_ONCE):
                heads = await coming
                self._expect(heads)
                if start + _AT_ONCE <= last:
                    coming = ask(start + _AT_ONCE)
                for head in heads:
                    yield head
        finally:
            coming.cancel()
            with suppress(asyncio.CancelledError, Unavailable):
                await coming

    # --- a block --------------------------------------------------------------------------------------------

    async def _block(
        self, head: Head, parent: Head | None, ledger: Ledger, liquidated: Sequence[Observed]
    ) -> None:
        self._heard(head)
        own_logs: tuple[Log, ...] = ()
        untold: list[str] = []
        due = self._landing.due(head)
        try:
            if due and parent is not None:
                own_logs = await self._mine(head, parent, ledger, liquidated)
            elif liquidated:
                ledger.mined[head.number] = await past.transactions(self._past, head)
        except Untold as error:
            untold.append(str(error))
            self._landing.lose(head, str(error))
        closed = frozenset(one.position.borrower for one in due if one.ran and one.ran.succeeded)
        try:
            await self._follow(head, liquidated)
        except (Untold, Broken) as error:
            untold.append(str(error))
        self._world.at(head, own_logs, closed)
        self._ears.begin(head)
        await self._engine.step(NewHead(head=head, seen_at_s=head.timestamp_s))
        ledger.blocks += 1
        ledger.times_s[head.number] = head.timestamp_s
        if untold or self._ears.degraded:
            ledger.unread[head.number] = "; ".join((*untold, *self._ears.degraded))
        for position, sighting in self._ears.sighted.items():
            ledger.sightings.setdefault(position, []).append(sighting)
        ledger.episodes += self._ended(head, closed, liquidated)

    async def _mine(
        self, head: Head, parent: Head, ledger: Ledger, liquidated: Sequence[Observed]
    ) -> tuple[Log, ...]:
        block = await past.transactions(self._past, head)
        if liquidated:
            ledger.mined[head.number] = block
        places = {one.hash: index for index, one in enumerate(block)}
        rivals: dict[PositionId, int] = {}
        for one in liquidated:
            rivals.setdefault(one.position, places[one.transaction])
        return await self._landing.mine(head, parent, block, rivals)

    async def _follow(self, head: Head, liquidated: Sequence[Observed]) -> None:
        """Let go of what the real chain has written over."""
        if not len(self._carried):
            return
        told = await run(logs(sorted(self._carried.contracts)), Mined(hash=head.hash), self._archive)
        slots = self._carried.slots(
            emitters=frozenset(log.emitter for log in told),
            named=frozenset(Address(topic[12:]) for log in told for topic in log.topics[1:]),
        )
        if slots:
            stands = await past.words(self._past, head, slots)
            self._carried.follow(
                dict(zip(slots, stands, strict=True)),
                liquidated=frozenset(one.position.borrower for one in liquidated),
            )

    def _ended(
        self, head: Head, closed: frozenset[Address], liquidated: Sequence[Observed]
    ) -> Iterator[Episode]:
        """Yield the stretches that this block ends, and begin others."""
        now = self._ears.sighted
        by_others = {one.position for one in liquidated}
        for position in [one for one in self._open if one not in now]:
            if position.borrower in closed:
                ending = Ending.CAUGHT
            elif position in by_others:
                ending = Ending.LIQUIDATED
            elif position.borrower in self._world.named:
                ending = Ending.REPAID
            else:
                ending = Ending.RECOVERED
            first = self._open.pop(position)
            yield Episode(position=position, first=first, last=head.number, ending=ending)
        for position in now:
            self._open.setdefault(position, head.number)

    async def _observed(self, first: Head, last: Head) -> tuple[Observed, ...]:
        """Return every liquidation after the first block, by the events of what is watched."""
        watched = self._watched()
        wanted = telling(watched)
        query = log_range(wanted.emitters, wanted.topics, first=first.number + 1, last=last.number)
        found = await run(query, Mined(hash=last.hash), self._archive)
        return tuple(observed(found, watched))
