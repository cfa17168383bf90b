"""Others' transactions that are in no block yet, and what one would make of prices."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.address import Address, Hash32
from keeper.domain.token import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingTransaction:
    """A call, as it was heard of."""

    hash: Hash32
    sender: Address
    to: Address
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HintedCall:
    """A call that a private transaction makes, as far as it is told."""

    to: Address | None
    """None where that is not told."""
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HintedLog:
    """An event that a private transaction says."""

    emitter: Address
    topics: tuple[Hash32, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A transaction that is not public: its hash, and as much of it as its sender wants told."""

    hash: Hash32
    calls: tuple[HintedCall, ...]
    logs: tuple[HintedLog, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an aggregator is told that its feed's answer is."""

    aggregator: Address
    answer: int
    """In the feed's own decimals; below zero too, as feeds have failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leading:
    """A transaction of somebody else's that one of ours is to come right behind, in the same block."""

    hash: Hash32
    """As it was told: who tells of what is private may tell another than the transaction's own."""
    raw: bytes | None = None
    """None where no more than its hash is known: only a builder that has it can put it first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMove:
    """A price that a transaction changes."""

    market: str
    token: Token
    loan: Token | None
    """In what it is counted; None for the market's own currency."""
    was_base: int | None
    """As the protocol counts it; None where there is none."""
    then_base: int | None
