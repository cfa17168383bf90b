"""``newHeads`` over a WebSocket. Tells what it hears, and says so where it hears nothing for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import aiohttp
import msgspec
from yarl import URL

from keeper.domain.errors import Unavailable
from keeper.domain.head import Head
from keeper.domain.secret import Secret
from keeper.node import wire

_SUBSCRIBE = '{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'
_HEARTBEAT_S = 20.0


class _Params(msgspec.Struct):
    result: msgspec.Raw


class _Message(msgspec.Struct):
    params: _Params | None = None
    error: msgspec.Raw = msgspec.Raw()


_MESSAGE = msgspec.json.Decoder(_Message)


class HeadSocket:
    """One WebSocket endpoint, connected anew by each call of `heads`."""

    def __init__(self, url: Secret, *, silence_s: float = 30.0, timeout_s: float = 10.0) -> None:
        """`silence_s` is how long it may tell nothing before it says so."""
        self._url = url
        self._address = URL(url.reveal(), encoded=True)
        self._silence_s = silence_s
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        return f"HeadSocket({self._url})"

    def __str__(self) -> str:
        return str(self._url)

    async def heads(self) -> AsyncGenerator[Head | None, None]:
        """Yield each new head; None once it listens, and after each silence. Raises Unavailable."""
        try:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
                async with asyncio.timeout(self._timeout_s):
                    socket = await session.ws_connect(self._address, heartbeat=_HEARTBEAT_S)
                    await socket.send_str(_SUBSCRIBE)
                async with socket:
                    while True:
                        yield await self._next(socket)
        except TimeoutError:
            raise Unavailable(f"{self}: no connection within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{self}: the connection broke ({type(error).__name__})") from None

    async def _next(self, socket: aiohttp.ClientWebSocketResponse) -> Head | None:
        try:
            message = await socket.receive(timeout=self._silence_s)
        except TimeoutError:
            return None
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Unavailable(f"{self}: the connection was closed")
        told = wire.decoded(message.data.encode(), _MESSAGE, "a message")
        if bytes(told.error):
            raise Unavailable(f"{self}: it does not tell of new heads")
        return None if told.params is None else wire.head(told.params.result)
