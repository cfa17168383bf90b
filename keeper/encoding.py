"""Arguments of calls, as the contract ABI lays them out. Knows no contract, and decodes nothing.

A type's encoder is made once, of its members' encoders: at every head calls are made of numbers that were in
none before. A value is taken as it is (an int, 20 bytes of an address, a sequence for an array or a struct),
and one that does not fit its type raises ValueError: cut to fit, it would be another value on the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

_WORD = 32
_ADDRESS_BYTES = 20


def encode(types: tuple[str, ...], values: Sequence[Any]) -> bytes:
    """Return the arguments' encoding, as ``abi.encode`` gives it. Raises ValueError where one does not fit.

    `types` are canonical: a struct's is that of its members, in parentheses.
    """
    return _arguments(types).encode(values)


class _Encoder(NamedTuple):
    """What encodes one type."""

    encode: Callable[[Any], bytes]
    words: int
    """How many words it takes, where that is always the same; else 0: it stands behind the others then."""


@cache
def _arguments(types: tuple[str, ...]) -> _Encoder:
    return _struct([_encoder(kind) for kind in types])


def _encoder(kind: str) -> _Encoder:
    """Return what encodes a type. Raises ValueError for one that it does not know."""
    if kind.endswith("]"):
        member, _, length = kind[:-1].rpartition("[")
        return _array(_encoder(member), int(length) if length else None)
    if kind.startswith("("):
        return _struct([_encoder(member) for member in _members(kind[1:-1])])
    if kind in ("bytes", "string"):
        return _Encoder(_text if kind == "string" else _bytes, 0)
    return _Encoder(_word_of(kind), 1)


def _members(types: str) -> Iterator[str]:
    """Yield the types in a list of them; a struct among them is one."""
    depth, start = 0, 0
    for at, letter in enumerate(types):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            yield types[start:at]
            start = at + 1
    if types:
        yield types[start:]


# --- a word -------------------------------------------------------------------------------------------------


def _word_of(kind: str) -> Callable[[Any], bytes]:
    """Return what encodes a value that is one word."""
    if kind == "address":
        return _address
    if kind == "bool":
        return _bool
    for name, word in (("uint", _uint), ("int", _int), ("bytes", _fixed_bytes)):
        if kind.startswith(name):
            return word(int(kind.removeprefix(name)))
    raise ValueError(f"{kind} is a type that is not known")


def _address(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) != _ADDRESS_BYTES:
        raise ValueError(f"an address has {_ADDRESS_BYTES} bytes: {value!r}")
    return bytes(_WORD - _ADDRESS_BYTES) + value


def _bool(value: Any) -> bytes:
    if not isinstance(value, bool):
        raise ValueError(f"neither true nor false: {value!r}")
    return value.to_bytes(_WORD)


def _uint(bits: int) -> Callable[[Any], bytes]:
    def encode(value: Any) -> bytes:
        if type(value) is not int or not 0 <= value < 1 << bits:
            raise ValueError(f"no uint{bits}: {value!r}")
        return value.to_bytes(_WORD)

    return encode


def _int(bits: int) -> Callable[[Any], bytes]:
    def encode(value: Any) -> bytes:
        if type(value) is not int or not -1 << bits - 1 <= value < 1 << bits - 1:
            raise ValueError(f"no int{bits}: {value!r}")
        return value.to_bytes(_WORD, signed=True)

    return encode


def _fixed_bytes(size: int) -> Callable[[Any], bytes]:
    def encode(value: Any) -> bytes:
        if not isinstance(value, bytes) or len(value) > size:
            raise ValueError(f"no bytes{size}: {value!r}")
        return value.ljust(_WORD, b"\0")

    return encode


# --- what is longer -----------------------------------------------------------------------------------------


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError(f"no bytes: {value!r}")
    return len(value).to_bytes(_WORD) + value + bytes(-len(value) % _WORD)


def _text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"no text: {value!r}")
    return _bytes(value.encode())


def _struct(members: Sequence[_Encoder]) -> _Encoder:
    """Return what encodes members in a row: those of no fixed length behind the others, by their offsets."""
    words = sum([one.words or 1 for one in members])

    def encode(values: Sequence[Any]) -> bytes:
        heads: list[bytes] = []
        tails: list[bytes] = []
        at = words * _WORD
        for one, value in zip(members, values, strict=True):
            encoded = one.encode(value)
            if one.words:
                heads.append(encoded)
            else:
                heads.append(at.to_bytes(_WORD))
                tails.append(encoded)
                at += len(encoded)
        return b"".join(heads + tails)

    return _Encoder(encode, words if all(one.words for one in members) else 0)


def _array(member: _Encoder, length: int | None) -> _Encoder:
    if length is not None:
        return _struct([member] * length)

    def encode(values: Sequence[Any]) -> bytes:
        return len(values).to_bytes(_WORD) + _struct([member] * len(values)).encode(values)

    return _Encoder(encode, 0)
