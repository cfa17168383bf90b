"""The proxy for whoever blocks, in a thread of its own: what is killed while it holds something is killed in
mid-send.

The moment is chosen from outside, so what is tested needs no hook of its own::

    with ProxyThread(anvil.url) as proxy:
        trap = proxy.trap("eth_sendRawTransaction", Moment.ANSWERED)
        ...                                  # start a keeper on proxy.url
        trap.wait(within_s=10)               # the endpoint has the transaction, the keeper does not know
        keeper.kill()
        trap.release()
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from keeper.devnet.background import Background
from keeper.devnet.faults import Fault, Hold
from keeper.devnet.proxy import Proxy


class Moment(StrEnum):
    """Where a request is held."""

    ASKED = "asked"
    """The endpoint has not seen it."""
    ANSWERED = "answered"
    """The endpoint has answered, and whoever asked has not heard."""


class Trap:
    """Holds requests of one method, until released."""

    def __init__(self, hold: Hold, background: Background) -> None:
        self._hold = hold
        self._background = background

    @property
    def params(self) -> tuple[Any, ...]:
        """Return what was asked, once it has sprung."""
        return self._hold.params

    @property
    def sprung(self) -> bool:
        """Return whether it holds a request, or did."""
        return self._hold.reached.is_set()

    def wait(self, *, within_s: float) -> bool:
        """Wait for it to spring, and return whether it has."""
        try:
            return self._background.run(asyncio.wait_for(self._hold.reached.wait(), within_s))
        except TimeoutError:
            return False

    def release(self) -> None:
        """Let the request go on."""
        self._background.call(self._hold.release)

    def drop(self) -> None:
        """Cut the connection instead: what the endpoint has not seen by now, it never does."""
        self._background.call(self._hold.drop)


class ProxyThread:
    """Passes JSON-RPC on to an endpoint, from `start` (or `with`) to `stop`, on a free loopback port."""

    def __init__(self, upstream: str, *, hear: Callable[[bytes], object] = lambda body: None) -> None:
        """`hear` is told each request's body, in the proxy's own thread."""
        self._background = Background()
        self._proxy = Proxy(upstream, hear=hear)

    @property
    def url(self) -> str:
        """Return its HTTP endpoint."""
        return self._proxy.url

    def trap(self, method: str, moment: Moment = Moment.ANSWERED, *, times: int | None = 1) -> Trap:
        """Return a trap for the next request of this method, for so many, or for all from now on.

        Several spring in the order they were set.
        """
        hold = self._proxy.hold(method, after=moment is Moment.ANSWERED, times=times)
        return Trap(hold, self._background)

    def add(self, method: str | None, fault: Fault, *, times: int | None = None) -> None:
        """Misbehave so for requests with this method, so many times, or always."""
        self._proxy.add(method, fault, times=times)

    def behave(self) -> None:
        """Forget every rule, and let go what is held."""
        self._background.call(self._proxy.behave)

    def point_to(self, upstream: str) -> None:
        """Have another endpoint answer from now on."""
        self._proxy.upstream = upstream

    def go_away(self) -> None:
        """Close its connections, and refuse new ones."""
        self._background.run(self._proxy.stop())

    def come_back(self) -> None:
        """Listen again, where it did before."""
        self._background.run(self._proxy.start())

    def start(self) -> Self:
        """Start it and return it, once it listens."""
        self._background.start()
        self._background.run(self._proxy.start())
        return self

    def stop(self) -> None:
        """Let go of whatever is held, and end it."""
        self._background.run(self._proxy.stop())
        self._background.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
