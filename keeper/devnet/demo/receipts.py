"""What receipts prove: which tokens moved, who was liquidated, what the gas cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from keeper.abi import Event, load
from keeper.devnet.addresses import Addresses
from keeper.domain.address import Address, Hash32
from keeper.domain.position import PositionId

_MORPHO = load("morpho_blue")


class Seizure(NamedTuple):
    """A liquidation: of which position, how much collateral, and who got it."""

    position: PositionId
    seized_raw: int
    liquidator: Address
    tokens: bytes = b""
    """The debt and the collateral, where a position may have several."""


class WriteOff(NamedTuple):
    """Debt that no collateral was left for: whose, in which token."""

    position: PositionId
    symbol: str
    raw: int


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
    def block_hash(self) -> Hash32:
        """Return the hash of that block."""
        return Hash32(_raw(self.told["blockHash"]))

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

    def seizures(self, there: Addresses) -> Iterator[Seizure]:
        """Yield every liquidation, by the markets' own events.

        A pre-liquidation is none of Morpho's own: a contract withdraws collateral for its borrower.
        """
        for call in self._events(there.pool, load("aave_v3_pool").event("LiquidationCall")):
            yield Seizure(
                PositionId(there.aave_market, Address(call["user"])),
                call["liquidatedCollateralAmount"],
                Address(call["liquidator"]),
                call["debtAsset"] + call["collateralAsset"],
            )
        for call in self._events(there.morpho, _MORPHO.event("Liquidate")):
            market = there.morpho_market(Hash32(call["id"]))
            position = PositionId(market, Address(call["borrower"]))
            yield Seizure(position, call["seizedAssets"], Address(call["caller"]))
        for call in self._events(there.morpho, _MORPHO.event("WithdrawCollateral")):
            contract = Address(call["caller"])
            if contract in there.pre_contracts.values():
                position = PositionId(there.pre_market(contract), Address(call["onBehalf"]))
                yield Seizure(position, call["assets"], Address(call["receiver"]))

    def write_offs(self, there: Addresses) -> Iterator[WriteOff]:
        """Yield what was written off, by the markets' own events."""
        symbols = {token: symbol for symbol, token in there.tokens.items()}
        for one in self._events(there.pool, load("aave_v3_pool").event("DeficitCreated")):
            position = PositionId(there.aave_market, Address(one["user"]))
            yield WriteOff(position, symbols[Address(one["debtAsset"])], one["amountCreated"])
        pairs = {id_: pair for pair, id_ in there.morpho_ids.items()}
        for one in self._events(there.morpho, _MORPHO.event("Liquidate")):
            id_ = Hash32(one["id"])
            if one["badDebtAssets"]:
                position = PositionId(there.morpho_market(id_), Address(one["borrower"]))
                yield WriteOff(position, pairs[id_].partition("/")[2], one["badDebtAssets"])

    def _events(self, emitter: Address, event: Event) -> Iterator[dict[str, Any]]:
        for log in self.told["logs"]:
            topics = [_raw(topic) for topic in log["topics"]]
            if _raw(log["address"]) == emitter and topics[0] == event.topic:
                yield event.decode(topics, _raw(log["data"]))


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
