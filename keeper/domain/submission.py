"""Submissions: a plan once it is signed, and the one outcome that it comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from keeper.domain.address import Address, Hash32
from keeper.domain.carriage import Carried
from keeper.domain.plan import Fees
from keeper.domain.position import PositionId


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedTransaction:
    """Everything that an EIP-1559 signature covers."""

    chain_id: int
    nonce: int
    to: Address | None
    """None creates a contract."""
    value_wei: int
    data: bytes
    fees: Fees


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTransaction:
    """What a channel is given, and the hash that the chain will know it by."""

    raw: bytes
    hash: Hash32


class Purpose(StrEnum):
    """What a transaction is for."""

    LIQUIDATION = "liquidation"
    CANCELLATION = "cancellation"
    """To use up a nonce, so that nothing else that was signed for it can be included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One signed transaction and what is counted on with it. The journal can rebuild it whole.

    Those of one nonce are alternatives: at most one of them can ever be included.
    """

    market: str
    """Empty where it is a cancellation."""
    borrower: Address
    """The operator itself where it is a cancellation."""
    pools: frozenset[Address]
    """The pools whose depth it uses up."""
    operator: Address
    nonce: int
    transaction: SignedTransaction
    head_number: int
    """The head that it was decided upon."""
    head_hash: Hash32
    deadline_s: int
    """The last block time at which it may still run."""
    predicted_profit_wei: int
    """What it was expected to bring, after gas."""
    fees: Fees
    purpose: Purpose = Purpose.LIQUIDATION
    channels: tuple[str, ...] = ("public",)
    """The names of the channels that it is sent through."""
    is_private: bool = False
    """It, and whatever shares its nonce, is shown to nobody before it is in a block."""
    target_block: int | None = None
    """The only block that it was offered for; None where it may be in any until its deadline."""
    others: tuple[PositionId, ...] = ()
    """Whom else it closes."""
    rung: int = 0
    """How many larger sizes of the same plan were offered with its nonce: 0 where it is the plan itself."""

    @property
    def positions(self) -> tuple[PositionId, ...]:
        """Return every position that it closes."""
        return (PositionId(self.market, self.borrower), *self.others)

    @property
    def hash(self) -> Hash32:
        """Return the transaction's hash."""
        return self.transaction.hash


# --- how a channel answers ----------------------------------------------------------------------------------


class Refusal(StrEnum):
    """Why a channel did not take a transaction."""

    ALREADY_KNOWN = "already known"
    NONCE_TOO_LOW = "nonce too low"
    UNDERPRICED = "underpriced"
    REPLACEMENT_UNDERPRICED = "replacement underpriced"
    """Another transaction waits with its nonce, and it does not pay enough more than that one."""
    INSUFFICIENT_FUNDS = "insufficient funds"
    UNREACHABLE = "unreachable"
    """No connection came about: certainly nothing was sent."""
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The channel has the transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The channel did not take it, and said why."""

    kind: Refusal
    detail: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.detail}" if self.detail else self.kind.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """The answer was lost or made no sense: the channel may have the transaction, or not."""

    detail: str


Acceptance: TypeAlias = Accepted | Refused | Unclear


# --- what became of it --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Included:
    """It is in a block, and did what it was for."""

    block_number: int
    block_hash: Hash32
    gas_used: int
    effective_gas_price_wei: int
    vault_profit_wei: int
    """What reached the vault, tip deducted, as the executor measured it."""
    tip_wei: int
    l1_fee_wei: int = 0
    """What a rollup took for the transaction's data, beside its gas."""
    left_out: tuple[PositionId, ...] = ()
    """Whom it was to close and did not: of several one may fail alone."""
    carried: tuple[Carried, ...] = ()
    """What the vault paid, and what it keeps for it, as it said itself: neither profit nor loss."""

    @property
    def gas_wei(self) -> int:
        """Return what the gas cost."""
        return self.gas_used * self.effective_gas_price_wei

    @property
    def realised_profit_wei(self) -> int:
        """Return what was earned, after gas and L1 fee."""
        return self.vault_profit_wei - self.gas_wei - self.l1_fee_wei


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverted:
    """It is in a block, and was undone there: a race was lost, or a floor was not met. The gas is gone."""

    block_number: int
    block_hash: Hash32
    gas_used: int
    effective_gas_price_wei: int
    l1_fee_wei: int = 0
    """What a rollup took for the transaction's data, beside its gas."""

    @property
    def gas_wei(self) -> int:
        """Return what the gas cost."""
        return self.gas_used * self.effective_gas_price_wei

    @property
    def realised_profit_wei(self) -> int:
        """Return what was earned, after gas and L1 fee: less than nothing."""
        return -self.gas_wei - self.l1_fee_wei


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """It is in no block and can no longer do anything in one; its nonce is free again. It cost nothing."""

    head_number: int
    """The head at which that was certain."""
    why: str

    @property
    def realised_profit_wei(self) -> int:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """Another transaction of the same key took its nonce: it can never be included. It cost nothing."""

    head_number: int
    """The head at which that was certain."""

    @property
    def realised_profit_wei(self) -> int:
        return 0


Outcome: TypeAlias = Included | Reverted | Expired | Superseded


def decided_at(outcome: Outcome) -> int:
    """Return the number of the block that an outcome is read from: its own, or the head of that time."""
    return outcome.block_number if isinstance(outcome, Included | Reverted) else outcome.head_number
