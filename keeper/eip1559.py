"""EIP-1559 transactions on the wire: their RLP, signed, unsigned and read back. Access lists are empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from eth_utils.crypto import keccak

from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Invariant
from keeper.domain.plan import Fees
from keeper.domain.submission import SignedTransaction, UnsignedTransaction

_TYPE = b"\x02"

_Item: TypeAlias = "bytes | int | Sequence[_Item]"


def signing_hash(transaction: UnsignedTransaction) -> Hash32:
    """Return the hash that a signature is made over."""
    return Hash32(keccak(_TYPE + _rlp(_fields(transaction))))


def signed(transaction: UnsignedTransaction, *, y_parity: int, r: int, s: int) -> SignedTransaction:
    """Return the transaction with its signature."""
    raw = _TYPE + _rlp([*_fields(transaction), y_parity, r, s])
    return SignedTransaction(raw=raw, hash=Hash32(keccak(raw)))


def unsigned(raw: bytes) -> UnsignedTransaction:
    """Return what the signature of a raw transaction covers. Raises Invariant where it is none of ours."""
    try:
        if raw[:1] != _TYPE:
            raise ValueError("it is of another type")
        fields, end = _read(raw, 1)
        if isinstance(fields, bytes) or end != len(raw):
            raise ValueError("it is no list, or something follows it")
        chain_id, nonce, priority, most, gas_limit, to, value, data = map(_octets, fields[:8])
    except (ValueError, IndexError) as error:
        raise Invariant(f"not a transaction that the keeper signed: {error}") from None
    return UnsignedTransaction(
        chain_id=int.from_bytes(chain_id),
        nonce=int.from_bytes(nonce),
        to=Address(to) if to else None,
        value_wei=int.from_bytes(value),
        data=data,
        fees=Fees(
            gas_limit=int.from_bytes(gas_limit),
            max_fee_per_gas_wei=int.from_bytes(most),
            max_priority_fee_per_gas_wei=int.from_bytes(priority),
        ),
    )


def _fields(transaction: UnsignedTransaction) -> list[_Item]:
    return [
        transaction.chain_id,
        transaction.nonce,
        transaction.fees.max_priority_fee_per_gas_wei,
        transaction.fees.max_fee_per_gas_wei,
        transaction.fees.gas_limit,
        transaction.to or b"",
        transaction.value_wei,
        transaction.data,
        [],  # the access list
    ]


def _rlp(item: _Item) -> bytes:
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _length(len(item), 0x80) + item
    body = b"".join(map(_rlp, item))
    return _length(len(body), 0xC0) + body


def _length(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes([offset + length])
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([offset + 55 + len(digits)]) + digits


_Read: TypeAlias = "bytes | list[_Read]"


def _read(raw: bytes, at: int) -> tuple[_Read, int]:
    """Return the item that begins at `at`, and where it ends. Raises ValueError where it is cut short."""
    first = raw[at]
    if first < 0x80:
        return raw[at : at + 1], at + 1
    is_list = first >= 0xC0
    length = first - (0xC0 if is_list else 0x80)
    start = at + 1
    if length > 55:
        start += length - 55
        length = int.from_bytes(raw[at + 1 : start])
    end = start + length
    if end > len(raw):
        raise ValueError("it is cut short")
    if not is_list:
        return raw[start:end], end
    items: list[_Read] = []
    while start < end:
        item, start = _read(raw, start)
        items.append(item)
    return items, end


def _octets(item: _Read) -> bytes:
    if not isinstance(item, bytes):
        raise ValueError("it has a list where a field was expected")
    return item
