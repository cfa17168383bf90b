"""What the network does to a keeper: one fault of one request, each a value that a proxy carries out.

:mod:`keeper.devnet.proxy` stands between a keeper and its endpoint and misbehaves so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


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


@dataclass(frozen=True, slots=True)
class Forget:
    """Forward, and answer null to what asks for a transaction: as a node that has yet to index it."""

    methods: tuple[str, ...] = ("eth_getTransactionReceipt", "eth_getTransactionByHash")


class Hold:
    """Keep the request, before it is forwarded or `after`, until it is released or dropped."""

    def __init__(self, *, after: bool = False) -> None:
        self.after = after
        self.reached = asyncio.Event()
        self.params: tuple[Any, ...] = ()
        """What the request that is held asks, once it is here."""
        self.is_dropped = False
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let the request, and those that come later, go on."""
        self._released.set()

    def drop(self) -> None:
        """Cut the connection instead: what was not forwarded never is."""
        self.is_dropped = True
        self.release()

    async def wait(self, params: tuple[Any, ...]) -> None:
        """Hold the request that asks so."""
        if not self.reached.is_set():
            self.params = params
            self.reached.set()
        await self._released.wait()


Fault: TypeAlias = Delay | DropRequest | DropAnswer | Say | Truncate | Replace | Forget | Hold

ENDPOINT: Mapping[str, Callable[[], Fault]] = {
    "hanging": Hold,
    "slow": lambda: Delay(1.5),
    "cut before": DropRequest,
    "cut after": DropAnswer,
    "truncated": Truncate,
    "wrong JSON": lambda: Say(200, b'{"jsonrpc":"2.0","id":0,"result":{"number":7}}'),
    "no JSON": lambda: Say(200, b"<html>"),
    "429": lambda: Say(429),
    "500": lambda: Say(500),
    "another's reply": lambda: Replace(b'"id"', b'"di"'),
}
"""What an endpoint may do to every request, by a name for it."""
