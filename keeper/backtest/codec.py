"""Asks, answers and heads as bytes, and back: what a tape is made of. One value has one encoding."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import msgspec

from keeper.domain.address import Hash32
from keeper.domain.head import Head
from keeper.query import (
    Account,
    AccountState,
    Ancestors,
    Answer,
    Ask,
    Balance,
    Call,
    Log,
    LogRange,
    Logs,
    Reverted,
    Simulate,
    Simulated,
    Unanswered,
)


class _AccountState(NamedTuple):
    """An account as MessagePack can hold it: its integers end at 64 bits."""

    nonce: int
    balance: bytes
    code: bytes


class _Number(NamedTuple):
    """A number as MessagePack can hold it."""

    digits: bytes


_Kinds: TypeAlias = tuple[tuple[Any, msgspec.msgpack.Decoder[Any]], ...]


def _kinds(*types: Any) -> _Kinds:
    return tuple((kind, msgspec.msgpack.Decoder(kind)) for kind in types)


# A value's kind is the place of its type: kinds are only ever added, at the end.
_ASKS = _kinds(Call, Logs, LogRange, Account, Simulate, Ancestors, Balance)
_ANSWERS = _kinds(
    *(bytes, Reverted, tuple[Log, ...], _AccountState, tuple[Simulated, ...], tuple[Hash32, ...], _Number)
)
_LOGS, _SIMULATED, _HASHES = 2, 4, 5

_HEAD = msgspec.msgpack.Decoder(Head)
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def encode_ask(ask: Ask) -> bytes:
    """Return an ask as bytes: what means the same is the same."""
    plain = normal(ask)
    return _encoded(_place(_ASKS, type(plain)), plain)


def normal(ask: Ask) -> Ask:
    """Return an ask with its filters in one order: they are sets, and who asks may have them in any."""
    if isinstance(ask, Logs | LogRange):
        return ask._replace(emitters=tuple(sorted(ask.emitters)), topics=tuple(sorted(ask.topics)))
    return ask


def encode_answer(answer: Answer) -> bytes:
    """Return an answer as bytes. Raises ValueError where it is none."""
    if isinstance(answer, Unanswered):
        raise ValueError("what was not answered is not kept")
    if isinstance(answer, AccountState):
        kept = _AccountState(answer.nonce, answer.balance_wei.to_bytes(32, "big"), answer.code)
        return _encoded(_place(_ANSWERS, _AccountState), kept)
    if isinstance(answer, int):
        return _encoded(_place(_ANSWERS, _Number), _Number(answer.to_bytes(32, "big")))
    if isinstance(answer, tuple) and not isinstance(answer, Reverted):
        first = answer[0] if answer else None
        place = _SIMULATED if isinstance(first, Simulated) else _HASHES if isinstance(first, bytes) else _LOGS
    else:
        place = _place(_ANSWERS, type(answer))
    return _encoded(place, answer)


def decode_ask(raw: bytes) -> Ask:
    """Return the ask. Raises ValueError where the bytes are none."""
    ask: Ask = _decoded(_ASKS, raw)
    return ask


def decode_answer(raw: bytes) -> Answer:
    """Return the answer. Raises ValueError where the bytes are none."""
    answer: Answer | _AccountState | _Number = _decoded(_ANSWERS, raw)
    if isinstance(answer, _Number):
        return int.from_bytes(answer.digits, "big")
    if isinstance(answer, _AccountState):
        return AccountState(answer.nonce, int.from_bytes(answer.balance, "big"), answer.code)
    return answer


def encode_head(head: Head) -> bytes:
    """Return a head as bytes."""
    return _ENCODER.encode(head)


def decode_head(raw: bytes) -> Head:
    """Return the head. Raises ValueError where the bytes are none."""
    return _HEAD.decode(raw)


def _place(kinds: _Kinds, of: type) -> int:
    return next(place for place, (kind, _) in enumerate(kinds) if kind is of)


def _encoded(place: int, value: object) -> bytes:
    return bytes((place,)) + _ENCODER.encode(value)


def _decoded(kinds: _Kinds, raw: bytes) -> Any:
    if not raw or raw[0] >= len(kinds):
        raise ValueError("it is of a kind that is not known")
    return kinds[raw[0]][1].decode(raw[1:])
