"""A part of an answer: some asks, the JSON-RPC requests for them, and what to make of the replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from keeper.domain.errors import Inconsistent, Unavailable
from keeper.domain.state import Overlay
from keeper.node import wire
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Reply, Request
from keeper.node.spellings import is_unknown_state
from keeper.query import Answer, Ask


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What a round of replies told, and what is still to be asked in the next."""

    answers: Mapping[Ask, Answer]
    parts: Sequence[Part] = ()


class Part(Protocol):
    """Some asks at one state."""

    def requests(self) -> Sequence[Request]:
        """Return the requests to make."""
        ...

    def absorb(self, replies: Sequence[Reply]) -> Absorbed:
        """Return what the replies, one for each request, tell.

        Raises Unavailable where they make no sense, Inconsistent where the node does not know the state.
        """
        ...


def result(reply: Reply) -> msgspec.Raw:
    """Return a reply's result. Raises Inconsistent or Unavailable where the node refused."""
    if isinstance(reply, RpcError):
        raise refusal(reply)
    return reply


def refusal(error: RpcError) -> Inconsistent | Unavailable:
    """Return what a refused read means to whoever asked."""
    if is_unknown_state(error):
        return Inconsistent(f"the node does not know that state: {error}")
    return Unavailable(str(error))


def state_diff(at: Overlay) -> dict[str, dict[str, Any]]:
    """Return an overlay as the overrides that ``eth_call`` and ``eth_simulateV1`` take."""
    overrides: dict[str, dict[str, Any]] = {
        wire.hex_data(contract): {
            "stateDiff": {wire.hex_data(slot): wire.hex_data(word) for slot, word in words.items()}
        }
        for contract, words in at.storage.items()
    }
    for contract, code in at.code.items():
        overrides.setdefault(wire.hex_data(contract), {})["code"] = wire.hex_data(code)
    return overrides
