"""From the JSON of a node to values of the keeper. What does not fit raises Unavailable: no node means it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias, TypeVar

import msgspec

from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Unavailable
from keeper.domain.head import Head
from keeper.domain.pending import Hint, HintedCall, HintedLog, PendingTransaction
from keeper.query import Log

T = TypeVar("T")


_HashText: TypeAlias = Annotated[str, msgspec.Meta(min_length=66, max_length=66)]
_AddressText: TypeAlias = Annotated[str, msgspec.Meta(min_length=42, max_length=42)]


class _Block(msgspec.Struct, rename="camel"):
    number: str
    hash: _HashText
    parent_hash: _HashText
    timestamp: str
    gas_used: str
    gas_limit: str
    miner: _AddressText
    base_fee_per_gas: str = "0x0"
    extra_data: str = "0x"


class _Bloomed(msgspec.Struct, rename="camel"):
    logs_bloom: str


class _Log(msgspec.Struct, rename="camel", gc=False):
    address: str
    topics: list[str]
    data: str
    block_number: str
    log_index: str
    transaction_hash: _HashText
    removed: bool = False


class _PinnedLog(_Log, rename="camel", gc=False, kw_only=True):
    block_hash: _HashText


class _Receipt(msgspec.Struct, rename="camel"):
    block_number: str
    block_hash: _HashText
    status: str
    gas_used: str
    effective_gas_price: str
    logs: list[_Log]
    l1_fee: str | None = None


class _Traced(msgspec.Struct):
    """One call, as geth's ``callTracer`` tells it."""

    type: str
    to: str | None = None
    value: str | None = None
    error: str | None = None
    calls: list[_Traced] = []


_PAYING = ("CALL", "SELFDESTRUCT")


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedReceipt:
    """What a block did with a transaction."""

    block_number: int
    block_hash: Hash32
    succeeded: bool
    gas_used: int
    effective_gas_price_wei: int
    l1_fee_wei: int
    """What a rollup of the OP stack took for its data beside the gas, as its receipt says; 0 elsewhere."""
    logs: tuple[Log, ...]


class _Sent(msgspec.Struct, rename="camel"):
    sender: _AddressText = msgspec.field(name="from")
    transaction_index: str
    gas_used: str
    effective_gas_price: str
    l1_fee: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBy:
    """Whose transaction it was, at which place in its block, and what it paid for gas."""

    sender: Address
    place: int
    gas_used: int
    effective_gas_price_wei: int
    l1_fee_wei: int


class _Pending(msgspec.Struct):
    hash: _HashText
    sender: _AddressText = msgspec.field(name="from")
    to: _AddressText | None = None
    input: str = "0x"


class _HintedCall(msgspec.Struct, rename="camel"):
    to: _AddressText | None = None
    call_data: str | None = None


class _HintedLog(msgspec.Struct):
    address: _AddressText
    topics: list[_HashText] | None = None
    data: str | None = None


class _Hint(msgspec.Struct):
    """An event of a MEV-Share stream; what its sender does not want told is not there, or null."""

    hash: _HashText
    txs: list[_HintedCall] | None = None
    logs: list[_HintedLog] | None = None


_TEXT = msgspec.json.Decoder(str)
_HINT = msgspec.json.Decoder(_Hint)
_PENDING = msgspec.json.Decoder(_Pending | _HashText | None)
_BLOCK = msgspec.json.Decoder(_Block | None)
_BLOOMED = msgspec.json.Decoder(_Bloomed | None)
_LOGS = msgspec.json.Decoder(list[_Log])
_PINNED_LOGS = msgspec.json.Decoder(list[_PinnedLog])
_SENT = msgspec.json.Decoder(_Sent | None)
_TRACE = msgspec.json.Decoder(_Traced)
_RECEIPT = msgspec.json.Decoder(_Receipt | None)


def quantity(raw: msgspec.Raw) -> int:
    """Return a number, such as ``"0x1b4"``."""
    return _sensible("a number", lambda: _int(_TEXT.decode(raw)))


def data(raw: msgspec.Raw) -> bytes:
    """Return bytes, such as ``"0x0102"``."""
    return _sensible("bytes", lambda: _bytes(_TEXT.decode(raw)))


def number(text: str) -> int:
    """Return a number that stood within a larger result."""
    return _sensible("a number", lambda: _int(text))


