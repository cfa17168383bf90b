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

import json
import re
import time
from asyncio import sleep
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from keeper.devnet.faults import Delay, DropAnswer, DropRequest, Fault, Forget, Hold, Replace, Say, Truncate

_METHOD = re.compile(rb'"method"\s*:\s*"(\w+)"')
_MOST_BYTES = 2**28
_JSON = {"Content-Type": "application/json"}


@dataclass(slots=True)
class _Rule:
    method: str | None
    fault: Fault
    times: int | None

    def fits(self, methods: tuple[str, ...]) -> bool:
        return self.times != 0 and (self.method is None or self.method in methods)


class Proxy:
    """The proxy, from `async with` on, on a free loopback port."""

    def __init__(self, upstream: str, *, hear: Callable[[bytes], object] = lambda body: None) -> None:
        """`hear` is told each request's body."""
        self.upstream = upstream
        """The endpoint behind it; another may take its place at any time."""
        self._hear = hear
        self._rules: list[_Rule] = []
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._port = 0
        self.url = ""
        self.seen: list[tuple[str, ...]] = []
        """The methods of each HTTP request, in the order they came."""
        self.seen_at_s: list[float] = []
        """When each of them came, by the monotonic clock."""
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
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_post("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1, access_log=None)
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
        self._hear(body)
        methods = tuple(name.decode() for name in _METHOD.findall(body))  # most bodies are not even parsed
        self.seen.append(methods)
        self.seen_at_s.append(time.monotonic())
        rule = self._rule(methods)
        fault = None if rule is None else rule.fault
        match fault:
            case Delay(seconds=seconds):
                await sleep(seconds)
            case DropRequest():
                return _cut(request)
            case Say(status=status, body=said, headers=headers):
                return web.Response(status=status, body=said, headers=headers)
            case Hold(after=False):
                await fault.wait(_params(body, rule))
                if fault.is_dropped:
                    return _cut(request)
        try:
            status, answer = await self._forward(body, methods)
        except aiohttp.ClientError:
            return web.Response(status=502)
        match fault:
            case DropAnswer():
                return _cut(request)
            case Truncate(share=share):
                answer = answer[: int(len(answer) * share)]
            case Replace(old=old, new=new):
                answer = answer.replace(old, new)
            case Forget(methods=forgotten):
                answer = _without(answer, _ids(body, forgotten))
            case Hold(after=True):
                await fault.wait(_params(body, rule))
                if fault.is_dropped:
                    return _cut(request)
        return web.Response(status=status, body=answer, headers=_JSON)

    def _rule(self, methods: tuple[str, ...]) -> _Rule | None:
        for rule in self._rules:
            if rule.fits(methods):
                if rule.times is not None:
                    rule.times -= 1
                return rule
        return None

    async def _forward(self, body: bytes, methods: tuple[str, ...]) -> tuple[int, bytes]:
        assert self._session is not None
        self.forwarded.append(methods)
        async with self._session.post(self.upstream, data=body, headers=_JSON) as response:
            return response.status, await response.read()


def _params(body: bytes, rule: _Rule | None) -> tuple[Any, ...]:
    """Return the parameters of the first request of the rule's method in a body."""
    asked = json.loads(body)
    for one in asked if isinstance(asked, list) else [asked]:
        if rule is not None and rule.method in (None, one["method"]):
            return tuple(one.get("params", ()))
    return ()


def _ids(body: bytes, methods: Collection[str]) -> frozenset[object]:
    """Return the ids of a body's requests of these methods."""
    asked = json.loads(body)
    listed = asked if isinstance(asked, list) else [asked]
    return frozenset(one["id"] for one in listed if one["method"] in methods)


def _without(answer: bytes, ids: Collection[object]) -> bytes:
    """Return an answer with null for what was asked with these ids."""
    said = json.loads(answer)
    for one in said if isinstance(said, list) else [said]:
        if one["id"] in ids:
            one["result"] = None
    return json.dumps(said).encode()


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:  # else whoever asked has gone
        request.transport.abort()
    return web.Response()
