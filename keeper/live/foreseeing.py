"""Seeing ahead: listens to pending transactions, and tells whom one lets fall before it is in a block.

Almost all have no part in any price: that takes a look into a set to tell. What is left anybody may have
sent, any number of times: so only so many are simulated upon one head, the newest first, a sender whose call
reverted waits for the next one, and nothing of it is ever waited for by who follows the heads.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial

from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Broken, Inconsistent, Unavailable
from keeper.domain.events import Degraded, Foreseen, Listener
from keeper.domain.head import Head
from keeper.domain.pending import PendingTransaction
from keeper.domain.state import Mined
from keeper.node import wire
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Endpoint, Request
from keeper.node.endpoints import Endpoints
from keeper.node.pending_socket import PendingSocket
from keeper.query import Answering, run
from keeper.watcher import Watcher
from keeper.watcher.foreseeing import concerned, fallen, moves, prices_behind

_WORKERS = 2
_MOST_A_HEAD = 32
"""Simulations upon one head."""
_MOST_WAITING = 16
_MOST_HASHES = 256
"""Waiting to be asked for by their hash, where the node tells no more; more are not looked at."""
_HASHES_A_REQUEST = 64
_REMEMBERED = 4_096
_REST_S = 15.0
"""Until a socket that failed is tried again."""


class Foreseer:
    """Follows one socket, for as long as `work` runs."""

    def __init__(
        self,
        *,
        socket: PendingSocket,
        endpoints: Endpoints,
        world: Answering,
        watcher: Watcher,
        block_time_s: int,
        listen: Listener,
        clock: Callable[[], float],
    ) -> None:
        """`clock` tells seconds, from whenever on: how long it took is told by it."""
        self._socket = socket
        self._endpoints = endpoints
        self._world = world
        self._watcher = watcher
        self._block_time_s = block_time_s
        self._listen = listen
        self._clock = clock
        self._seen: OrderedDict[Hash32, None] = OrderedDict()
        self._waiting: deque[tuple[PendingTransaction, float]] = deque(maxlen=_MOST_WAITING)
        self._hashes: deque[Hash32] = deque(maxlen=_MOST_HASHES)
        self._came = asyncio.Semaphore(0)
        self._hashes_came = asyncio.Event()
        self._head: Head | None = None
        self._left = 0
        self._complained = ""
        self._reverted: set[Address] = set()

    async def work(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear())
            group.create_task(self._ask())
            for _ in range(_WORKERS):
                group.create_task(self._foresee_each())

    # --- hearing --------------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        while True:
            try:
                async with aclosing(self._socket.transactions()) as told:
                    async for one in told:
                        self._take(one)
                        if self._socket.unread:
                            self._complain("more come in a second than are read")
            except Unavailable as error:
                self._complain(str(error))
            await asyncio.sleep(_REST_S)

    def _complain(self, why: str) -> None:
        """Tell what is missed, once as long as the reason is the same."""
        if why != self._complained:
            self._complained = why
            self._listen(Degraded(what="pending transactions are not all heard of", why=why))

    def _take(self, one: PendingTransaction | Hash32) -> None:
        """Keep what may have a part in a price, or may turn out to."""
        if isinstance(one, bytes):
            self._hashes.append(one)
            self._hashes_came.set()
        elif one.hash not in self._seen and concerned(self._watcher.pricing, one):
            self._seen[one.hash] = None
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
            self._waiting.append((one, self._clock()))
            self._came.release()

    async def _ask(self) -> None:
        """Ask what is behind the hashes."""
        while True:
            await self._hashes_came.wait()
            asked = [self._hashes.pop() for _ in range(min(len(self._hashes), _HASHES_A_REQUEST))]
            if not self._hashes:
                self._hashes_came.clear()
            try:
                found = await self._endpoints.read(partial(_named, hashes=asked))
            except (Unavailable, Inconsistent):
                continue  # the endpoints have said why
            for one in found:
                self._take(one)

    # --- seeing ---------------------------------------------------------------------------------------------

    async def _foresee_each(self) -> None:
        while True:
            await self._came.acquire()
            if self._waiting:  # fewer than came, where it was full
                transaction, heard_s = self._waiting.pop()
                try:
                    await self._foresee(transaction, heard_s)
                except (Unavailable, Inconsistent, Broken) as error:
                    what = f"a pending transaction 0x{transaction.hash.hex()} could not be simulated"
                    self._listen(Degraded(what=what, why=str(error)))

    async def _foresee(self, transaction: PendingTransaction, heard_s: float) -> None:
        """Tell what a transaction does to prices, upon the head that the books are at when that is known."""
        head = self._watcher.head
        if head is None or not self._may(transaction, head):
            return
        pricing, block = self._watcher.pricing, head.next_block(block_time_s=self._block_time_s)
        asked = concerned(pricing, transaction)
        prices = await run(prices_behind(transaction, asked, block), Mined(hash=head.hash), self._world)
        if prices is None:
            self._reverted.add(transaction.sender)
        elif self._watcher.head != head:
            await self._foresee(transaction, heard_s)  # if it is mined by now, it changes nothing any more
        elif changed := tuple(moves(self._watcher.current, pricing, prices)):
            self._listen(
                Foreseen(
                    head=head,
                    transaction=transaction,
                    prices=changed,
                    positions=tuple(fallen(self._watcher.current, prices, at_s=block.timestamp_s)),
                    milliseconds=(self._clock() - heard_s) * 1e3,
                )
            )

    def _may(self, transaction: PendingTransaction, head: Head) -> bool:
        """Return whether this one is simulated upon this head."""
        if head != self._head:
            self._head, self._left = head, _MOST_A_HEAD
            self._reverted.clear()
        if transaction.sender in self._reverted:
            return False  # and what it sends uses up nobody else's
        self._left -= 1
        return self._left >= 0


async def _named(endpoint: Endpoint, *, hashes: Sequence[Hash32]) -> list[PendingTransaction]:
    """Return the transactions of these hashes, as far as they are known and call anybody."""
    replies = await endpoint.read(
        [Request("eth_getTransactionByHash", (wire.hex_data(one),)) for one in hashes]
    )
    told = (wire.pending(reply) for reply in replies if not isinstance(reply, RpcError))
    return [one for one in told if isinstance(one, PendingTransaction)]
