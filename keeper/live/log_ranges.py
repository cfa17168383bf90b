"""Logs of many blocks: in ranges that shrink when an endpoint refuses them, and grow again.

Endpoints refuse for many reasons (too many blocks, too many results, too large, too slow) and in as many
words. None is parsed: whatever is refused is halved, until one block alone is. Worse are those that do not
refuse and leave off the rest: an answer of a round number of logs is held against those of its two halves.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial

from keeper.domain.address import Hash32
from keeper.domain.errors import Inconsistent, Unavailable
from keeper.live.part import result
from keeper.live.reads import log_filter
from keeper.node import wire
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Endpoint, Request, Unreachable
from keeper.node.endpoints import Endpoints
from keeper.query import Log, LogRange

_log = logging.getLogger(__name__)

_WIDEST = 1 << 32
_GROWS_AFTER = 8
_MOST_SILENCES = 3


@dataclass(slots=True)
class Width:
    """How many blocks are asked for at once, as far as the endpoints have taught it."""

    blocks: int = _WIDEST
    _taken: int = 0

    def taken(self) -> None:
        """Learn that a range was answered: after several in a row, try a wider one."""
        self._taken += 1
        if self._taken >= _GROWS_AFTER:
            self.blocks = min(_WIDEST, self.blocks * 2)
            self._taken = 0

    def refused(self, asked: int) -> None:
        """Learn that a range of so many blocks was not."""
        self.blocks = max(1, asked // 2)
        self._taken = 0


async def log_range(endpoints: Endpoints, width: Width, ask: LogRange, at: Hash32) -> tuple[Log, ...]:
    """Return the range's logs in their order, on the branch that `at` is on.

    Raises Inconsistent where the chain has left that branch, Unavailable where a single block is refused.
    """
    reading = _Reading(endpoints, width, ask, at, at_number=await _number(endpoints, at))
    return tuple(await reading.between(ask.first, ask.last))


def is_suspicious(logs: int) -> bool:
    """Return whether an endpoint that answers with so many may have left off the rest."""
    return logs > 0 and (logs % 500 == 0 or (logs >= 512 and logs.bit_count() == 1))


@dataclass(frozen=True, slots=True)
class _Reading:
    """A range being read."""

    endpoints: Endpoints
    width: Width
    ask: LogRange
    at: Hash32
    at_number: int

    async def between(self, first: int, last: int) -> list[Log]:
        """Return the logs of these blocks, both included."""
        found: list[Log] = []
        silences = 0
        while first <= last:
            end = min(last, first + self.width.blocks - 1)
            job = partial(self._read, first=first, last=end, patient=silences < _MOST_SILENCES)
            answer = await self.endpoints.read(job, hedged=False)
            if isinstance(answer, tuple):
                self.width.taken()
                found += await self._held(answer, first, end)
                first, silences = end + 1, 0
                continue
            if end == first:
                raise Unavailable(f"the logs of block {first} are refused: {answer}")
            self.width.refused(end - first + 1)
            silences += isinstance(answer, Unavailable)
        return found

    async def _held(self, logs: tuple[Log, ...], first: int, last: int) -> tuple[Log, ...]:
        """Return the logs of these blocks, held against those of their halves where they may not be all."""
        if not is_suspicious(len(logs)) or first == last:
            return logs
        middle = (first + last) // 2
        halves = tuple(await self.between(first, middle) + await self.between(middle + 1, last))
        if len(halves) > len(logs):
            _log.warning(
                "an endpoint left off logs: it told %d of at least %d of blocks %d to %d",
                *(len(logs), len(halves), first, last),
            )
            self.width.refused(last - first + 1)
            return halves
        return logs

    async def _read(
        self, endpoint: Endpoint, *, first: int, last: int, patient: bool
    ) -> tuple[Log, ...] | RpcError | Unavailable:
        """Return the logs, or why they are refused. With `patient`, so is no answer: it may be too much."""
        wanted = log_filter(self.ask.emitters, self.ask.topics)
        requests = [
            Request("eth_getLogs", ({**wanted, "fromBlock": hex(first), "toBlock": hex(last)},)),
            # by the node that answered, and just now: so it cannot have answered for another branch
            Request("eth_getBlockByNumber", (hex(self.at_number), False)),
        ]
        try:
            logs, block = await endpoint.read(requests)
        except Unreachable:
            raise
        except Unavailable as error:
            if patient and last > first:
                return error
            raise
        if isinstance(logs, RpcError):
            return logs
        head = wire.head(result(block))
        if head is None or head.hash != self.at:
            raise Inconsistent(f"block {self.at_number} is not 0x{self.at.hex()} any more")
        return wire.logs(logs)


async def _number(endpoints: Endpoints, at: Hash32) -> int:
    async def job(endpoint: Endpoint) -> int:
        (reply,) = await endpoint.read([Request("eth_getBlockByHash", (wire.hex_data(at), False))])
        head = wire.head(result(reply))
        if head is None:
            raise Inconsistent(f"the node does not know block 0x{at.hex()}")
        return head.number

    return await endpoints.read(job)
