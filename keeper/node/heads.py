"""The chain's newest blocks, as they come: by WebSocket where there is one, else by asking often.

A block that came between two looks is fetched and passed on too, so that whoever follows sees each block's
logs. What does not link to what was passed on before (a reorg, or a gap too wide to fill) is passed on as
it is: only its reader knows what to do about it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing

from keeper.domain.address import Hash32
from keeper.domain.errors import Inconsistent, Unavailable
from keeper.domain.head import Head
from keeper.node import wire
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Endpoint, Request
from keeper.node.endpoints import Endpoints
from keeper.node.head_socket import HeadSocket

_log = logging.getLogger(__name__)

_WIDEST_GAP = 64
"""A longer one is not filled: its reader does better by asking for the range at once."""
_REMEMBERED = 1_024
_SOCKET_REST_S = 15.0
_SOCKET_LAG = 2
"""A socket that is more blocks behind what an endpoint has is left for a while."""


class Heads:
    """Follows the chain's head through endpoints, and through a socket as long as that holds."""

    def __init__(self, endpoints: Endpoints, *, socket: HeadSocket | None, poll_s: float) -> None:
        """`poll_s` is how often a head is asked for where there is no socket, or none that works."""
        self._endpoints = endpoints
        self._socket = socket
        self._poll_s = poll_s
        self._last: Head | None = None
        self._passed_on: OrderedDict[Hash32, None] = OrderedDict()

    async def follow(self) -> AsyncGenerator[Head, None]:
        """Yield the newest head, then each one that follows. Never ends; what fails is tried again."""
        async with aclosing(self._announced()) as announced:
            async for head in announced:
                if head.hash in self._passed_on:
                    continue
                for between in await self._between(head):
                    yield self._remembered(between)
                yield self._remembered(head)

    def _remembered(self, head: Head) -> Head:
        self._last = head
        self._passed_on[head.hash] = None
        if len(self._passed_on) > _REMEMBERED:
            self._passed_on.popitem(last=False)
        return head

    # --- where heads come from ------------------------------------------------------------------------------

    async def _announced(self) -> AsyncGenerator[Head, None]:
        """Yield heads as they are heard of, the same one several times perhaps."""
        while True:
            if self._socket is None:
                async for head in self._polled(for_s=None):
                    yield head
                continue
            try:
                async with aclosing(self._pushed(self._socket)) as pushed:
                    async for head in pushed:
                        yield head
            except Unavailable as error:
                _log.warning("heads are asked for: %s", error)
            async for head in self._polled(for_s=_SOCKET_REST_S):
                yield head

    async def _pushed(self, socket: HeadSocket) -> AsyncGenerator[Head, None]:
        """Yield heads that the socket tells. Raises Unavailable where it fails or keeps silent."""
        async with aclosing(socket.heads()) as told:
            listens = False
            async for head in told:
                if head is not None:
                    yield head
                    if self._endpoints.newest_number - head.number > _SOCKET_LAG:
                        raise Unavailable(f"{socket} is behind")
                    continue
                # It began to listen, or it is silent: does the chain rest, or the socket?
                latest = await self._latest()
                if latest is not None and latest.hash not in self._passed_on:
                    yield latest
                    if listens:
                        raise Unavailable(f"{socket} is silent while blocks come")
                listens = True

    async def _polled(self, *, for_s: float | None) -> AsyncGenerator[Head, None]:
        until_s = None if for_s is None else time.monotonic() + for_s
        while until_s is None or time.monotonic() < until_s:
            head = await self._latest()
            if head is not None:
                yield head
            await asyncio.sleep(self._poll_s)

    async def _latest(self) -> Head | None:
        """Return the newest head, None where nobody tells: the endpoints have said why."""
        try:
            return await self._endpoints.block("latest")
        except (Unavailable, Inconsistent):
            return None

    # --- what came between ----------------------------------------------------------------------------------

    async def _between(self, head: Head) -> tuple[Head, ...]:
        """Return the blocks after the last one passed on and before `head`, as far as they link to it."""
        last = self._last
        if last is None or not 1 < head.number - last.number <= _WIDEST_GAP:
            return ()
        numbers = range(last.number + 1, head.number)

        async def job(endpoint: Endpoint) -> list[Head]:
            replies = await endpoint.read(
                [Request("eth_getBlockByNumber", (hex(number), False)) for number in numbers]
            )
            found = [None if isinstance(reply, RpcError) else wire.head(reply) for reply in replies]
            return [one for one in found if one is not None]

        try:
            found = await self._endpoints.read(job)
        except (Unavailable, Inconsistent):
            return ()
        linked: list[Head] = []
        parent = head.parent
        for one in reversed(found):
            if one.hash != parent:
                break
            linked.append(one)
            parent = one.parent
        return tuple(reversed(linked))
