"""What a backtest asks of the past besides what a World answers: values that go on tape as they are.

A question is a struct, its answer another; `Past` answers. Amounts are exact: in JSON they have no bound.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias, TypeVar

import msgspec

from keeper.domain.errors import Unavailable
from keeper.domain.head import Head
from keeper.query import Log

T = TypeVar("T")


class Asking(msgspec.Struct, frozen=True, tag=True):
    """The root of all questions."""


# --- blocks -------------------------------------------------------------------------------------------------


class Headers(Asking, frozen=True):
    """The headers of blocks `first` to `last`, both included."""

    first: int
    last: int


class Transactions(Asking, frozen=True):
    """The transactions of a block, in their order."""

    number: int
    hash: bytes


class Mined(msgspec.Struct, frozen=True):
    """A transaction as it was mined."""

    hash: bytes
    sender: bytes
    tip_wei: int
    """What the block's builder got for each unit of gas: the effective priority fee."""
    gas_used: int
    succeeded: bool


# --- storage ------------------------------------------------------------------------------------------------


class Slot(msgspec.Struct, frozen=True, order=True):
    """One word of one contract's storage."""

    contract: bytes
    slot: bytes


class Words(Asking, frozen=True):
    """What stood in these slots after a block."""

    at: bytes
    slots: tuple[Slot, ...]


class ReadBy(Asking, frozen=True):
    """Which slots these calls, (to, data), read after a block."""

    at: bytes
    calls: tuple[tuple[bytes, bytes], ...]


# --- execution ----------------------------------------------------------------------------------------------


class Laid(msgspec.Struct, frozen=True):
    """A word that lies over the chain's own."""

    at: Slot
    word: bytes


class Own(msgspec.Struct, frozen=True):
    """A transaction of the keeper's, and where in the block it goes: before the real one of that index."""

    index: int
    sender: bytes
    to: bytes
    data: bytes
    gas_limit: int
    tip_wei: int


class Execute(Asking, frozen=True):
    """These transactions, in a block as it was, upon its parent's state with some words laid over."""

    number: int
    parent: bytes
    laid: tuple[Laid, ...]
    preamble: tuple[tuple[bytes, bytes, bytes], ...]
    """(sender, to, data) of what comes first: it deploys an executor where there is none."""
    own: tuple[Own, ...]


class Written(msgspec.Struct, frozen=True):
    """A slot that a transaction wrote: what stood in it, and what it holds since."""

    at: Slot
    before: bytes
    after: bytes


class Ran(msgspec.Struct, frozen=True):
    """What became of one of the keeper's."""

    succeeded: bool
    gas_used: int
    gas_price_wei: int
    returned: bytes
    """The revert's data, where it reverted and said any."""
    logs: tuple[Log, ...]
    written: tuple[Written, ...]
    touched: tuple[bytes, ...] = ()
    """Whose logs the block's own transactions before it had left, as they were replayed."""


class Executed(msgspec.Struct, frozen=True):
    """What became of an execution."""

    ran: tuple[Ran, ...]
    preceding: int
    """How many of the block's own transactions ran before the last of the keeper's."""
    differed: int
    """How many of those did not end as they really had."""


Question: TypeAlias = Headers | Transactions | Words | ReadBy | Execute


class Untold(Unavailable):
    """A record does not tell: asking again is of no use."""


class Past(Protocol):
    """Whoever knows the past."""

    async def ask(self, question: Question) -> bytes:
        """Return the answer, as `encode` makes it. Raises Unavailable where it can't be had, or Untold."""
        ...


def encode(value: object) -> bytes:
    """Return a question or an answer as bytes: the same value, the same bytes."""
    return msgspec.json.encode(value, order="deterministic")


def one_header(number: int) -> Headers:
    """Return the question for one block's header."""
    return Headers(first=number, last=number)


def decode_headers(answer: bytes) -> tuple[Head, ...]:
    """Return the headers that were answered."""
    return _decoded(answer, tuple[Head, ...])


async def headers(past: Past, first: int, last: int) -> tuple[Head, ...]:
    """Return the headers of blocks `first` to `last`."""
    return _decoded(await past.ask(Headers(first=first, last=last)), tuple[Head, ...])


async def transactions(past: Past, head: Head) -> tuple[Mined, ...]:
    """Return a block's transactions."""
    return _decoded(await past.ask(Transactions(number=head.number, hash=head.hash)), tuple[Mined, ...])


async def words(past: Past, head: Head, slots: tuple[Slot, ...]) -> tuple[bytes, ...]:
    """Return what stood in these slots after a block."""
    return _decoded(await past.ask(Words(at=head.hash, slots=slots)), tuple[bytes, ...])


async def read_by(past: Past, head: Head, calls: tuple[tuple[bytes, bytes], ...]) -> tuple[Slot, ...]:
    """Return which slots these calls read."""
    return _decoded(await past.ask(ReadBy(at=head.hash, calls=calls)), tuple[Slot, ...])


async def execute(past: Past, question: Execute) -> Executed:
    """Return what became of an execution."""
    return _decoded(await past.ask(question), Executed)


def _decoded(answer: bytes, kind: type[T]) -> T:
    return msgspec.json.decode(answer, type=kind)
