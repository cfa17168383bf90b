"""Server-sent events of a MEV-Share node: hints of private transactions, over HTTP.

Who is listened to tells whatever it likes. So what can't be read is passed over and counted, nothing longer
than an event can be is kept, only so many events a second are read at all, and after each the others who
share the thread get their turn. It says something every 15 s; a stream that is silent for longer has ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import msgspec
from yarl import URL

from keeper.domain.errors import Unavailable
from keeper.domain.pending import Hint
from keeper.domain.secret import Secret
from keeper.node import wire

_LARGEST_BYTES = 2**20
"""No transaction is half as long."""
_OK = 200
_MEDIA_TYPE = "text/event-stream"


@dataclass(slots=True)
class Events:
    """Bytes as they come, cut into events: the data of each, its lines joined."""

    unread: int = 0
    """How many were too long."""
    _rest: bytearray = field(default_factory=bytearray)
    _lines: list[bytes] = field(default_factory=list)
    _size: int = 0
    _too_long: bool = False

    def feed(self, came: bytes) -> Iterator[bytes]:
        """Yield the data of each event that ends in what came."""
        self._rest += came
        if b"\n" not in came:  # what is told byte by byte is not looked through each time
            self._bound()
            return
        *lines, rest = self._rest.replace(b"\r\n", b"\n").split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            if line:
                self._take(bytes(line))
                continue
            if self._too_long:
                self.unread += 1
            elif self._lines:
                yield b"\n".join(self._lines)
            self._lines, self._size, self._too_long = [], 0, False
        self._bound()

    def _bound(self) -> None:
        if len(self._rest) > _LARGEST_BYTES:
            self._rest, self._lines, self._too_long = bytearray(), [], True

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name != b"data" or self._too_long:  # a comment, such as :ping, or of no use here
            return
        self._size += len(value)
        if self._size > _LARGEST_BYTES:
            self._lines, self._too_long = [], True
        else:
            self._lines.append(value.removeprefix(b" "))


class EventStream:
    """One stream, connected anew by each call of `hints`."""

    def __init__(
        self, url: Secret, *, most_a_second: int = 1_000, timeout_s: float = 10.0, silence_s: float = 60.0
    ) -> None:
        """Of more events than `most_a_second` the rest is thrown away unread."""
        self._url = url
        self._address = URL(url.reveal(), encoded=True)
        self._most_a_second = most_a_second
        self._timeout = aiohttp.ClientTimeout(total=None, connect=timeout_s, sock_read=silence_s)
        self.unread = 0
        """How many events were passed over: thrown away, too long, or none."""

    def __str__(self) -> str:
        return str(self._url)

    async def hints(self) -> AsyncGenerator[Hint, None]:
        """Yield each transaction that is hinted at. Raises Unavailable where the connection ends."""
        async with self._connected() as response:
            async for hint in self._told(response):
                yield hint

    async def connect(self) -> None:
        """Connect, and leave again. Raises Unavailable where it is not there, or is no stream."""
        async with self._connected():
            pass

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Accept": _MEDIA_TYPE, "Accept-Encoding": "identity"}
        try:
            async with (
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=self._timeout) as session,
                session.get(self._address, headers=headers) as response,
            ):
                if response.status != _OK:
                    raise Unavailable(f"{self}: answered {response.status}")
                if response.content_type != _MEDIA_TYPE:
                    raise Unavailable(f"{self}: is no event stream")
                yield response
        except TimeoutError:
            raise Unavailable(f"{self}: it is silent, or not there") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{self}: the connection broke ({type(error).__name__})") from None

    async def _told(self, response: aiohttp.ClientResponse) -> AsyncGenerator[Hint, None]:
        events, second, read = Events(), 0, 0
        async for came in response.content.iter_any():
            await asyncio.sleep(0)  # what waits in the buffer is had without waiting: others must run too
            too_long, whole = events.unread, list(events.feed(came))
            self.unread += events.unread - too_long
            for told in whole:
                if (now := int(time.monotonic())) != second:
                    second, read = now, 0
                read += 1
                hint = None if read > self._most_a_second else _hint(told)
                if hint is None:
                    self.unread += 1
                else:
                    yield hint
        raise Unavailable(f"{self}: the stream was ended")


def _hint(told: bytes) -> Hint | None:
    """Return what an event tells; None where it is none of a transaction."""
    try:
        return wire.hint(msgspec.Raw(told))
    except Unavailable:
        return None
