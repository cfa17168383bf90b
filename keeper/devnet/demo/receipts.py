"""What receipts prove: which tokens moved, who was liquidated, what the gas cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from keeper.abi import Event, load
from keeper.domain.address import Address


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction's receipt, as the node gave it."""

    told: Mapping[str, Any]

    @property
    def succeeded(self) -> bool:
        """Return whether it did what it was for."""
        return int(self.told["status"], 16) == 1

    @property
    def block_number(self) -> int:
        """Return the block it is in."""
        return int(self.told["blockNumber"], 16)

    @property
    def place(self) -> int:
        """Return its place in the block, from 0."""
        return int(self.told["transactionIndex"], 16)

    @property
    def gas_used(self) -> int:
        """Return the gas it was charged for."""
        return int(self.told["gasUsed"], 16)

    @property
    def gas_wei(self) -> int:
        """Return what that cost."""
        return self.gas_used * int(self.told["effectiveGasPrice"], 16)

    def moved_raw(self, token: Address, *, to: Address | None = None, sender: Address | None = None) -> int:
        """Return how much of a token was transferred to an account, or by one, by the token's own events."""
        return sum(
            transfer["value"]
            for transfer in self._events(token, load("erc20").event("Transfer"))
            if to in (None, transfer["to"]) and sender in (None, transfer["from"])
        )

    def liquidated(self, pool: Address) -> tuple[Address, ...]:
        """Return whose positions were closed, by the pool's own events."""
        event = load("aave_v3_pool").event("LiquidationCall")
        return tuple(Address(call["user"]) for call in self._events(pool, event))

    def seized_raw(self, pool: Address) -> int:
        """Return how much collateral was seized, by the pool's own events."""
        event = load("aave_v3_pool").event("LiquidationCall")
        return sum(call["liquidatedCollateralAmount"] for call in self._events(pool, event))

    def deficits(self, pool: Address) -> tuple[tuple[Address, Address, int], ...]:
        """Return what the pool wrote off, by its own events: whose debt, of which token, how much."""
        event = load("aave_v3_pool").event("DeficitCreated")
        return tuple(
            (Address(one["user"]), Address(one["debtAsset"]), one["amountCreated"])
            for one in self._events(pool, event)
        )

    def _events(self, emitter: Address, event: Event) -> Iterator[dict[str, Any]]:
        for log in self.told["logs"]:
            topics = [_raw(topic) for topic in log["topics"]]
            if _raw(log["address"]) == emitter and topics[0] == event.topic:
                yield event.decode(topics, _raw(log["data"]))


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
