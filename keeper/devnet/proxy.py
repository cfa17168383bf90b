"""A proxy before an endpoint that can hold back one request: what is killed then is killed in mid-send.

The moment is chosen from outside, so what is tested needs no hook of its own::

    with Proxy(anvil.url) as proxy:
        trap = proxy.trap("eth_sendRawTransaction", Moment.ANSWERED)
        ...                                  # start a keeper on proxy.url
        trap.wait(within_s=10)               # the endpoint has the transaction, the keeper does not know
        keeper.kill()
        trap.release()

It runs in a thread of its own: whoever uses it may block.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientError, ClientSession, web

_MOST_BYTES = 2**28


class Moment(StrEnum):
    """Where a request is held."""

    ASKED = "asked"
    """The endpoint has not seen it."""
    ANSWERED = "answered"
    """The endpoint has answered, and whoever asked has not heard."""


class Trap:
    """Holds the next request of one method, until released."""

    def __init__(self, method: str, moment: Moment, loop: asyncio.AbstractEventLoop) -> None:
        self.method = method
        self.moment = moment
        self.params: tuple[Any, ...] = ()
        """What was asked, once it has sprung."""
        self._loop = loop
        self._sprung = threading.Event()
        self._released = asyncio.Event()

    @property
    def sprung(self) -> bool:
        """Return whether it holds a request, or did."""
        return self._sprung.is_set()

    def wait(self, *, within_s: float) -> bool:
        """Wait for it to spring, and return whether it has."""
        return self._sprung.wait(within_s)

    def release(self) -> None:
        """Let the request go on."""
        self._loop.call_soon_threadsafe(self._released.set)

    async def spring(self, params: tuple[Any, ...]) -> None:
        """Hold the request that asks so, until released."""
        self.params = params
        self._sprung.set()
        await self._released.wait()


class Proxy:
    """Passes JSON-RPC on to an endpoint, from `start` (or `with`) to `stop`, on a free loopback port."""

    def __init__(self, upstream: str, *, hear: Callable[[bytes], object] = lambda body: None) -> None:
        """`hear` is told each request's body, in the proxy's own thread."""
        self._upstream = upstream
        self._hear = hear
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._set: list[Trap] = []
        self._held: list[Trap] = []
        self._port = 0

    @property
    def url(self) -> str:
        """Return its HTTP endpoint."""
        return f"http://127.0.0.1:{self._port}"

    def trap(self, method: str, moment: Moment = Moment.ANSWERED) -> Trap:
        """Return a trap for the next request of this method. Several spring in the order they were set."""
        trap = Trap(method, moment, self._loop)
        self._set.append(trap)
        return trap

    def start(self) -> Self:
        """Start it and return it, once it listens."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def stop(self) -> None:
        """Let go of whatever is held, and end it."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _open(self) -> None:
        self._session = ClientSession()
        application = web.Application(client_max_size=_MOST_BYTES)
        application.router.add_post("/", self._pass_on)
        self._runner = web.AppRunner(application, handle_signals=False, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        for trap in self._held:
            trap.release()
        await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._hear(body)
        sprung, params = self._sprung_by(body)
        if sprung is not None and sprung.moment is Moment.ASKED:
            await sprung.spring(params)
        try:
            async with self._session.post(self._upstream, data=body, headers=_JSON) as answer:
                status, reply = answer.status, await answer.read()
        except ClientError:
            status, reply = 502, b""
        if sprung is not None and sprung.moment is Moment.ANSWERED:
            await sprung.spring(params)
        return web.Response(status=status, body=reply, headers=_JSON)

    def _sprung_by(self, body: bytes) -> tuple[Trap | None, tuple[Any, ...]]:
        """Return the trap that a request springs, if any, and what it asks."""
        if not any(trap.method.encode() in body for trap in self._set):
            return None, ()  # most requests are not even parsed
        asked = json.loads(body)
        for one in asked if isinstance(asked, list) else [asked]:
            for trap in self._set:
                if trap.method == one["method"]:
                    self._set.remove(trap)
                    self._held.append(trap)
                    return trap, tuple(one.get("params", ()))
        return None, ()


_JSON = {"Content-Type": "application/json"}
