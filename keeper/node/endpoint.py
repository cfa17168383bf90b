"""One JSON-RPC endpoint over HTTP: batches in, typed replies or typed errors out, its URL shown to nobody.

What the node answers, refusals included, is returned; everything else (no connection, a timeout, a limit of
requests, a reply that makes no sense) raises :class:`~keeper.domain.errors.Unavailable`. Nothing is sent
twice here: who may ask again is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

import aiohttp
import msgspec
from yarl import URL

from keeper.domain.errors import Unavailable
from keeper.domain.role import Role
from keeper.domain.secret import Secret, redact
from keeper.node.blocking_rpc import RpcError
from keeper.node.spellings import is_batch_refused, is_rate_limit

_BODY_LIMIT_BYTES = 1_000_000
"""Endpoints refuse bodies of more than about 2 MB; smaller ones let the event loop breathe."""
_REPLY_LIMIT_BYTES = 256_000_000
_BATCH_LIMIT = 100
"""Requests in one batch; some endpoints take no more."""

_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Request:
    """One JSON-RPC request."""

    method: str
    params: Sequence[Any]


Reply: TypeAlias = "msgspec.Raw | RpcError"
"""A result still in JSON, for whoever knows its type; or the node's refusal."""


def _none(_: bytes) -> Mapping[str, str]:
    return {}


class Unreachable(Unavailable):
    """No connection came about: certainly nothing was received."""


class Throttled(Unavailable):
    """It was asked too much, and wants to be left alone for a while."""

    def __init__(self, message: str, *, wait_s: float | None) -> None:
        """`wait_s` is None where it does not say for how long."""
        super().__init__(message)
        self.wait_s = wait_s


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""
    data: Any = None


class _Envelope(msgspec.Struct):
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw()  # of no bytes where there is none
    error: _Error | None = None


_ONE = msgspec.json.Decoder(_Envelope)
_MANY = msgspec.json.Decoder(list[_Envelope])


