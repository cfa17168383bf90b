"""Seeing ahead: listens for pending transactions, and tells whom one lets fall before it is in a block.

Of public ones everything is known: they are simulated upon the head, and prices asked for behind them. Of
private ones a stream hints at the report that they make: what prices follow from it is worked out, and feeds
are made to answer so where plans are simulated. Whatever lets somebody fall is handed on to be decided upon,
and looked at again upon each of the next heads, until it changes nothing any more.

Almost all have no part in any price: that takes a look into a set to tell. What is left anybody may have
sent, any number of times: so only so many are looked at upon one head, the newest first, a sender whose call
reverted waits for the next one, and nothing of it is ever waited for by who follows the heads.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from eth_utils.crypto import keccak

from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Broken, Inconsistent, Unavailable
from keeper.domain.events import Degraded, Foreseen, Listener
from keeper.domain.head import Head
from keeper.domain.pending import Hint, Leading, PendingTransaction
from keeper.domain.position import PositionId
from keeper.domain.state import Mined, Overlay
from keeper.live.part import result
from keeper.node import wire
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Endpoint, Request
from keeper.node.endpoints import Endpoints
from keeper.node.event_stream import EventStream
from keeper.node.pending_socket import PendingSocket
from keeper.ports import Feed, Foresight, Prices
from keeper.query import Answering, SimulatedCall, accounts, run
from keeper.watcher import Watcher
from keeper.watcher.foreseeing import concerned, fallen, moves, prices_behind
from keeper.watcher.reports import answering, reports

_WORKERS = 2
_MOST_A_HEAD = 32
"""Simulations upon one head."""
_MOST_HANDED_ON_A_HEAD = 8
"""To decide takes longer than to look: what is only hinted at anybody may have made up."""
_MOST_WAITING = 16
_MOST_HASHES = 256
"""Waiting to be asked for by their hash, where the node tells no more; more are not looked at."""
_HASHES_A_REQUEST = 64
_REMEMBERED = 4_096
_REST_S = 15.0
"""Until a socket, or a stream, that failed is tried again."""
_KEPT_HEADS = 10
"""Upon so many heads, the first among them, what lets somebody fall is looked at."""
_MOST_KEPT = 64

_Pending: TypeAlias = PendingTransaction | Hint


@dataclass(slots=True)
class _Kept:
    """One that lets somebody fall, and since which head."""

    pending: _Pending
    heard_s: float
    since: int
    answers: Mapping[Feed, int]
    """What its feeds answered then. Where they answer something else it has landed, or was overtaken."""


class Foreseer:
    """A :class:`keeper.ports.Foresees` that follows a socket, a stream or both, as long as `work` runs."""

    def __init__(
        self,
        *,
        socket: PendingSocket | None = None,
        stream: EventStream | None = None,
        endpoints: Endpoints,
        world: Answering,
        watcher: Watcher,
        block_time_s: int,
        listen: Listener,
        clock: Callable[[], float],
    ) -> None:
        """`clock` tells seconds, from whenever on: how long it took is told by it."""
        self._socket = socket
        self._stream = stream
        self._endpoints = endpoints
        self._world = world
        self._watcher = watcher
        self._block_time_s = block_time_s
        self._listen = listen
        self._clock = clock
        self._seen: OrderedDict[Hash32, None] = OrderedDict()
        self._waiting: deque[tuple[_Pending, float]] = deque(maxlen=_MOST_WAITING)
        self._hashes: deque[Hash32] = deque(maxlen=_MOST_HASHES)
        self._came = asyncio.Semaphore(0)
        self._hashes_came = asyncio.Event()
        self._head: Head | None = None
        self._left = 0
        self._left_to_hand_on = 0
        self._complained: dict[str, str] = {}
        self._reverted: set[Address] = set()
        self._kept: OrderedDict[Hash32, _Kept] = OrderedDict()
        self._code: dict[Address, bytes] = {}
        self._foresights: deque[Foresight] = deque(maxlen=_MOST_WAITING)
        self._foresaw = asyncio.Semaphore(0)

    async def work(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._socket is not None:
                told = self._socket.transactions
                group.create_task(self._hear("pending transactions", self._socket, told))
                group.create_task(self._ask())
            if self._stream is not None:
                group.create_task(self._hear("hints", self._stream, self._stream.hints))
            for _ in range(_WORKERS):
                group.create_task(self._foresee_each())

    # --- the port -------------------------------------------------------------------------------------------

    def upon(self, head: Head) -> None:
        """Look again, upon this head, at what let somebody fall upon the ones before it."""
        upon_it = [one for one in self._foresights if one.head == head]
        self._foresights.clear()
        self._foresights.extend(upon_it)
        for kept in list(self._kept.values()):
            if kept.since < head.number - _KEPT_HEADS + 1:
                del self._kept[kept.pending.hash]
            elif kept.since < head.number:
                self._wait(kept.pending, kept.heard_s)

    async def foreseen(self) -> Foresight:
        """Return the next that lets somebody fall, once there is one."""
        while True:
            await self._foresaw.acquire()
            if self._foresights:  # fewer than came, where a head has gone by
                return self._foresights.popleft()

    # --- hearing --------------------------------------------------------------------------------------------

    async def _hear(
        self,
        what: str,
        source: PendingSocket | EventStream,
        told: Callable[[], AsyncGenerator[_Pending | Hash32, None]],
    ) -> None:
        while True:
            try:
                async with aclosing(told()) as heard:
                    async for one in heard:
                        self._take(one)
                        if source.unread:
                            self._complain(what, "more come in a second than are read, or some can't be")
            except Unavailable as error:
                self._complain(what, str(error))
            await asyncio.sleep(_REST_S)

    def _complain(self, what: str, why: str) -> None:
        """Tell what is missed, once as long as the reason is the same."""
        if why != self._complained.get(what):
            self._complained[what] = why
            self._listen(Degraded(what=f"{what} are not all heard of", why=why))

    def _take(self, one: _Pending | Hash32) -> None:
        """Keep what may have a part in a price, or may turn out to."""
        if isinstance(one, bytes):
            self._hashes.append(one)
            self._hashes_came.set()
        elif one.hash not in self._seen and self._concerns(one):
            self._seen[one.hash] = None
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
            self._wait(one, self._clock())

    def _concerns(self, one: _Pending) -> bool:
        pricing = self._watcher.pricing
        if isinstance(one, PendingTransaction):
            return bool(concerned(pricing, one))
        return any(report.aggregator in pricing.contracts for report in reports(one))

    def _wait(self, one: _Pending, heard_s: float) -> None:
        self._waiting.append((one, heard_s))
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

    async def _foresee(self, one: _Pending, heard_s: float) -> None:
        """Tell what one does to prices, upon the head that the books are at when that is known."""
        head = self._watcher.head
        if head is None or not self._may(one, head):
            return
        block, books = head.next_block(block_time_s=self._block_time_s), self._watcher.current
        before: Mapping[Feed, int] = {}
        if isinstance(one, Hint):
            answers = {report.aggregator: report.answer for report in reports(one)}
            before = self._watcher.pricing.answers(answers)
            kept = self._kept.get(one.hash)
            if kept is not None and kept.answers != before:
                del self._kept[one.hash]
                return
            prices = self._watcher.pricing.reported(books, answers, at_s=block.timestamp_s)
        else:
            asked = concerned(self._watcher.pricing, one)
            simulated = await run(prices_behind(one, asked, block), Mined(hash=head.hash), self._world)
            if simulated is None:
                if self._kept.pop(one.hash, None) is None:  # else it did not before: it is mined by now
                    self._reverted.add(one.sender)
                return
            prices = simulated
        if self._watcher.head != head:
            await self._foresee(one, heard_s)  # if it is mined by now, it changes nothing any more
            return
        changed = tuple(moves(books, self._watcher.pricing, prices))
        positions = tuple(fallen(books, prices, at_s=block.timestamp_s)) if changed else ()
        if changed and one.hash not in self._kept:
            self._listen(
                Foreseen(
                    head=head,
                    transaction=one,
                    prices=changed,
                    positions=positions,
                    milliseconds=(self._clock() - heard_s) * 1e3,
                )
            )
        if not positions:
            self._kept.pop(one.hash, None)
            return
        self._kept.setdefault(one.hash, _Kept(one, heard_s, head.number, before))
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        await self._hand_on(one, head, prices, frozenset(position for position, _ in positions))

    async def _hand_on(
        self, one: _Pending, head: Head, prices: Prices, positions: frozenset[PositionId]
    ) -> None:
        """Have it decided upon what is behind this one, with all that a simulation of it needs."""
        self._left_to_hand_on -= 1
        if self._left_to_hand_on < 0:
            return
        mined = Mined(hash=head.hash)
        if isinstance(one, Hint):
            foresight = Foresight(
                head=head,
                behind=Leading(hash=one.hash),
                prices=prices,
                positions=positions,
                ahead=(),
                at=Overlay(base=mined, storage={}, code=await self._answering(one, mined)),
            )
        else:
            raw = await self._endpoints.read(partial(_raw, hash_=one.hash))
            if raw is None:
                return
            foresight = Foresight(
                head=head,
                behind=Leading(hash=one.hash, raw=raw),
                prices=prices,
                positions=positions,
                ahead=(SimulatedCall(one.sender, one.to, one.data),),
                at=mined,
            )
        self._foresights.append(foresight)
        self._foresaw.release()

    async def _answering(self, hint: Hint, at: Mined) -> dict[Address, bytes]:
        """Return the code with which the aggregators answer what they are told by a hint."""
        told = [one for one in reports(hint) if one.aggregator in self._watcher.pricing.contracts]
        if unknown := [one.aggregator for one in told if one.aggregator not in self._code]:
            found = await run(accounts(unknown), at, self._world)
            self._code |= {one: account.code for one, account in zip(unknown, found, strict=True)}
        made: dict[Address, bytes] = {}
        for one in told:
            made |= answering(self._code[one.aggregator], aggregator=one.aggregator, answer=one.answer)
        return made

    def _may(self, one: _Pending, head: Head) -> bool:
        """Return whether this one is looked at upon this head."""
        if head != self._head:
            self._head, self._left = head, _MOST_A_HEAD
            self._left_to_hand_on = _MOST_HANDED_ON_A_HEAD
            self._reverted.clear()
        if isinstance(one, PendingTransaction) and one.sender in self._reverted:
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


async def _raw(endpoint: Endpoint, *, hash_: Hash32) -> bytes | None:
    """Return a transaction as it was signed; None where that is not known here, or is another's."""
    (reply,) = await endpoint.read([Request("eth_getRawTransactionByHash", (wire.hex_data(hash_),))])
    if isinstance(reply, RpcError) or wire.is_null(result(reply)):
        return None
    raw = wire.data(result(reply))
    return raw if keccak(raw) == hash_ else None
