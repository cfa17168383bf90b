"""A simulation: transactions in a block of their own on top of a mined one, by ``eth_simulateV1``.

With `validation` on, the base fee counts as in a real block (without it nodes set it to 0), so each call
carries a fee that meets it exactly, and each sender is given the coins for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from keeper.domain.errors import Unavailable
from keeper.domain.state import Overlay, StateRef
from keeper.live.part import Absorbed, result, state_diff
from keeper.node import wire
from keeper.node.endpoint import Reply, Request
from keeper.query import Simulate, Simulated

_GAS_LIMIT = 2**24
"""The most that a transaction may have (EIP-7825)."""
_PURSE_WEI = 10**27


class _Error(msgspec.Struct):
    data: Any = None


class _Call(msgspec.Struct, rename="camel"):
    status: str
    gas_used: str
    return_data: str = "0x"
    error: _Error | None = None


class _Block(msgspec.Struct):
    calls: list[_Call]


_BLOCKS = msgspec.json.Decoder(list[_Block])


@dataclass(frozen=True, slots=True)
class Simulation:
    """One `Simulate`, in one request."""

    ask: Simulate
    at: StateRef

    def requests(self) -> Sequence[Request]:
        """Return the one request."""
        block = self.ask.block
        overrides: dict[str, dict[str, Any]] = {}
        if isinstance(self.at, Overlay):
            overrides.update(state_diff(self.at))
        transactions: list[dict[str, str]] = []
        for call in self.ask.calls:
            sender = wire.hex_data(call.sender)
            overrides[sender] = {**overrides.get(sender, {}), "balance": hex(_PURSE_WEI)}
            transactions.append(
                {
                    "from": sender,
                    "to": wire.hex_data(call.to),
                    "input": wire.hex_data(call.data),
                    "gas": hex(_GAS_LIMIT),
                    "maxFeePerGas": hex(block.base_fee_wei),
                    "maxPriorityFeePerGas": "0x0",
                }
            )
        context = {
            "number": hex(block.number),
            "time": hex(block.timestamp_s),
            "baseFeePerGas": hex(block.base_fee_wei),
            "feeRecipient": wire.hex_data(block.coinbase),
            "gasLimit": hex(_GAS_LIMIT * max(1, len(transactions))),
        }
        blocks = [{"blockOverrides": context, "stateOverrides": overrides, "calls": transactions}]
        payload = {"blockStateCalls": blocks, "validation": True}
        return [Request("eth_simulateV1", (payload, wire.pinned(self.at.hash)))]

    def absorb(self, replies: Sequence[Reply]) -> Absorbed:
        """Return what became of each transaction."""
        (reply,) = replies
        blocks = wire.decoded(result(reply), _BLOCKS, "a simulation")
        calls = [call for block in blocks for call in block.calls]
        if len(calls) != len(self.ask.calls):
            raise Unavailable(f"the node simulated {len(calls)} of {len(self.ask.calls)} transactions")
        return Absorbed({self.ask: tuple(_simulated(call) for call in calls)})


def _simulated(call: _Call) -> Simulated:
    reverted = wire.number(call.status) != 1
    told = call.error.data if reverted and call.error is not None else None  # where geth puts it
    return Simulated(
        reverted=reverted,
        gas_used=wire.number(call.gas_used),
        returned=wire.octets(told if isinstance(told, str) else call.return_data),
    )
