"""The journal beside the chain: what was sent twice, what is stuck, what is lost, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from keeper.devnet.demo.receipts import Receipt
from keeper.devnet.drill.stage import DaemonStage, Lines, balance_raw
from keeper.domain.address import Hash32
from keeper.domain.position import PositionId
from keeper.domain.submission import Included, Outcome, Reverted, Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """A transaction of the keeper's that is in a block."""

    nonce: int
    receipt: Receipt
    closed: frozenset[PositionId]

    def is_told_by(self, outcome: Outcome | None) -> bool:
        """Return whether an outcome is this, to the unit of gas."""
        return (
            isinstance(outcome, Included if self.receipt.succeeded else Reverted)
            and outcome.block_number == self.receipt.block_number
            and outcome.gas_used == self.receipt.gas_used
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What became of everything; the last four are 0 where nothing went wrong."""

    sent: int = 0
    """Transactions that were intended."""
    included: int = 0
    """Those that a block took and that did what they were for."""
    double: int = 0
    """Nonces with two outcomes in blocks, and positions closed again by who had not seen the first time."""
    stuck: int = 0
    """Intents without an outcome, transactions left in the pool, and faults not got over in two blocks."""
    lost: int = 0
    """Transactions on the chain of which the journal says nothing, or something else."""
    ledger_difference_wei: int = 0
    """Of the vault's balance, and of what the operator paid for gas."""

    def __add__(self, other: Audit) -> Audit:
        """Return both together."""
        return Audit(
            sent=self.sent + other.sent,
            included=self.included + other.included,
            double=self.double + other.double,
            stuck=self.stuck + other.stuck,
            lost=self.lost + other.lost,
            ledger_difference_wei=self.ledger_difference_wei + other.ledger_difference_wei,
        )

    @property
    def is_sound(self) -> bool:
        """Return whether nothing went wrong."""
        return not (self.double or self.stuck or self.lost or self.ledger_difference_wei)


def audit(stage: DaemonStage, *, left_in_pool: int) -> Audit:
    """Hold the journal to the chain, with the keeper at rest."""
    journal, chain = stage.journal(), landed(stage)
    told = [outcome for _, outcome in journal]
    return Audit(
        sent=len(journal),
        included=sum(isinstance(one, Included) for one in told),
        double=double(journal, chain),
        stuck=told.count(None) + left_in_pool,
        lost=lost(journal, chain),
        ledger_difference_wei=_difference_wei(stage, told),
    )


def landed(stage: DaemonStage) -> dict[Hash32, Landed]:
    """Return the keeper's transactions on the chain, by hash: found in its blocks, not by the journal."""
    rpc, operator = stage.devnet.anvil.rpc, f"0x{stage.devnet.operator.address.hex()}"
    numbers = range(stage.first_block, stage.devnet.chain.block_number() + 1)
    blocks = rpc.batch([("eth_getBlockByNumber", (hex(number), True)) for number in numbers])
    ours = [one for block in blocks for one in block["transactions"] if one["from"] == operator]
    found = rpc.batch([("eth_getTransactionReceipt", (one["hash"],)) for one in ours])
    return {
        Hash32(bytes.fromhex(one["hash"][2:])): Landed(
            nonce=int(one["nonce"], 16),
            receipt=receipt,
            closed=frozenset(seizure.position for seizure in receipt.seizures(stage.devnet.addresses)),
        )
        for one, receipt in zip(ours, map(Receipt, found), strict=True)
    }


def double(journal: Lines, chain: Mapping[Hash32, Landed]) -> int:
    """Return how often something was done twice."""
    nonces = Counter(one.nonce for one, told in journal if isinstance(told, Included | Reverted))
    intended: Mapping[Hash32, Submission] = {one.hash: one for one, _ in journal}
    twice = sum(times - 1 for times in nonces.values())
    closed_in: dict[PositionId, int] = {}
    for hash_, one in sorted(chain.items(), key=lambda entry: entry[1].nonce):
        for position in one.closed:
            if hash_ in intended and intended[hash_].head_number < closed_in.get(position, 0):
                twice += 1
            closed_in[position] = one.receipt.block_number
    return twice


def lost(journal: Lines, chain: Mapping[Hash32, Landed]) -> int:
    """Return of how many transactions the journal does not tell what the chain does."""
    told = {one.hash: outcome for one, outcome in journal}
    unknown = sum(not one.is_told_by(told.get(hash_)) for hash_, one in chain.items())
    imagined = sum(
        isinstance(outcome, Included | Reverted) and hash_ not in chain for hash_, outcome in told.items()
    )
    return unknown + imagined


def _difference_wei(stage: DaemonStage, told: list[Outcome | None]) -> int:
    """Return by how much the ledger's profit and gas are not what vault and operator have, in wei."""
    profit_wei = sum(one.vault_profit_wei for one in told if isinstance(one, Included))
    gas_wei = sum(one.gas_wei + one.l1_fee_wei for one in told if isinstance(one, Included | Reverted))
    operator = f"0x{stage.devnet.operator.address.hex()}"
    before_wei, after_wei = (
        int(stage.devnet.anvil.rpc("eth_getBalance", operator, block), 16)
        for block in (hex(stage.first_block - 1), "latest")
    )
    vault_wei = balance_raw(stage.devnet, stage.devnet.addresses.weth, stage.vault)
    return abs(profit_wei - vault_wei) + abs(gas_wei - (before_wei - after_wei))
