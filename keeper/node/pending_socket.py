"""``newPendingTransactions`` over a WebSocket: each whole, or its hash where the node tells no more.

Anybody fills a mempool with whatever they like. So what can't be read is passed over, only so many messages a
second are read at all, and after each the others who share the thread get their turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from socket import SHUT_RDWR

import aiohttp
import msgspec
from yarl import URL

from keeper.domain.address import Hash32
from keeper.domain.errors import Unavailable
from keeper.domain.pending import PendingTransaction
from keeper.domain.secret import Secret
from keeper.node import wire

_SUBSCRIBE = '{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newPendingTransactions",true]}'
_HEARTBEAT_S = 20.0
_GOODBYE_S = 0.5
_LARGEST_BYTES = 2**20
"""No pool holds a transaction that is half as long."""


class _Params(msgspec.Struct):
    result: msgspec.Raw


class _Message(msgspec.Struct):
    params: _Params | None = None
    error: msgspec.Raw = msgspec.Raw()


_MESSAGE = msgspec.json.Decoder(_Message)


class PendingSocket:
    """One WebSocket endpoint, connected anew by each call of `transactions`."""

    def __init__(self, url: Secret, *, most_a_second: int = 2_000, timeout_s: float = 10.0) -> None:
        """Of more messages than `most_a_second` the rest is thrown away unread, and counted."""
        self._url = url
        self._address = URL(url.reveal(), encoded=True)
        self._most_a_second = most_a_second
        self._timeout_s = timeout_s
        self.unread = 0

    def __str__(self) -> str:
        return str(self._url)

    async def transactions(self) -> AsyncGenerator[PendingTransaction | Hash32, None]:
        """Yield each transaction that is heard of. Raises Unavailable where the connection ends."""
        try:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
                async with asyncio.timeout(self._timeout_s):
                    socket = await session.ws_connect(
                        self._address,
                        heartbeat=_HEARTBEAT_S,
                        max_msg_size=_LARGEST_BYTES,
                        timeout=aiohttp.ClientWSTimeout(ws_close=_GOODBYE_S),
                    )
                    await socket.send_str(_SUBSCRIBE)
                async with socket:
                    try:
                        async for one in self._told(socket):
                            yield one
                    finally:
                        _hang_up(socket)
        except TimeoutError:
            raise Unavailable(f"{self}: no connection within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{self}: the connection broke ({type(error).__name__})") from None

    async def _told(
        self, socket: aiohttp.ClientWebSocketResponse
    ) -> AsyncGenerator[PendingTransaction | Hash32, None]:
        second, read = 0, 0
        async for message in socket:
            await asyncio.sleep(0)  # what waits in the buffer is had without waiting: others must run too
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            if (now := int(time.monotonic())) != second:
                second, read = now, 0
            read += 1
            if read > self._most_a_second:
                self.unread += 1
                continue
            if (one := self._one(message.data)) is not None:
                yield one
        raise Unavailable(f"{self}: the connection was closed")

    def _one(self, text: str) -> PendingTransaction | Hash32 | None:
        """Return what a message tells; None where it is none of a transaction."""
        try:
            told = wire.decoded(text.encode(), _MESSAGE, "a message")
            one = None if told.params is None else wire.pending(told.params.result)
        except Unavailable:
            return None
        if bytes(told.error):
            raise Unavailable(f"{self}: it does not tell of pending transactions")
        return one


def _hang_up(socket: aiohttp.ClientWebSocketResponse) -> None:
    """End the connection at once: to close it waits for a goodbye, behind all that a flood still says."""
    raw = socket.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):  # it is gone already
            raw.shutdown(SHUT_RDWR)
