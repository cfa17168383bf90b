"""The ledger: what became of everything that was sent, by the chain's own receipts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from keeper.devnet.addresses import Addresses
from keeper.devnet.demo.log import Sent
from keeper.devnet.demo.receipts import Receipt
from keeper.devnet.demo.report import Comparison, Failure, Liquidation, LostRace
from keeper.devnet.demo.rival import Bid
from keeper.devnet.demo.stage import Stage
from keeper.devnet.tokens import TOKENS
from keeper.domain.plan import Plan
from keeper.domain.position import PositionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Pursuit:
    """A plan of the keeper's, the transaction that it became, and what else could have been done."""

    plan: Plan
    sent: Sent
    comparison: Comparison


@dataclass(slots=True)
class Ledger:
    """Everything that landed so far."""

    stage: Stage
    liquidations: list[Liquidation] = field(default_factory=list)
    lost: list[LostRace] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    written_off_base: dict[PositionId, int] = field(default_factory=dict)
    """By position, in US dollars with eight decimals: debt that no collateral was left for."""
    closed: set[PositionId] = field(default_factory=set)
    """Whatever was liquidated, by the keeper or the rival."""

    def settle(self, pursuits: Sequence[Pursuit], bid: Bid | None) -> None:
        """Enter what the last block did with the keeper's transactions, and with the rival's."""
        taken = None
        if bid is not None:
            taken = self._receipt(bid.hash)
            if taken.succeeded:
                self._enter(taken)
        for pursuit in pursuits:
            receipt = self._receipt(f"0x{pursuit.sent.hash.hex()}")
            if receipt.succeeded:
                self._enter(receipt)
                self.liquidations.append(self._liquidation(pursuit, receipt))
            elif bid is not None and taken is not None and taken.succeeded and bid.plan == pursuit.plan:
                self.lost.append(_lost(bid, taken, receipt, self.stage.devnet.addresses))
            else:
                self.failures.append(
                    Failure(block_number=receipt.block_number, hash=pursuit.sent.hash, plan=pursuit.plan)
                )

    def _receipt(self, transaction: str) -> Receipt:
        return Receipt(self.stage.devnet.chain.receipt(transaction))

    def _enter(self, receipt: Receipt) -> None:
        """Enter which positions a transaction closed, and what was written off with it."""
        there, prices_base = self.stage.devnet.addresses, self.stage.devnet.prices_base()
        self.closed |= {one.position for one in receipt.seizures(there)}
        for position, symbol, raw in receipt.write_offs(there):
            value_base = TOKENS[symbol].value_base(raw, prices_base[symbol])
            self.written_off_base[position] = self.written_off_base.get(position, 0) + value_base

    def _liquidation(self, pursuit: Pursuit, receipt: Receipt) -> Liquidation:
        return Liquidation(
            block_number=receipt.block_number,
            hash=pursuit.sent.hash,
            plan=pursuit.plan,
            predicted_wei=pursuit.sent.predicted_profit_wei,
            arrived_wei=receipt.moved_raw(self.stage.devnet.addresses.weth, to=self.stage.vault),
            gas_wei=receipt.gas_wei,
            comparison=pursuit.comparison,
        )


def _lost(bid: Bid, taken: Receipt, ours: Receipt, there: Addresses) -> LostRace:
    return LostRace(
        block_number=ours.block_number,
        plan=bid.plan,
        place=ours.place,
        gas_used=ours.gas_used,
        gas_wei=ours.gas_wei,
        rival_place=taken.place,
        rival_priority_fee_wei=bid.priority_fee_wei,
        rival_paid_wei=taken.gas_wei,
        rival_seized_raw=sum(one.seized_raw for one in taken.seizures(there)),
    )
