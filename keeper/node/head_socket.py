"""``newHeads`` over a WebSocket. Tells what it hears, and says so where it hears nothing for a while."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from keeper.domain.errors import Unavailable
from keeper.domain.head import Head
from keeper.domain.secret import Secret
from keeper.node import wire
from keeper.node.subscription import Refused, Subscription, told


class HeadSocket:
    """One WebSocket endpoint, connected anew by each call of `heads`."""

    def __init__(self, url: Secret, *, silence_s: float = 30.0, timeout_s: float = 10.0) -> None:
        """`silence_s` is how long it may tell nothing before it says so."""
        self._subscription = Subscription(url, to=["newHeads"], timeout_s=timeout_s)
        self._silence_s = silence_s

    def __repr__(self) -> str:
        return f"HeadSocket({self})"

    def __str__(self) -> str:
        return str(self._subscription)

    async def heads(self) -> AsyncGenerator[Head | None, None]:
        """Yield each new head; None once it listens, and after each silence. Raises Unavailable."""
        async with aclosing(self._subscription.messages(silence_s=self._silence_s)) as messages:
            async for message in messages:
                yield None if message is None else self._head(message)

    def _head(self, message: str) -> Head | None:
        try:
            result = told(message)
        except Refused:
            raise Unavailable(f"{self}: it does not tell of new heads") from None
        return None if result is None else wire.head(result)
