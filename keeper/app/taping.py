"""`KEEPER_TAPE`: a live keeper's record, from which its decisions can be made again.

A tape begins with what was known when it did, and with the answers to all that a keeper asks which starts
from there: that is asked once more, beside what the keeper does, which waits for none of it. Everything is
written in a thread of its own. A tape that has grown too large becomes the older one, and another begins.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keeper import __version__
from keeper.app.build import Assembled, furnish
from keeper.backtest.behind import Behind
from keeper.backtest.recorder import Recorder
from keeper.backtest.remembered import WhatWasKept, packed
from keeper.backtest.tape import TapeWriter
from keeper.domain.errors import Broken, ConfigError, Inconsistent, Unavailable
from keeper.domain.events import Event, Observed
from keeper.domain.head import Head
from keeper.domain.state import Mined
from keeper.live.opening import Opening
from keeper.ports import Kept, Memory
from keeper.query import run

_log = logging.getLogger(__name__)


class Taping:
    """Records what a keeper asks and decides. A listener; `world` is what its engine asks."""

    def __init__(self, keeper: Assembled, path: Path, *, max_bytes: int, behind: Behind) -> None:
        """Raises ConfigError where no tape can be written there."""
        self._keeper = keeper
        self._path = path
        self._turn_at_bytes = max_bytes * 9 // 20  # a tape grows by the head in hand still
        self.world = Recorder(keeper.world, self._tape(), behind=behind)
        self._memory: Memory | None = None
        self._begun = False
        """Everything that a replay begins with is on the tape, or on its way there."""
        self._beginning: asyncio.Task[None] | None = None

    def begin(self, head: Head, memory: Memory | None, *, seen_at_s: float) -> None:
        """Begin the tape at a head that was read, with what `memory` keeps."""
        self._memory = memory
        self._beginning = asyncio.ensure_future(self._begin(head, seen_at_s))

    def __call__(self, event: Event) -> None:
        """Keep what was decided; turn to another tape where this one is large."""
        self.world(event)
        idle = self._beginning is not None and self._beginning.done()
        if not isinstance(event, Observed) or not idle:
            return
        if self._begun and self.world.size_bytes > self._turn_at_bytes:
            self._begun = False
            self.world.turn(self._tape)
        if not self._begun:
            self.begin(event.head, self._memory, seen_at_s=event.head.timestamp_s)

    def close(self) -> None:
        """End the tape."""
        if self._beginning is not None:
            self._beginning.cancel()
        self.world.close()

    def _tape(self) -> TapeWriter:
        if self._path.exists():
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        return TapeWriter(
            self._path,
            chain_id=self._keeper.chain.chain_id,
            written_by=f"keeper {__version__}",
            live=True,
        )

    async def _begin(self, head: Head, seen_at_s: float) -> None:
        """Ask what a replay from `head` on will ask first."""
        keeper, world = self._keeper, self.world
        kept: dict[str, Kept] = {}
        for book in keeper.watcher.books:
            source = book.protocol.name
            told = None if self._memory is None else await asyncio.to_thread(self._memory.kept, source)
            if told is not None:
                kept[source] = told
                world.remember(packed(source, told))

        async def newest() -> Head:
            return head

        try:
            rooms = await furnish(keeper.settings, keeper.chain, world, head)
            opening = Opening(world, WhatWasKept(kept), newest=newest, listen=lambda event: None)
            for book in rooms.watcher.books:
                await opening.open(book)
            await run(rooms.watcher.advance(head), Mined(hash=head.hash), world)
        except (Unavailable, Inconsistent, Broken, ConfigError) as error:
            _log.warning("the tape does not begin at block %d: %s", head.number, error)
            return
        world.head(head, seen_at_s=seen_at_s, first=True)
        self._begun = True


@contextmanager
def taping(keeper: Assembled) -> Iterator[Taping | None]:
    """Yield what records, None where nothing is to be. Raises ConfigError where no tape can be written."""
    path = keeper.settings.tape
    if path is None:
        yield None
        return
    behind = Behind()
    try:
        tape = _begun(keeper, path, behind)
        try:
            yield tape
        finally:
            tape.close()
    finally:
        behind.close()


def _begun(keeper: Assembled, path: Path, behind: Behind) -> Taping:
    try:
        return Taping(keeper, path, max_bytes=keeper.settings.tape_max_bytes, behind=behind)
    except (ConfigError, OSError) as error:
        raise ConfigError(f"KEEPER_TAPE: {error}") from None
