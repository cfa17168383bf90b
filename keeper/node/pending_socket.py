"""``newPendingTransactions`` over a WebSocket: each whole, or its hash where the node tells no more.

Anybody fills a mempool with whatever they like. So what can't be read is passed over, only so many messages a
second are read at all, and after each the others who share the thread get their turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from keeper.domain.address import Hash32
from keeper.domain.errors import Unavailable
from keeper.domain.pending import PendingTransaction
from keeper.domain.secret import Secret
from keeper.node import wire
from keeper.node.subscription import Refused, Subscription, told


class PendingSocket:
    """One WebSocket endpoint, connected anew by each call of `transactions`."""

    def __init__(self, url: Secret, *, most_a_second: int = 2_000, timeout_s: float = 10.0) -> None:
        """Of more messages than `most_a_second` the rest is thrown away unread, and counted."""
        self._subscription = Subscription(url, to=["newPendingTransactions", True], timeout_s=timeout_s)
        self._most_a_second = most_a_second
        self.unread = 0

    def __str__(self) -> str:
        return str(self._subscription)

    async def transactions(self) -> AsyncGenerator[PendingTransaction | Hash32, None]:
        """Yield each transaction that is heard of. Raises Unavailable where the connection ends."""
        second, read = 0, 0
        async with aclosing(self._subscription.messages()) as messages:
            async for message in messages:
                await asyncio.sleep(0)  # what waits in the buffer is had without waiting: others must run too
                if (now := int(time.monotonic())) != second:
                    second, read = now, 0
                read += 1
                if read > self._most_a_second:
                    self.unread += 1
                elif message is not None and (one := self._one(message)) is not None:
                    yield one

    def _one(self, message: str) -> PendingTransaction | Hash32 | None:
        """Return what a message tells; None where it is none of a transaction."""
        try:
            result = told(message)
            return None if result is None else wire.pending(result)
        except Refused:
            raise Unavailable(f"{self}: it does not tell of pending transactions") from None
        except Unavailable:
            return None