def octets(text: str) -> bytes:
    """Return bytes that stood within a larger result."""
    return _sensible("bytes", lambda: _bytes(text))


def is_null(raw: msgspec.Raw) -> bool:
    """Return whether the node answered that there is nothing."""
    return bytes(memoryview(raw)[:5]).strip() == b"null"


def head(raw: msgspec.Raw) -> Head | None:
    """Return a block's header, None where the node has no such block."""
    block = _sensible("a block", lambda: _BLOCK.decode(raw))
    return None if block is None else _sensible("a block", lambda: _head(block))


def bloom(raw: msgspec.Raw) -> bytes | None:
    """Return the 256 bytes of a block's bloom, None where the node has no such block."""
    block = _sensible("a block", lambda: _BLOOMED.decode(raw))
    return None if block is None else _sensible("a bloom", lambda: _of_length(_bytes(block.logs_bloom), 256))


def logs(raw: msgspec.Raw, *, block_hash: Hash32 | None = None) -> tuple[Log, ...]:
    """Return logs in their order. With `block_hash`, each must be of that very block."""
    if block_hash is None:
        return _sensible("logs", lambda: _logs(_LOGS.decode(raw)))
    return _sensible("logs", lambda: _logs(_of_block(_PINNED_LOGS.decode(raw), block_hash)))


def receipt(raw: msgspec.Raw) -> MinedReceipt | None:
    """Return a receipt, None where the transaction is in no block."""
    mined = _sensible("a receipt", lambda: _RECEIPT.decode(raw))
    return None if mined is None else _sensible("a receipt", lambda: _receipt(mined))


def sent_by(raw: msgspec.Raw) -> SentBy | None:
    """Return from a receipt whose transaction it is of, None where that is in no block."""
    sent = _sensible("a receipt", lambda: _SENT.decode(raw))
    return None if sent is None else _sensible("a receipt", lambda: _sent_by(sent))


def pending(raw: msgspec.Raw) -> PendingTransaction | Hash32 | None:
    """Return a transaction, or its hash where no more is told; None where there is none, or no call."""
    told = _sensible("a transaction", lambda: _PENDING.decode(raw))
    return None if told is None else _sensible("a transaction", lambda: _pending(told))


def hint(raw: msgspec.Raw) -> Hint:
    """Return what an event of a MEV-Share stream tells of a transaction."""
    told = _sensible("a hint", lambda: _HINT.decode(raw))
    return _sensible("a hint", lambda: _hint(told))


def paid_to(raw: msgspec.Raw, account: Address) -> int:
    """Return what a transaction paid to an account, in wei, by a trace of its calls."""
    traced = _sensible("a trace", lambda: _TRACE.decode(raw))
    return _sensible("a trace", lambda: _paid_to(traced, hex_data(account)))


def decoded(raw: msgspec.Raw | bytes, decoder: msgspec.json.Decoder[T], what: str) -> T:
    """Return what `decoder` makes of a result; `what` names it in the error."""
    return _sensible(what, lambda: decoder.decode(raw))


def hex_data(raw: bytes) -> str:
    """Return bytes as nodes want them."""
    return "0x" + raw.hex()


def pinned(block_hash: Hash32) -> Mapping[str, str]:
    """Return a block by its hash, as a parameter (EIP-1898)."""
    return {"blockHash": hex_data(block_hash)}


def _sensible(what: str, decode: Callable[[], T]) -> T:
    try:
        return decode()
    except (ValueError, OverflowError) as error:  # msgspec's errors are ValueErrors too
        raise Unavailable(f"the node's answer is not {what}: {error}") from None


def _pending(told: _Pending | str) -> PendingTransaction | Hash32 | None:
    if isinstance(told, str):
        return Hash32(_of_length(_bytes(told), 32))
    if told.to is None:
        return None
    return PendingTransaction(
        hash=Hash32(_of_length(_bytes(told.hash), 32)),
        sender=Address(_of_length(_bytes(told.sender), 20)),
        to=Address(_of_length(_bytes(told.to), 20)),
        data=_bytes(told.input),
    )


def _hint(told: _Hint) -> Hint:
    return Hint(
        hash=Hash32(_of_length(_bytes(told.hash), 32)),
        calls=tuple(
            HintedCall(
                to=None if one.to is None else Address(_of_length(_bytes(one.to), 20)),
                data=_bytes(one.call_data),
            )
            for one in told.txs or ()
            if one.call_data
        ),
        logs=tuple(
            HintedLog(
                emitter=Address(_of_length(_bytes(one.address), 20)),
                topics=tuple(Hash32(_of_length(_bytes(topic), 32)) for topic in one.topics or ()),
                data=_bytes(one.data or "0x"),
            )
            for one in told.logs or ()
        ),
    )


