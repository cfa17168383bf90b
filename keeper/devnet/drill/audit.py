"""The journal beside the chain: what was sent twice, what is stuck, what is lost, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keeper.devnet.demo.receipts import Receipt, Seizure
from keeper.devnet.drill.stage import DaemonStage, balance_raw
from keeper.devnet.written import Lines
from keeper.domain.address import Hash32
from keeper.domain.position import PositionId
from keeper.domain.submission import Included, Outcome, Reverted, Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """A transaction of the keeper's that is in a block."""

    nonce: int
    receipt: Receipt
    data: bytes
    """What it calls its target with."""
    timestamp_s: int
    """Of its block."""
    seizures: tuple[Seizure, ...]

    @property
    def closed(self) -> frozenset[PositionId]:
        """Return the positions that it closed."""
        return frozenset(one.position for one in self.seizures)

    def is_told_by(self, outcome: Outcome | None) -> bool:
        """Return whether an outcome is this, to the unit of gas."""
        return (
            isinstance(outcome, Included if self.receipt.succeeded else Reverted)
            and outcome.block_number == self.receipt.block_number
            and outcome.gas_used == self.receipt.gas_used
        )

    def __str__(self) -> str:
        did = "succeeded" if self.receipt.succeeded else "reverted"
        return f"{did} in block {self.receipt.block_number} with {self.receipt.gas_used} gas"


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
    findings: tuple[str, ...] = ()
    """Each thing that went wrong, told to a person."""

    def __add__(self, other: Audit) -> Audit:
        """Return both together."""
        return Audit(
            sent=self.sent + other.sent,
            included=self.included + other.included,
            double=self.double + other.double,
            stuck=self.stuck + other.stuck,
            lost=self.lost + other.lost,
            ledger_difference_wei=self.ledger_difference_wei + other.ledger_difference_wei,
            findings=self.findings + other.findings,
        )

    @property
    def is_sound(self) -> bool:
        """Return whether nothing went wrong."""
        return not (self.double or self.stuck or self.lost or self.ledger_difference_wei)


def audit(stage: DaemonStage, *, left_in_pool: Iterable[str]) -> Audit:
    """Hold the journal to the chain, with the keeper at rest; it left these transactions in the pool."""
    journal, chain = stage.journal(), landed(stage)
    told = [outcome for _, outcome in journal]
    twice, gone = double(journal, chain), lost(journal, chain)
    waiting = (*stuck(journal), *(f"{one} is left in the pool" for one in left_in_pool))
    return Audit(
        sent=len(journal),
        included=sum(isinstance(one, Included) for one in told),
        double=len(twice),
        stuck=len(waiting),
        lost=len(gone),
        ledger_difference_wei=_difference_wei(stage, told),
        findings=(*twice, *waiting, *gone),
    )


def landed(stage: DaemonStage) -> dict[Hash32, Landed]:
    """Return the keeper's transactions on the chain, by hash: found in its blocks, not by the journal."""
    rpc, operator = stage.devnet.anvil.rpc, f"0x{stage.devnet.operator.address.hex()}"
    numbers = range(stage.first_block, stage.devnet.chain.block_number() + 1)
    blocks = rpc.batch([("eth_getBlockByNumber", (hex(number), True)) for number in numbers])
    ours = [(block, one) for block in blocks for one in block["transactions"] if one["from"] == operator]
    found = rpc.batch([("eth_getTransactionReceipt", (one["hash"],)) for _, one in ours])
    return {
        Hash32(bytes.fromhex(one["hash"][2:])): Landed(
            nonce=int(one["nonce"], 16),
            receipt=receipt,
            data=bytes.fromhex(one["input"][2:]),
            timestamp_s=int(block["timestamp"], 16),
            seizures=tuple(receipt.seizures(stage.devnet.addresses)),
        )
        for (block, one), receipt in zip(ours, map(Receipt, found), strict=True)
    }


def double(journal: Lines, chain: Mapping[Hash32, Landed]) -> tuple[str, ...]:
    """Return what was done twice."""
    nonces = Counter(one.nonce for one, told in journal if isinstance(told, Included | Reverted))
    twice = [f"nonce {nonce}: {times} outcomes in blocks" for nonce, times in nonces.items() if times > 1]
    intended: Mapping[Hash32, Submission] = {one.hash: one for one, _ in journal}
    closed_in: dict[PositionId, int] = {}
    for hash_, one in sorted(chain.items(), key=lambda entry: entry[1].nonce):
        for position in one.closed:
            before = closed_in.get(position, 0)
            if hash_ in intended and intended[hash_].head_number < before:
                twice.append(f"nonce {one.nonce}: closed {position} again, unaware of block {before}")
            closed_in[position] = one.receipt.block_number
    return tuple(twice)


def stuck(journal: Lines) -> tuple[str, ...]:
    """Return the intents that came to no outcome."""
    return tuple(
        f"nonce {one.nonce}: 0x{one.hash.hex()}, decided upon block {one.head_number}, has no outcome"
        for one, told in journal
        if told is None
    )


def lost(journal: Lines, chain: Mapping[Hash32, Landed]) -> tuple[str, ...]:
    """Return the transactions of which the journal does not tell what the chain does."""
    told = {one.hash: outcome for one, outcome in journal}
    nonces = {one.hash: one.nonce for one, _ in journal}
    unknown = [
        f"nonce {one.nonce}: 0x{hash_.hex()} {one}, and the journal says {told.get(hash_, 'nothing of it')}"
        for hash_, one in chain.items()
        if not one.is_told_by(told.get(hash_))
    ]
    imagined = [
        f"nonce {nonces[hash_]}: 0x{hash_.hex()} is nowhere on the chain, and the journal says {outcome}"
        for hash_, outcome in told.items()
        if isinstance(outcome, Included | Reverted) and hash_ not in chain
    ]
    return (*unknown, *imagined)


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
