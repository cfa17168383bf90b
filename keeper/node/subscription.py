"""``eth_subscribe`` over a WebSocket: its messages, one after the other, as long as the connection holds.

Knows neither what is subscribed to nor how much of it can be believed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from socket import SHUT_RDWR

import aiohttp
import msgspec
from yarl import URL

from keeper.domain.errors import Unavailable
from keeper.domain.secret import Secret
from keeper.node import wire

_HEARTBEAT_S = 20.0
_GOODBYE_S = 0.5
_LARGEST_BYTES = 2**20
"""No header, and no transaction that a pool holds, is half as long."""


class _Params(msgspec.Struct):
    result: msgspec.Raw


class _Message(msgspec.Struct):
    params: _Params | None = None
    error: msgspec.Raw = msgspec.Raw()


_MESSAGE = msgspec.json.Decoder(_Message)


class Refused(Unavailable):
    """The endpoint does not tell of what was subscribed to."""


class Subscription:
    """One subscription at one endpoint, connected anew by each call of `messages`."""

    def __init__(self, url: Secret, *, to: Sequence[object], timeout_s: float) -> None:
        """`to` are the parameters of ``eth_subscribe``; within `timeout_s` the connection must stand."""
        self._url = url
        self._address = URL(url.reveal(), encoded=True)
        self._subscribe = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": to})
        self._timeout_s = timeout_s

    def __str__(self) -> str:
        return str(self._url)

    async def messages(self, *, silence_s: float | None = None) -> AsyncGenerator[str | None, None]:
        """Yield each message; None wherever there was none for `silence_s`. Raises Unavailable at its end."""
        try:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
                async with asyncio.timeout(self._timeout_s):
                    socket = await session.ws_connect(
                        self._address,
                        heartbeat=_HEARTBEAT_S,
                        max_msg_size=_LARGEST_BYTES,
                        timeout=aiohttp.ClientWSTimeout(ws_close=_GOODBYE_S),
                    )
                    await socket.send_str(self._subscribe)
                async with socket:
                    try:
                        while True:
                            yield await self._next(socket, silence_s)
                    finally:
                        _hang_up(socket)
        except TimeoutError:
            raise Unavailable(f"{self}: no connection within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{self}: the connection broke ({type(error).__name__})") from None

    async def _next(self, socket: aiohttp.ClientWebSocketResponse, silence_s: float | None) -> str | None:
        try:
            message = await socket.receive(timeout=silence_s)
        except TimeoutError:
            return None
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                return str(message.data)
            case aiohttp.WSMsgType.BINARY:
                return ""
            case _:
                raise Unavailable(f"{self}: the connection was closed")


def told(message: str) -> msgspec.Raw | None:
    """Return what a message tells; None where it is the answer to the subscription itself.

    Raises Refused where that says no, Unavailable where it can't be read.
    """
    found = wire.decoded(message.encode(), _MESSAGE, "a message")
    if bytes(found.error):
        raise Refused("it does not tell of that")
    return None if found.params is None else found.params.result


def _hang_up(socket: aiohttp.ClientWebSocketResponse) -> None:
    """End the connection at once: to close it waits for a goodbye, behind all that a flood still says."""
    raw = socket.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):  # it is gone already
            raw.shutdown(SHUT_RDWR)
