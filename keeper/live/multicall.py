"""Multicall3's ``aggregate3``, encoded and decoded by hand: hundreds of calls at every head.

It lies at the same address on nearly every chain (https://www.multicall3.com). Each call may fail alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from keeper.domain.address import Address
from keeper.query import Call, Reverted

MULTICALL3 = Address(bytes.fromhex("cA11bde05977b3631167028862bE2a173976CA11"))

_AGGREGATE3 = bytes.fromhex("82ad56cb")
_TRUE = (1).to_bytes(32, "big")
_BYTES_OFFSET = (0x60).to_bytes(32, "big")


def encode(calls: Sequence[Call]) -> bytes:
    """Return the call data of ``aggregate3((address,bool,bytes)[])``, every call allowed to fail."""
    offsets: list[bytes] = []
    entries: list[bytes] = []
    offset = 32 * len(calls)
    for to, data in calls:
        padding = -len(data) % 32
        offsets.append(offset.to_bytes(32, "big"))
        entries.append(
            to.rjust(32, b"\0")
            + _TRUE
            + _BYTES_OFFSET
            + len(data).to_bytes(32, "big")
            + data
            + bytes(padding)
        )
        offset += 128 + len(data) + padding
    count = len(calls).to_bytes(32, "big")
    return b"".join((_AGGREGATE3, (32).to_bytes(32, "big"), count, *offsets, *entries))


def decode(answer: bytes, count: int) -> list[bytes | Reverted]:
    """Return what each of `count` calls gave. Raises ValueError where the answer is not theirs."""
    if _word(answer, 0) != 32 or _word(answer, 32) != count:
        raise ValueError(f"expected the results of {count} calls")
    results: list[bytes | Reverted] = []
    number = int.from_bytes
    for place in range(64, 64 + 32 * count, 32):
        at = 64 + number(answer[place : place + 32])
        if place + 32 > len(answer) or at + 96 > len(answer):
            raise ValueError("the results end too early")
        start = at + number(answer[at + 32 : at + 64])
        end = start + 32 + number(answer[start : start + 32])
        data = answer[start + 32 : end]
        if end > len(answer):
            raise ValueError("the results end too early")
        results.append(data if number(answer[at : at + 32]) else Reverted(data))
    return results


def _word(answer: bytes, at: int) -> int:
    word = answer[at : at + 32]
    if len(word) != 32:
        raise ValueError("the results end too early")
    return int.from_bytes(word)
