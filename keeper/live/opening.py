"""Opening a market's book: what an earlier run knew of it first, then only what has happened since.

A market is large, and its first reading takes minutes. So it goes in steps: the blocks in windows, whose logs
name the borrowers; then the borrowers in pages. Each step is kept when it is done, so that one that was
interrupted goes on there. What is kept is used where it fits (the same edition of the market, and a block of
it still on the chain), and read from the chain again where it does not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import msgspec

from keeper.domain.errors import Broken, Inconsistent
from keeper.domain.events import Listener, Loading, Resumed
from keeper.domain.head import Head
from keeper.domain.position import PositionId
from keeper.domain.state import Mined
from keeper.ports import Kept, Memory
from keeper.query import Answering, Query, log_range, run
from keeper.watcher.book import AnyBook

T = TypeVar("T")

_AGAIN = 256
"""Blocks that were looked through and are again: another branch may have come in their place."""
_PAGE = 2_000
"""Positions read at once."""
_WINDOWS = 50
_FEWEST_BLOCKS = 2_000
"""Blocks whose logs are asked for at once: the endpoint's own limits make them fewer."""


class Opening:
    """Opens books at the newest head, and keeps what it reads."""

    def __init__(
        self,
        world: Answering,
        memory: Memory | None,
        *,
        newest: Callable[[], Awaitable[Head]],
        listen: Listener,
    ) -> None:
        """Without `memory` everything is read, and nothing kept. `newest` returns the newest head."""
        self._world = world
        self._memory = memory
        self._newest = newest
        self._listen = listen

    async def open(self, book: AnyBook) -> None:
        """Read a book, from what is kept of it on. Raises Broken where its market is none."""
        head = await self._newest()
        kept = await self._kept(book)
        market = await self._market(book, kept, head)
        source, edition = book.protocol.name, book.protocol.edition(market)
        unread: set[PositionId] = set()
        if kept is not None and kept.edition != edition:
            self._tell_unused(source, f"it is of {kept.edition}, and the market is of {edition}")
            kept = None
        if kept is not None and not await self._taken_up(book, kept, market, head):
            kept = None
        if kept is None:
            book.begin(head, market, {}, await self._run(book.rooted(head, market), head))
            await self._do(lambda memory: memory.begin(source, edition=edition))
            first = book.first_block
        else:
            unread = {position for position, packed in kept.positions.items() if packed is None}
            first = _head(book).number + 1 if kept.head else max(book.first_block, kept.scanned_to - _AGAIN)
        unread |= await self._named(book, first=first)
        await self._read(book, unread - book.rows.keys())

    # --- what is kept ---------------------------------------------------------------------------------------

    async def _kept(self, book: AnyBook) -> Kept | None:
        memory = self._memory
        return None if memory is None else await asyncio.to_thread(memory.kept, book.protocol.name)

    async def _market(self, book: AnyBook, kept: Kept | None, head: Head) -> Any:
        try:
            return await self._run(book.protocol.open(kept.remembered if kept else ()), head)
        except Broken:
            if kept is None or not kept.remembered:
                raise
        return await self._run(book.protocol.open(()), head)

    async def _taken_up(self, book: AnyBook, kept: Kept, market: Any, head: Head) -> bool:
        """Bring the book from where it was to `head`. Return whether what is kept of it could be used."""
        source = book.protocol.name
        if kept.head is None:
            book.begin(head, market, {}, await self._run(book.rooted(head, market), head))
            await self._do(lambda memory: memory.resume(source))
            self._listen(Resumed(source=source, positions=len(kept.positions), head=None))
            return True
        try:
            decode = msgspec.json.Decoder(book.protocol.row_type).decode
            rows = {one: decode(packed) for one, packed in kept.positions.items() if packed is not None}
        except (msgspec.DecodeError, ValueError) as error:
            self._tell_unused(source, f"it can't be read ({error})")
            return False
        chain = replace(book.chain, links=kept.links)
        if not await self._run(chain.shared(head), head):
            self._tell_unused(source, f"block {kept.head.number:,} is not on the chain any more")
            return False
        await self._do(lambda memory: memory.resume(source))
        book.begin(kept.head, market, rows, chain)
        self._listen(Resumed(source=source, positions=len(rows), head=kept.head))
        await self._follow(book, head)
        return True

    async def _follow(self, book: AnyBook, head: Head) -> None:
        """Take in what happened up to `head`, and keep it."""
        change = await self._run(book.advance(head), head)
        book.apply(change)
        await self._keep(book, change.rows)

    def _tell_unused(self, source: str, why: str) -> None:
        self._listen(Resumed(source=source, positions=0, head=None, why_not=why))

    # --- what is read ---------------------------------------------------------------------------------------

    async def _named(self, book: AnyBook, *, first: int) -> set[PositionId]:
        """Return whom the blocks from `first` to the book's head name, and who is not in it."""
        protocol, head, unread = book.protocol, _head(book), set[PositionId]()
        progress = self._progress(book, "blocks", of=head.number - first + 1)
        for low, high in _windows(first, head.number):
            wanted = protocol.discovery(book.market)
            found = await self._run(log_range(wanted.emitters, wanted.topics, first=low, last=high), head)
            touched = protocol.touched(book.market, found)
            if touched.configuration:
                market = await self._run(
                    protocol.refresh(book.market, configuration=True, logs=found, at_s=head.timestamp_s), head
                )
                book.add({}, market=market)
            named = {position for position in touched.positions if position not in book.rows}
            unread |= named
            remembered = protocol.remembered(book.market)
            await self._do(
                partial(_name, source=protocol.name, named=named, remembered=remembered, scanned_to=high)
            )
            progress(high - first + 1)
        return unread

    async def _read(self, book: AnyBook, unread: set[PositionId]) -> None:
        """Read whoever was named, in pages, at the book's head; at a newer one where that state is gone."""
        progress = self._progress(book, "positions", of=len(unread))
        done = 0
        waiting = sorted(unread)
        while page := waiting[done : done + _PAGE]:
            try:
                rows = await self._run(book.protocol.rows(book.market, page), _head(book))
            except Inconsistent:
                newest = await self._newest()
                if newest.hash == _head(book).hash:
                    raise
                await self._follow(book, newest)
                continue
            found = dict(zip(page, rows, strict=True))
            book.add(found)
            await self._keep(book, found)
            done += len(page)
            progress(done)

    async def _keep(self, book: AnyBook, rows: Mapping[PositionId, Any]) -> None:
        if self._memory is not None:
            await asyncio.to_thread(keep(self._memory, book, rows))

    async def _do(self, job: Callable[[Memory], object]) -> None:
        if self._memory is not None:
            await asyncio.to_thread(job, self._memory)

    async def _run(self, query: Query[T], head: Head) -> T:
        return await run(query, Mined(hash=head.hash), self._world)

    def _progress(self, book: AnyBook, what: str, *, of: int) -> Callable[[int], None]:
        began_s = time.monotonic()

        def tell(done: int) -> None:
            took_s = time.monotonic() - began_s
            rate_s = done / took_s if took_s > 0 else 0.0
            self._listen(Loading(source=book.protocol.name, what=what, done=done, of=of, rate_s=rate_s))

        return tell


def keep(memory: Memory, book: AnyBook, rows: Mapping[PositionId, Any]) -> Callable[[], bool]:
    """Return what keeps these rows of a book as they are at its head; it may be called in another thread.

    It returns whether this keeper still writes.
    """
    protocol, head, links = book.protocol, _head(book), book.chain.links
    remembered = protocol.remembered(book.market)

    def write() -> bool:
        packed = {one: msgspec.json.encode(row) if protocol.owes(row) else None for one, row in rows.items()}
        return memory.read(protocol.name, packed, head=head, links=links, remembered=remembered)

    return write


def _name(
    memory: Memory,
    *,
    source: str,
    named: Iterable[PositionId],
    remembered: tuple[bytes, ...],
    scanned_to: int,
) -> None:
    memory.named(source, named, remembered=remembered, scanned_to=scanned_to)


def _head(book: AnyBook) -> Head:
    if book.head is None:
        raise LookupError(f"{book.protocol.name} has not been opened")
    return book.head


def _windows(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield ranges that cover all blocks: a few, so that progress can be told, and none too small."""
    blocks = max(_FEWEST_BLOCKS, (last - first + 1) // _WINDOWS)
    for low in range(first, last + 1, blocks):
        yield low, min(low + blocks - 1, last)
