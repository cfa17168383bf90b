"""Addresses and hashes: raw bytes inside, checksummed text at the edges."""

from __future__ import annotations

from functools import lru_cache
from typing import NewType

from eth_typing import ChecksumAddress
from eth_utils.address import is_checksum_formatted_address, to_checksum_address

Address = NewType("Address", bytes)
"""Twenty raw bytes."""

Hash32 = NewType("Hash32", bytes)
"""Thirty-two raw bytes: a block's, a transaction's, a topic's."""

ZERO_ADDRESS = Address(bytes(20))


def parse_address(text: str) -> Address:
    """Return the address that `text` names; mixed case must carry a right checksum.

    Raises ValueError with what is wrong and what was expected.
    """
    body = text.removeprefix("0x")
    if len(body) != 40 or not text.startswith("0x"):
        raise ValueError(f"{text!r} is not an address: expected 0x and 40 hex digits")
    try:
        raw = bytes.fromhex(body)
    except ValueError:
        raise ValueError(f"{text!r} is not an address: it holds a character that is not hex") from None
    if is_checksum_formatted_address(text) and to_checksum_address(raw) != text:
        raise ValueError(f"{text!r} fails its checksum: copy it again, or write it in lower case")
    return Address(raw)


@lru_cache(maxsize=1 << 12)
def checksum(address: Address) -> ChecksumAddress:
    """Return the EIP-55 text of an address."""
    return to_checksum_address(address)


def word(address: Address) -> bytes:
    """Return the address as a 32-byte ABI word."""
    return address.rjust(32, b"\0")


def address_of(word: bytes) -> Address:
    """Return the address in the low twenty bytes of an ABI word."""
    return Address(word[-20:])