class Endpoint:
    """One endpoint. Opens its connections when first asked, within a running event loop."""

    def __init__(
        self,
        url: Secret,
        *,
        timeout_s: float = 10.0,
        roles: Collection[Role] = (),
        headers: Callable[[bytes], Mapping[str, str]] = _none,
    ) -> None:
        """`timeout_s` bounds each HTTP request, from connecting to the reply's last byte.

        `roles` is what the operator says that it may be shown. `headers` are those that go with a body, such
        as a signature of it.
        """
        self._headers = headers
        self._url = url
        self.roles = frozenset(roles)
        self._address = URL(url.reveal(), encoded=True)
        self._timeout_s = timeout_s
        self._batch_limit = _BATCH_LIMIT
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Endpoint({self._url})"

    def __str__(self) -> str:
        return str(self._url)

    @property
    def is_private(self) -> bool:
        """Return whether it shows what it is sent to nobody before that is in a block."""
        return not self.roles.isdisjoint((Role.PRIVATE, Role.SEQUENCER))

    @property
    def is_trusted(self) -> bool:
        """Return whether what is not public yet may be simulated there."""
        return Role.TRUSTED in self.roles

    @property
    def answers_reads(self) -> bool:
        """Return whether it may be asked anything: a sequencer takes transactions alone."""
        return Role.SEQUENCER not in self.roles

    async def close(self) -> None:
        """Close the connections. A later request opens others."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def read(self, requests: Sequence[Request]) -> tuple[Reply, ...]:
        """Return the reply to each request, sent as one batch where they fit into one.

        Only for what may be asked twice: a batch that is refused as a whole is split and asked again.
        """
        chunks = self._chunks(requests)
        replies = await asyncio.gather(*(self._read_chunk(chunk) for chunk in chunks))
        return tuple(reply for chunk in replies for reply in chunk)

    async def send(self, request: Request) -> Reply:
        """Return the reply to one request that is sent at most once.

        Raises Unreachable where it certainly was not received, Unavailable where it may have been.
        """
        (reply,) = await self._post([(request, encoded(request, 0))])
        return reply

    # --- batches --------------------------------------------------------------------------------------------

    def _chunks(self, requests: Sequence[Request]) -> list[list[tuple[Request, bytes]]]:
        chunks: list[list[tuple[Request, bytes]]] = [[]]
        size = 0
        for request in requests:
            if len(chunks[-1]) >= self._batch_limit:
                chunks.append([])
                size = 0
            body = encoded(request, len(chunks[-1]))
            if chunks[-1] and size + len(body) > _BODY_LIMIT_BYTES:
                chunks.append([])
                size = 0
                body = encoded(request, 0)
            chunks[-1].append((request, body))
            size += len(body) + 1
        return [chunk for chunk in chunks if chunk]

    async def _read_chunk(self, chunk: Sequence[tuple[Request, bytes]]) -> tuple[Reply, ...]:
        try:
            return await self._post(chunk)
        except _BatchRefused as refused:
            if len(chunk) == 1:
                raise Unavailable(str(refused)) from None
            self._batch_limit = max(1, min(self._batch_limit, len(chunk)) // 2)
            return await self.read([request for request, _ in chunk])

    async def _post(self, chunk: Sequence[tuple[Request, bytes]]) -> tuple[Reply, ...]:
        bodies = [body for _, body in chunk]
        body = bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"
        status, wait_s, answer = await self._exchange(body)
        if status == 429:
            raise Throttled(f"{self}: HTTP 429", wait_s=wait_s)
        try:
            envelopes = [_ONE.decode(answer)] if answer.lstrip()[:1] == b"{" else _MANY.decode(answer)
        except msgspec.DecodeError as error:
            if status == 413 and len(chunk) > 1:
                raise _BatchRefused(f"{self}: HTTP 413") from None
            if status != 200:
                raise Unavailable(f"{self}: HTTP {status}") from None
            raise Unavailable(f"{self}: a reply that is no JSON-RPC: {error}") from None
        if status >= 500:
            raise Unavailable(f"{self}: HTTP {status}")
        return self._matched([request for request, _ in chunk], envelopes)

    def _matched(self, requests: Sequence[Request], envelopes: list[_Envelope]) -> tuple[Reply, ...]:
        """Return each request's reply. Raises Unavailable where the reply has others, or not all."""
        if len(requests) > 1 and len(envelopes) == 1 and (whole := envelopes[0].error) is not None:
            error = self._error("batch", whole)
            if is_rate_limit(error):
                raise Throttled(f"{self}: {error}", wait_s=None)
            raise _BatchRefused(f"{self}: {error}")
        by_id: dict[object, _Envelope] = {envelope.id: envelope for envelope in envelopes}
        replies: list[Reply] = []
        for place, request in enumerate(requests):
            envelope = by_id.get(place)
            if envelope is None and len(requests) == len(envelopes) == 1 and envelopes[0].id is None:
                envelope = envelopes[0]  # an error about a request that was not understood has no id
            if envelope is None:
                raise Unavailable(f"{self}: no reply to {request.method}")
            if envelope.error is not None:
                error = self._error(request.method, envelope.error)
                if is_batch_refused(error) and len(requests) > 1:
                    raise _BatchRefused(f"{self}: {error}")
                if is_rate_limit(error):
                    raise Throttled(f"{self}: {error}", wait_s=None)
                replies.append(error)
            elif not memoryview(envelope.result):
                raise Unavailable(f"{self}: neither result nor error for {request.method}")
            else:
                replies.append(envelope.result)
        return tuple(replies)

    def _error(self, method: str, error: _Error) -> RpcError:
        """Return the node's refusal. Nodes quote their own URL at times: it is masked."""
        return RpcError(method, code=error.code, message=redact(error.message, (self._url,)), data=error.data)

    # --- HTTP -----------------------------------------------------------------------------------------------

    async def _exchange(self, body: bytes) -> tuple[int, float | None, bytes]:
        """Return status, Retry-After in seconds, and body of one HTTP request.

        Library errors quote URLs, so none is passed on.
        """
        session = self._opened()
        try:
            async with session.post(
                self._address, data=body, headers=self._headers(body), allow_redirects=False
            ) as response:
                answer = bytearray()
                async for piece in response.content.iter_any():
                    answer += piece
                    if len(answer) > _REPLY_LIMIT_BYTES:
                        raise Unavailable(f"{self}: a reply of more than {_REPLY_LIMIT_BYTES:,} bytes")
                return response.status, _wait_s(response.headers.get("Retry-After")), bytes(answer)
        except TimeoutError:
            raise Unavailable(f"{self}: no answer within {self._timeout_s:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"{self}: no connection: {_reason(error.os_error)}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{self}: the connection broke ({type(error).__name__})") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                headers={"Content-Type": "application/json"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


class _BatchRefused(Exception):
    """The endpoint takes no batch of this size."""


def encoded(request: Request, place: int) -> bytes:
    """Return a request as it is sent, with its place in the batch for an id."""
    return _ENCODER.encode(
        {"jsonrpc": "2.0", "id": place, "method": request.method, "params": request.params}
    )


def _wait_s(text: str | None) -> float | None:
    """Return what a Retry-After asks for: seconds, or a date; None where it says neither."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _reason(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__
