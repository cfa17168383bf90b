"""A foreseer at work on a stage, with all that it tells."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from keeper.domain.events import Event
from keeper.live.foreseeing import Foreseer
from keeper.live.world import LiveWorld
from keeper.node.event_stream import EventStream
from keeper.node.pending_socket import PendingSocket
from tests.fork.keeper_stage import Stage


@asynccontextmanager
async def foreseer(
    on: Stage, *, socket: PendingSocket | None = None, stream: EventStream | None = None
) -> AsyncIterator[tuple[Foreseer, list[Event]]]:
    """Yield what listens to a socket or a stream, and what is heard of it."""
    heard: list[Event] = []
    made = Foreseer(
        socket=socket,
        stream=stream,
        endpoints=on.endpoints,
        world=LiveWorld(on.endpoints),
        watcher=on.watcher,
        block_time_s=12,
        listen=heard.append,
        clock=time.monotonic,
    )
    working = asyncio.create_task(made.work())
    try:
        yield made, heard
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