def _int(text: str) -> int:
    if not text.startswith("0x"):
        raise ValueError("expected a number that begins with 0x")
    return int(text, 16)


def _bytes(text: str) -> bytes:
    if text[:2] != "0x":
        raise ValueError("expected bytes that begin with 0x")
    return bytes.fromhex(text[2:])


def _of_length(raw: bytes, length: int) -> bytes:
    if len(raw) != length:
        raise ValueError(f"expected {length} bytes, got {len(raw)}")
    return raw


def _head(block: _Block) -> Head:
    return Head(
        number=_int(block.number),
        hash=Hash32(_bytes(block.hash)),
        parent=Hash32(_bytes(block.parent_hash)),
        timestamp_s=_int(block.timestamp),
        base_fee_wei=_int(block.base_fee_per_gas),
        gas_used=_int(block.gas_used),
        gas_limit=_int(block.gas_limit),
        coinbase=Address(_bytes(block.miner)),
        extra_data=_bytes(block.extra_data),
    )


def _of_block(found: list[_PinnedLog], block_hash: Hash32) -> list[_PinnedLog]:
    expected = hex_data(block_hash)
    if any(log.block_hash.lower() != expected for log in found):
        raise ValueError("one is of another block")
    return found


def _logs(found: Sequence[_Log]) -> tuple[Log, ...]:
    # Bootstraps read hundreds of thousands: what recurs is decoded once, column by column, and each Log is
    # made as a tuple.
    address_of, word_of, number_of = _Octets(20).__getitem__, _Octets(32).__getitem__, _Numbers().__getitem__
    make: Callable[[type[Log], tuple[object, ...]], Log] = tuple.__new__
    kept = [log for log in found if not log.removed]
    fields = zip(
        [address_of(log.address) for log in kept],
        [tuple(map(word_of, log.topics)) for log in kept],
        _all_bytes([log.data for log in kept]),
        [number_of(log.block_number) for log in kept],
        [number_of(log.log_index) for log in kept],
        _all_bytes([log.transaction_hash for log in kept]),
        strict=True,
    )
    return tuple([make(Log, one) for one in fields])


def _all_bytes(texts: Sequence[str]) -> list[bytes]:
    """Return what each text says: as `_bytes` does, without a call for each."""
    decode = bytes.fromhex
    found = [decode(text[2:]) for text in texts if text[:2] == "0x"]
    if len(found) != len(texts):
        raise ValueError("expected bytes that begin with 0x")
    return found


class _Octets(dict[str, bytes]):
    """Texts of so many bytes, and the bytes as soon as they are asked for."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._length = length

    def __missing__(self, text: str) -> bytes:
        self[text] = raw = _of_length(_bytes(text), self._length)
        return raw


class _Numbers(dict[str, int]):
    """Texts, and their numbers as soon as they are asked for."""

    def __missing__(self, text: str) -> int:
        self[text] = value = _int(text)
        return value


def _sent_by(sent: _Sent) -> SentBy:
    return SentBy(
        sender=Address(_bytes(sent.sender)),
        place=_int(sent.transaction_index),
        gas_used=_int(sent.gas_used),
        effective_gas_price_wei=_int(sent.effective_gas_price),
        l1_fee_wei=_int(sent.l1_fee or "0x0"),
    )


def _receipt(mined: _Receipt) -> MinedReceipt:
    return MinedReceipt(
        block_number=_int(mined.block_number),
        block_hash=Hash32(_bytes(mined.block_hash)),
        succeeded=_int(mined.status) == 1,
        gas_used=_int(mined.gas_used),
        effective_gas_price_wei=_int(mined.effective_gas_price),
        l1_fee_wei=_int(mined.l1_fee or "0x0"),
        logs=_logs(mined.logs),
    )


def _paid_to(call: _Traced, account: str) -> int:
    if call.error is not None:  # it was undone, and all within it
        return 0
    own = call.type in _PAYING and (call.to or "").lower() == account
    own_wei = int(call.value, 16) if own and call.value is not None else 0
    return own_wei + sum(_paid_to(inner, account) for inner in call.calls)
