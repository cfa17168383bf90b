"""An HTTP proxy in front of a JSON-RPC endpoint that misbehaves when told: what networks do to a keeper.

    async with Proxy(anvil.url) as proxy:
        proxy.add("eth_sendRawTransaction", DropAnswer(), times=1)
        hold = proxy.hold("eth_getTransactionReceipt")
        ...                                # talk to proxy.url
        await hold.reached.wait()          # a request with that method is here, and goes no further
        hold.release()

A rule concerns the requests (batches included) that hold its method, or all where it names none. The first
rule that fits and is not used up applies.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias

import aiohttp
from aiohttp import web


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait before the request is forwarded."""

    seconds: float


@dataclass(frozen=True, slots=True)
class DropRequest:
    """Cut the connection; the endpoint never sees the request."""


@dataclass(frozen=True, slots=True)
class DropAnswer:
    """Forward the request, then cut the connection instead of answering."""


@dataclass(frozen=True, slots=True)
class Say:
    """Answer with this status and body, without asking the endpoint."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Truncate:
    """Forward, and answer with only the first part of what the endpoint said."""

    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Replace:
    """Forward, and answer with one text replaced by another."""

    old: bytes
    new: bytes


@dataclass(slots=True)
class Hold:
    """Keep the request here, before it is forwarded or `after`, until it is released."""

    after: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """Let the request, and those that come later, go on."""
        self._released.set()

    async def wait(self) -> None:
        self.reached.set()
        await self._released.wait()


Fault: TypeAlias = Delay | DropRequest | DropAnswer | Say | Truncate | Replace | Hold


@dataclass(slots=True)
class _Rule:
    method: str | None
    fault: Fault
    times: int | None

    def fits(self, methods: tuple[str, ...]) -> bool:
        return self.times != 0 and (self.method is None or self.method in methods)


class Proxy:
    """The proxy, from `async with` on."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._rules: list[_Rule] = []
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._port = 0
        self.url = ""
        self.seen: list[tuple[str, ...]] = []
        """The methods of each HTTP request, in the order they came."""
        self.forwarded: list[tuple[str, ...]] = []
        """The same of those that the endpoint saw."""

    def add(self, method: str | None, fault: Fault, *, times: int | None = None) -> None:
        """Misbehave so for requests with this method, so many times, or always."""
        self._rules.append(_Rule(method, fault, times))

    def hold(self, method: str, *, after: bool = False, times: int | None = 1) -> Hold:
        """Hold requests with this method."""
        hold = Hold(after=after)
        self.add(method, hold, times=times)
        return hold

    def behave(self) -> None:
        """Forget every rule, and let go what is held."""
        for rule in self._rules:
            if isinstance(rule.fault, Hold):
                rule.fault.release()
        self._rules.clear()

    def count(self, method: str) -> int:
        """Return how often a method reached the endpoint."""
        return sum(methods.count(method) for methods in self.forwarded)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def start(self) -> Self:
        """Listen: at the same address as before, where it went away."""
        self._session = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        host, self._port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{self._port}"
        return self

    async def stop(self) -> None:
        """Go away: connections are closed, and new ones refused."""
        self.behave()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()
        self._runner = self._session = None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        methods = _methods(body)
        self.seen.append(methods)
        fault = self._fault(methods)
        match fault:
            case Delay(seconds=seconds):
                await asyncio.sleep(seconds)
            case DropRequest():
                return _cut(request)
            case Say(status=status, body=said, headers=headers):
                return web.Response(status=status, body=said, headers=headers)
            case Hold(after=False):
                await fault.wait()
        status, answer = await self._forward(body, methods)
        match fault:
            case DropAnswer():
                return _cut(request)
            case Truncate(share=share):
                answer = answer[: int(len(answer) * share)]
            case Replace(old=old, new=new):
                answer = answer.replace(old, new)
            case Hold(after=True):
                await fault.wait()
        return web.Response(status=status, body=answer, content_type="application/json")

    def _fault(self, methods: tuple[str, ...]) -> Fault | None:
        for rule in self._rules:
            if rule.fits(methods):
                if rule.times is not None:
                    rule.times -= 1
                return rule.fault
        return None

    async def _forward(self, body: bytes, methods: tuple[str, ...]) -> tuple[int, bytes]:
        assert self._session is not None
        self.forwarded.append(methods)
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._upstream, data=body, headers=headers) as response:
            return response.status, await response.read()


def _methods(body: bytes) -> tuple[str, ...]:
    try:
        asked = json.loads(body)
    except ValueError:
        return ()
    return tuple(str(one.get("method")) for one in (asked if isinstance(asked, list) else [asked]))


def _cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
