"""Endpoints that do as a test says: on a free loopback port, gone with the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def answering(
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]], *, scheme: str = "ws"
) -> AsyncIterator[str]:
    """Yield the URL at which `handle` answers whoever connects, over a WebSocket or ``http``."""
    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"{scheme}://{host}:{port}/"
    finally:
        await runner.cleanup()
