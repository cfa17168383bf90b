"""What was followed, written down behind the keeper's back: every few heads, in a thread of its own.

What is not written yet is read from the chain again at the next start, so nothing waits for a write and none
is worth stopping for: what can't be written is told once.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from keeper.domain.events import Degraded, Listener
from keeper.domain.position import PositionId
from keeper.live.opening import keep
from keeper.ports import Memory
from keeper.watcher.watcher import Advance, Watcher


class Remembering:
    """Keeps what changes in a watcher's books."""

    def __init__(self, memory: Memory, watcher: Watcher, *, listen: Listener, every: int = 16) -> None:
        """`every` is after how many heads it writes."""
        self._memory = memory
        self._watcher = watcher
        self._listen = listen
        self._every = every
        self._heads = 0
        self._rows: dict[int, dict[PositionId, Any]] = {}
        self._writing: asyncio.Task[None] | None = None
        self._gave_up = False

    def take(self, advance: Advance) -> None:
        """Note what changed; it has been applied. Writes where enough has come together."""
        for place, change in advance.books.items():
            self._rows.setdefault(place, {}).update(change.rows)
        self._heads += 1
        if self._heads >= self._every and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write())

    async def flush(self) -> None:
        """Write what is not written yet."""
        if self._writing is not None:
            await self._writing
        await self._write()

    async def _write(self) -> None:
        if self._gave_up:
            return
        taken, self._rows, self._heads = self._rows, {}, 0
        jobs = [keep(self._memory, self._watcher.books[place], rows) for place, rows in taken.items()]
        try:
            still = all([await asyncio.to_thread(job) for job in jobs])
        except sqlite3.Error as error:
            still, why = False, str(error)
        else:
            why = "another keeper has begun to write it"
        if not still:
            self._gave_up = True
            self._listen(Degraded(what="the checkpoint is not written any more", why=why))
