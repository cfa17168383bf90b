"""Recording: what the report is made of, written down beside the decisions, never before them.

A listener that keeps what the engine tells, and works it off between heads: the plans that were sent, how
much was watched, and the liquidations of others, whose transactions are looked up. What can't be looked up or
written is said and left out of the report; nothing waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from keeper.domain.address import Address
from keeper.domain.errors import Inconsistent, Unavailable
from keeper.domain.events import (
    Decided,
    Degraded,
    Event,
    Left,
    Listener,
    Observed,
    Overtaken,
    Planned,
    Raced,
    Sent,
    Stopped,
)
from keeper.domain.fixed_point import WAD
from keeper.domain.head import Head
from keeper.domain.ledger import Watched
from keeper.domain.plan import Plan
from keeper.domain.position import PositionId
from keeper.domain.race import Liquidation, Race, Winner
from keeper.domain.state import Mined
from keeper.domain.submission import Purpose
from keeper.live.part import result
from keeper.live.world import LiveWorld
from keeper.node import wire
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Endpoint, Request
from keeper.node.endpoints import Endpoints
from keeper.query import Query, logs, run, settle
from keeper.store.journal import SqliteJournal
from keeper.watcher.book import AnyBook
from keeper.watcher.sightings import Sightings

_WRITTEN_EVERY_S = 60
_MOST_WAITING = 256
_NEARLY_WAD = 102 * WAD // 100


class Recorder:
    """Hears events as a :class:`keeper.domain.events.Listener`; `work` writes down what follows from them."""

    def __init__(
        self,
        *,
        world: LiveWorld,
        endpoints: Endpoints,
        books: Sequence[AnyBook],
        executor: Address,
        journal: SqliteJournal,
        listen: Listener,
        clock: Callable[[], float],
    ) -> None:
        """What `executor` liquidates is this keeper's own, and no race."""
        self._world = world
        self._endpoints = endpoints
        self._books = tuple(books)
        self._executor = executor
        self._journal = journal
        self._listen = listen
        self._clock = clock
        self._sightings = Sightings()
        self._heads: asyncio.Queue[tuple[Head, float]] = asyncio.Queue(_MOST_WAITING)
        self._plans: dict[PositionId, Plan] = {}
        self._sent: list[tuple[Sent, Plan]] = []
        self._watched = Watched(at_s=int(clock()))

    # --- hearing --------------------------------------------------------------------------------------------

    def __call__(self, event: Event) -> None:
        """Keep what the event tells."""
        now_s = self._clock()
        self._sightings.hear(event, now_s)
        seen = self._watched
        match event:
            case Observed(head=head, unhealthy=unhealthy, borrowers=borrowers):
                self._watched = replace(
                    seen,
                    heads=seen.heads + 1,
                    first_head=seen.first_head or head.number,
                    last_head=head.number,
                    borrowers=borrowers,
                    most_unhealthy=max(seen.most_unhealthy, unhealthy),
                )
                if not self._heads.full():
                    self._heads.put_nowait((head, now_s))
            case Planned(plan=plan):
                self._plans[PositionId(plan.draft.market, plan.draft.borrower)] = plan
                self._watched = replace(seen, planned=seen.planned + 1)
            case Left(behind=None):
                self._watched = replace(seen, declined=seen.declined + 1)
            case Sent(submission=submission) if submission.purpose is Purpose.LIQUIDATION:
                known = self._plans.get(submission.positions[0])
                if known is not None:
                    rungs = (known, *known.ladder)
                    self._sent.append((event, rungs[submission.rung]))
                self._watched = replace(seen, sent=seen.sent + (submission.rung == 0))
            case Overtaken():
                self._watched = replace(seen, overtaken=seen.overtaken + 1)
            case Degraded():
                self._watched = replace(seen, degraded=seen.degraded + 1)
            case Decided():
                self._plans.clear()
            case Stopped():
                self._write()
            case _:
                pass

    # --- working it off -------------------------------------------------------------------------------------

    async def work(self) -> None:
        """Write down what was heard, until cancelled."""
        while True:
            try:
                head, seen_at_s = await asyncio.wait_for(self._heads.get(), _WRITTEN_EVERY_S)
            except TimeoutError:
                self._write()
                continue
            try:
                for race in await self._races(head, seen_at_s):
                    self._journal.raced(race)
                    self._listen(Raced(race=race))
            except (Unavailable, Inconsistent) as error:
                what = f"the liquidations of others in block {head.number} are not in the report"
                self._listen(Degraded(what=what, why=str(error)))
            if self._sent or self._clock() - self._watched.at_s >= _WRITTEN_EVERY_S:
                self._write()

    def _write(self) -> None:
        sent, self._sent = self._sent, []
        watched, self._watched = self._watched, Watched(at_s=int(self._clock()))
        nearly = sum(
            book.count_below(_NEARLY_WAD, at_s=book.head.timestamp_s) for book in self._books if book.head
        )
        watched = replace(watched, nearly=nearly)
        try:
            for one, plan in sent:
                self._journal.planned(one.submission, plan)
            if watched.heads:
                self._journal.watched(watched)
        except Unavailable as error:
            self._listen(Degraded(what="the report will lack a part", why=str(error)))

    async def _races(self, head: Head, seen_at_s: float) -> list[Race]:
        """Return the liquidations in this block that are not this keeper's own."""
        found = await run(
            settle([_liquidations(book) for book in self._books]), Mined(hash=head.hash), self._world
        )
        others = [
            one
            for of_book in found
            if isinstance(of_book, tuple)
            for one in of_book
            if one.liquidator != self._executor
        ]
        return [
            Race(
                liquidation=one,
                block_seen_at_s=seen_at_s,
                winner=await self._winner(one, head),
                sighting=self._sightings.before(one.position, one.block_number),
            )
            for one in others
        ]

    async def _winner(self, liquidation: Liquidation, head: Head) -> Winner:
        async def job(endpoint: Endpoint) -> Winner:
            hash_ = wire.hex_data(liquidation.transaction)
            receipt = Request("eth_getTransactionReceipt", (hash_,))
            trace = Request("debug_traceTransaction", (hash_, {"tracer": "callTracer"}))
            reply, traced = await endpoint.read([receipt, trace])
            sent = wire.sent_by(result(reply))
            if sent is None:
                raise Inconsistent(f"0x{liquidation.transaction.hex()} is in no block any more")
            priority_fee_wei = max(0, sent.effective_gas_price_wei - head.base_fee_wei)
            paid_wei = None if isinstance(traced, RpcError) else wire.paid_to(traced, head.coinbase)
            return Winner(
                sender=sent.sender,
                place=sent.place,
                gas_wei=sent.gas_used * sent.effective_gas_price_wei + sent.l1_fee_wei,
                priority_fee_wei=priority_fee_wei,
                bid_wei=None if paid_wei is None else paid_wei + priority_fee_wei * sent.gas_used,
                gas_used=sent.gas_used,
            )

        return await self._endpoints.read(job)


def _liquidations(book: AnyBook) -> Query[tuple[Liquidation, ...]]:
    """Return every liquidation in the block asked about that is of this book's market."""
    if book.head is None:
        return ()
    wanted = book.protocol.liquidating(book.market)
    found = yield from logs(wanted.emitters, wanted.topics)
    return tuple(book.protocol.liquidations(book.market, found))
