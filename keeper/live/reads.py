"""Logs of one block, and accounts at one: a request or three.

All that is asked about one block's logs is asked at once, and told apart here; the block's header comes
along, and its bloom is held against them. Where logs seem to be missing all of the block's are asked for:
those make up its bloom, or the node is not believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.domain.address import Hash32
from keeper.domain.errors import Inconsistent, Unavailable
from keeper.live.bloom import Bloom
from keeper.live.part import Absorbed, result
from keeper.node import wire
from keeper.node.endpoint import Reply, Request
from keeper.query import Account, AccountState, Ancestors, Answer, Ask, Balance, Log, LogRange, Logs


@dataclass(frozen=True, slots=True)
class BlockLogs:
    """The logs of the block asked about, for everybody who asks for some."""

    asks: tuple[Logs, ...]
    at: Hash32

    def requests(self) -> Sequence[Request]:
        """Return the header's request, and one for the logs of given topics, one for those of any."""
        at = wire.hex_data(self.at)
        return [
            Request("eth_getBlockByHash", (at, False)),
            *(Request("eth_getLogs", ({**wanted, "blockHash": at},)) for wanted in filters(self.asks)),
        ]

    def absorb(self, replies: Sequence[Reply]) -> Absorbed:
        """Return the logs; or a part that asks for all of the block's, where some seem to be missing."""
        block, *lists = map(result, replies)
        header = wire.bloom(block)
        told = [log for one in lists for log in wire.logs(one, block_hash=self.at)]
        found = sorted(set(told), key=lambda log: log.log_index)
        if header is None:
            raise Inconsistent(f"the node does not know block 0x{self.at.hex()}")
        bloom = Bloom(header)
        if bloom.is_kept:
            if (foreign := bloom.foreign(found)) is not None:
                raise Unavailable(f"a log of 0x{foreign.emitter.hex()} is not in its block's bloom")
            if any(bloom.missing(ask, _matching(ask, found)) for ask in self.asks):
                return Absorbed({}, [AllLogs(self.asks, self.at, bloom)])
        return Absorbed(told_apart(self.asks, found))


@dataclass(frozen=True, slots=True)
class AllLogs:
    """Every log of the block, which together must make up its bloom."""

    asks: tuple[Logs, ...]
    at: Hash32
    bloom: Bloom

    def requests(self) -> Sequence[Request]:
        """Return the one request."""
        return [Request("eth_getLogs", ({"blockHash": wire.hex_data(self.at)},))]

    def absorb(self, replies: Sequence[Reply]) -> Absorbed:
        """Return the logs asked for among them. Raises Unavailable where they are not all."""
        found = wire.logs(result(replies[0]), block_hash=self.at)
        if Bloom.of(found) != self.bloom:
            raise Unavailable(
                f"the logs of block 0x{self.at.hex()} do not make up its bloom: some are missing"
            )
        return Absorbed(told_apart(self.asks, found))


@dataclass(frozen=True, slots=True)
class HashesBelow:
    """The hashes of blocks below the one asked about, as long as that one is on the node's chain."""

    asks: tuple[Ancestors, ...]
    """All below the same one."""
    at: Hash32

    def requests(self) -> Sequence[Request]:
        """Return a request for each block, and one for the block asked about: by the same node, last."""
        numbers = (*self._numbers, self.asks[0].head_number)
        return [Request("eth_getBlockByNumber", (hex(number), False)) for number in numbers]

    def absorb(self, replies: Sequence[Reply]) -> Absorbed:
        """Return the hashes. Raises Inconsistent where the chain has left the block asked about."""
        *below, head = (wire.head(result(reply)) for reply in replies)
        if head is None or head.hash != self.at:
            raise Inconsistent(f"block {self.asks[0].head_number} is not 0x{self.at.hex()} any more")
        if None in below:
            raise Unavailable(f"the node has no block at one of {self._numbers}")
        hashes = {number: block.hash for number, block in zip(self._numbers, below, strict=True) if block}
        return Absorbed({ask: tuple([hashes[number] for number in ask.numbers]) for ask in self.asks})

    @property
    def _numbers(self) -> tuple[int, ...]:
        return tuple(sorted({number for ask in self.asks for number in ask.numbers}))


@dataclass(frozen=True, slots=True)
class OneAccount:
    """Nonce, balance and code of an account."""

    ask: Account
    at: Hash32

    def requests(self) -> Sequence[Request]:
        """Return the three requests."""
        params = (wire.hex_data(self.ask.address), wire.pinned(self.at))
        return [
            Request("eth_getTransactionCount", params),
            Request("eth_getBalance", params),
            Request("eth_getCode", params),
        ]

    def absorb(self, replies: Sequence[Reply]) -> Absorbed:
        """Return the account's state."""
        nonce, balance, code = (result(reply) for reply in replies)
        state = AccountState(wire.quantity(nonce), wire.quantity(balance), wire.data(code))
        return Absorbed({self.ask: state})


@dataclass(frozen=True, slots=True)
class OneBalance:
    """The coins of an account."""

    ask: Balance
    at: Hash32

    def requests(self) -> Sequence[Request]:
        """Return the one request."""
        return [Request("eth_getBalance", (wire.hex_data(self.ask.address), wire.pinned(self.at)))]

    def absorb(self, replies: Sequence[Reply]) -> Absorbed:
        """Return the balance."""
        return Absorbed({self.ask: wire.quantity(result(replies[0]))})


def log_filter(emitters: Sequence[bytes], topics: Sequence[Hash32]) -> dict[str, object]:
    """Return the part of a log filter that says whose logs and which."""
    wanted: dict[str, object] = {"address": [wire.hex_data(emitter) for emitter in emitters]}
    if topics:
        wanted["topics"] = [[wire.hex_data(topic) for topic in topics]]
    return wanted


def filters(asks: Sequence[Logs | LogRange]) -> list[dict[str, object]]:
    """Return what all of these ask for, as filters: one of given topics, one of any."""
    groups = ([ask for ask in asks if ask.topics], [ask for ask in asks if not ask.topics])
    return [_of_all(group) for group in groups if group]


def _of_all(asks: Sequence[Logs | LogRange]) -> dict[str, object]:
    return log_filter(
        tuple(dict.fromkeys(emitter for ask in asks for emitter in ask.emitters)),
        tuple(dict.fromkeys(topic for ask in asks for topic in ask.topics)),
    )


def told_apart(asks: Sequence[Logs | LogRange], found: Sequence[Log]) -> Mapping[Ask, Answer]:
    """Return what of these logs each asked for, in their order."""
    return {ask: _matching(ask, found) for ask in asks}


def _matching(ask: Logs | LogRange, found: Sequence[Log]) -> tuple[Log, ...]:
    emitters, topics = frozenset(ask.emitters), frozenset(ask.topics)
    return tuple(
        [
            log
            for log in found
            if log.emitter in emitters and (not topics or (log.topics and log.topics[0] in topics))
        ]
    )
