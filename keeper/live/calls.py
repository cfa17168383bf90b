"""Calls at one state: packed into as few ``eth_call`` requests as they fit in, and never mistaken.

A packed call has only the gas that those before it left. One that burns all it is given (an ``INVALID``, an
endless loop) therefore looks the same as its innocent neighbours: failed, and silent. So where a call of a
pack fails without a word, it and all after it are asked again, with a probe behind them that costs a million
gas or so. Where it is answered, every call before it had as much, and none burnt what a node gives to a pack:
who failed without a word would have failed alone. Packs with such functions in them have a probe from then
on. Where it is not answered, each is asked alone; and those that are silent even then are so the next time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from keeper.domain.address import Address
from keeper.domain.errors import Unavailable
from keeper.domain.state import Overlay, StateRef
from keeper.live.multicall import MULTICALL3, decode, encode
from keeper.live.part import Absorbed, Part, refusal, result, state_diff
from keeper.node import wire
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Reply, Request
from keeper.node.spellings import is_unknown_state, revert_data
from keeper.query import Answer, Ask, Call, Reverted

_USUAL_CALLS = 250
_MOST_CALLS = 1_000
_PACKS = 2
"""As many requests of a batch are left to calls; more calls than fit in go into larger packs first."""
_FEWEST_CALLS = 16
_MOST_BYTES = 100_000
_MOST_REMEMBERED = 10_000

_SILENT = Reverted(b"")
_PROBED = bytes(768)
_PROBE = Call(
    Address((5).to_bytes(20)),
    b"".join(len(part).to_bytes(32) for part in (_PROBED, bytes(32), _PROBED)) + _PROBED + b"\xff" * 32,
)
"""A power of 0 modulo 0, of numbers so long that the contract charges 0.8 million gas for it by EIP-2565, 4.7
by EIP-7883. It takes no time to compute, and gives as many zeros as the modulus is long.
"""


@dataclass(slots=True)
class Packing:
    """How calls are packed, as far as the endpoints have taught it."""

    calls: int = _MOST_CALLS
    """In one pack. Halved where one was too much, and one more with each that was not."""
    available: bool = True
    """There is a Multicall3 on this chain."""
    silent: set[Call] = field(default_factory=set)
    """Calls that fail without a word, also alone."""
    reticent: set[bytes] = field(default_factory=set)
    """Selectors of functions that some contract was asked for and did not have."""

    def parts(self, calls: Sequence[Call], at: StateRef) -> list[Part]:
        """Return the parts that ask these calls."""
        if not self.available:
            return [OneCall(call, at, self) for call in calls]
        alone = [call for call in calls if call in self.silent]
        packed = [call for call in calls if call not in self.silent] if alone else calls
        parts: list[Part] = [OneCall(call, at, self) for call in alone]
        for pack in self._packs(packed):
            if len(pack) == 1:
                parts.append(OneCall(pack[0], at, self))
                continue
            doubtful = bool(self.reticent) and not self.reticent.isdisjoint([call.data[:4] for call in pack])
            parts.append(Pack(pack, at, self, probed=doubtful))
        return parts

    def _packs(self, calls: Sequence[Call]) -> Iterator[tuple[Call, ...]]:
        most = min(self.calls, max(_USUAL_CALLS, -(-len(calls) // _PACKS)))
        pack: list[Call] = []
        size = 0
        for call in calls:
            if pack and (len(pack) >= most or size + len(call.data) > _MOST_BYTES):
                yield tuple(pack)
                pack, size = [], 0
            pack.append(call)
            size += len(call.data)
        if pack:
            yield tuple(pack)

    def too_many(self, calls: int) -> None:
        """Learn that so many calls were too much for one pack."""
        self.calls = max(_FEWEST_CALLS, min(self.calls, calls // 2))

    def taken(self) -> None:
        """Learn that a pack was not too much."""
        self.calls = min(_MOST_CALLS, self.calls + 1)

    def keeps_silent(self, call: Call) -> None:
        """Learn that a call fails without a word also when it is alone."""
        if len(self.silent) >= _MOST_REMEMBERED:
            self.silent.clear()
        self.silent.add(call)


@dataclass(frozen=True, slots=True)
class Pack:
    """Several calls in one request, through Multicall3."""

    calls: tuple[Call, ...]
    at: StateRef
    packing: Packing
    probed: bool = False
    """Whether the probe comes behind them."""

    def requests(self) -> Sequence[Request]:
        """Return the one request."""
        calls = (*self.calls, _PROBE) if self.probed else self.calls
        return [_eth_call(MULTICALL3, _packed(calls), self.at)]

    def absorb(self, replies: Sequence[Reply]) -> Absorbed:
        """Return the calls' answers, and those calls again that this pack can't speak for."""
        (reply,) = replies
        if isinstance(reply, RpcError):
            if is_unknown_state(reply):
                raise refusal(reply)
            self.packing.too_many(len(self.calls))
            return Absorbed({}, self._smaller())
        answer = wire.data(reply)
        if not answer:
            self.packing.available = False
            return Absorbed({}, self._alone(self.calls))
        try:
            results = decode(answer, len(self.calls) + self.probed)
        except ValueError as error:
            raise Unavailable(f"an answer that is not Multicall3's: {error}") from None
        gas_was_left = self.probed and results.pop() == _PROBED
        silent = [place for place, one in enumerate(results) if one == _SILENT] if _SILENT in results else []
        if gas_was_left:
            self.packing.reticent.update(self.calls[place].data[:4] for place in silent)
        if gas_was_left or not silent:
            self.packing.taken()
            return Absorbed(dict(zip(self.calls, results, strict=True)))
        if silent[-1] == len(results) - 1:  # perhaps the gas came to its end
            self.packing.too_many(len(self.calls))
        first = next(place for place, one in enumerate(results) if isinstance(one, Reverted))
        sure = dict[Ask, Answer](zip(self.calls[:first], results[:first], strict=True))
        doubted = self.calls[first:]
        if self.probed or len(doubted) == 1:
            return Absorbed(sure, self._alone(doubted))
        return Absorbed(sure, [Pack(doubted, self.at, self.packing, probed=True)])

    def _smaller(self) -> list[Part]:
        size = max(1, len(self.calls) // 8)
        packs = [self.calls[at : at + size] for at in range(0, len(self.calls), size)]
        if size == 1:
            return self._alone(self.calls)
        return [Pack(pack, self.at, self.packing, probed=self.probed) for pack in packs]

    def _alone(self, calls: Sequence[Call]) -> list[Part]:
        return [OneCall(call, self.at, self.packing) for call in calls]


@dataclass(frozen=True, slots=True)
class OneCall:
    """One call in a request of its own."""

    call: Call
    at: StateRef
    packing: Packing

    def requests(self) -> Sequence[Request]:
        """Return the one request."""
        return [_eth_call(self.call.to, wire.hex_data(self.call.data), self.at)]

    def absorb(self, replies: Sequence[Reply]) -> Absorbed:
        """Return the call's answer."""
        (reply,) = replies
        if isinstance(reply, RpcError) and (data := revert_data(reply)) is not None:
            if not data:
                self.packing.keeps_silent(self.call)
            return Absorbed({self.call: Reverted(data)})
        return Absorbed({self.call: wire.data(result(reply))})


@lru_cache(maxsize=8)
def _packed(calls: tuple[Call, ...]) -> str:
    """Return the data of a pack: mostly it is that of the head before."""
    return wire.hex_data(encode(calls))


def _eth_call(to: Address, data: str, at: StateRef) -> Request:
    told: list[object] = [{"to": wire.hex_data(to), "data": data}, wire.pinned(at.hash)]
    if isinstance(at, Overlay):
        told.append(state_diff(at))
    return Request("eth_call", told)
