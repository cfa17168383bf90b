"""EIP-1559 transactions on the wire: their RLP, signed and unsigned. Access lists are always empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from eth_utils.crypto import keccak

from keeper.domain.address import Hash32
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
