"""Logs of many blocks: in ranges that shrink when an endpoint refuses them, and grow again.

Endpoints refuse for many reasons (too many blocks, too many results, too large, too slow) and in as many
words. None is parsed: whatever is refused is halved, until one block alone is.
"""

from __future__ import annotations

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
    at_number = await _number(endpoints, at)
    found: list[Log] = []
    first, silences = ask.first, 0
    while first <= ask.last:
        last = min(ask.last, first + width.blocks - 1)
        chunk = _Chunk(ask=ask, first=first, last=last, at=at, at_number=at_number)
        answer = await endpoints.read(partial(chunk.read, patient=silences < _MOST_SILENCES), hedged=False)
        if isinstance(answer, tuple):
            found += answer
            width.taken()
            first, silences = last + 1, 0
            continue
        if last == first:
            raise Unavailable(f"the logs of block {first} are refused: {answer}")
        width.refused(last - first + 1)
        silences += isinstance(answer, Unavailable)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """As much of a range as is asked for at once."""

    ask: LogRange
    first: int
    last: int
    at: Hash32
    at_number: int

    async def read(self, endpoint: Endpoint, *, patient: bool) -> tuple[Log, ...] | RpcError | Unavailable:
        """Return the logs, or why they are refused. With `patient`, so is no answer: it may be too much."""
        wanted = log_filter(self.ask.emitters, self.ask.topics)
        requests = [
            Request("eth_getLogs", ({**wanted, "fromBlock": hex(self.first), "toBlock": hex(self.last)},)),
            # by the node that answered, and just now: so it cannot have answered for another branch
            Request("eth_getBlockByNumber", (hex(self.at_number), False)),
        ]
        try:
            logs, block = await endpoint.read(requests)
        except Unreachable:
            raise
        except Unavailable as error:
            if patient and self.last > self.first:
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
