"""The World of a tape: it answers what was answered then, and says what it does not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Self, assert_never

from keeper.backtest.codec import decode_answer, decode_ask, decode_head, encode_ask, normal
from keeper.backtest.past import Headers, Question, Untold, decode_headers, encode, one_header
from keeper.backtest.state import state_key
from keeper.backtest.tape import (
    Answered,
    Asked,
    Contents,
    Damaged,
    Decision,
    End,
    Fact,
    Failed,
    Frame,
    Heard,
    Opening,
    Remembered,
    read,
)
from keeper.backtest.wording import REMEDY, of_a_state, of_the_past
from keeper.domain.errors import ConfigError, Inconsistent, Unavailable
from keeper.domain.head import Head
from keeper.domain.state import StateRef
from keeper.ports import NewHead, Signal
from keeper.query import Answer, Ask, Log, LogRange, Unanswered

_LOG_RANGE = encode_ask(LogRange((), (), 0, 0))[:1]


def is_live(path: Path) -> bool:
    """Return whether a tape is a live keeper's. Raises ConfigError where it is no tape."""
    try:
        opening = next(read(path), None)
    except Damaged:
        return False
    return isinstance(opening, Opening) and opening.live


@dataclass(slots=True)
class Tape:
    """A tape in memory. Contents stay as they are until they are asked for."""

    path: Path
    chain_id: int
    heads: list[NewHead] = field(default_factory=list)
    """As they were heard of; the first is the one that everything was read at."""
    live: bool = False
    """It was written by a keeper that was following the chain."""
    damage: str = ""
    """Where it stops making sense, and how; empty where it does not."""
    ended: bool = False
    """Its writer ended it on purpose: what it says of the last head is whole."""
    begun: list[NewHead] = field(default_factory=list)
    """The heads at which everything was read for the tape: it can be replayed from any of them on."""
    remembered: dict[str, Remembered] = field(default_factory=dict)
    """What was known of each source before the first of those."""
    decisions: list[tuple[int, str]] = field(default_factory=list)
    """What was decided then, as JSON, each with the number of the head it was decided upon."""
    asked: Asked | None = None
    """Which decision it is the state of; None where it is of many heads."""
    _bodies: list[bytes] = field(default_factory=list)
    _answers: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    _failures: dict[tuple[bytes, bytes], Failed] = field(default_factory=dict)
    _facts: dict[bytes, int] = field(default_factory=dict)
    _ranges: dict[LogRange, int] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, *, last: int | None = None) -> Tape:
        """Return the tape. Where it is damaged, what comes before, as long as that reaches the block `last`.

        Raises ConfigError where it is no tape, or does not: then it says how far it is whole. A file that is
        as it was is not read again: a sweep's worker replays one tape many times.
        """
        tape = _as_read(path, *_edition(path))
        # the last head that was heard of may lack its answers
        whole = [heard.head.number for heard in tape.heads[:-1]]
        if tape.damage and (last is None or max(whole, default=-1) < last):
            raise ConfigError(tape._damaged(whole))
        if not tape.heads:
            raise ConfigError(f"{path}: holds no head: its keeper was stopped before it had read one")
        return tape

    @classmethod
    def whole(cls, path: Path) -> Self:
        """Return the tape. Raises ConfigError where it is none, or damaged."""
        tape = cls._read(path)
        if tape.damage:
            raise ConfigError(f"{path}: {tape.damage}")
        return tape

    @classmethod
    def _read(cls, path: Path) -> Self:
        """Return what there is of a tape, and what `damage` ends it."""
        tape = cls(path=path, chain_id=0)
        try:
            for frame in read(path):
                tape._take(frame)
        except (Damaged, IndexError, ValueError) as damage:
            tape.damage = str(damage)
        return tape

    def answer(self, ask: Ask, at: bytes) -> Answer:
        """Return what was answered then, Unanswered where nothing was.

        Raises Unavailable or Inconsistent where that is how it went.
        """
        key = (at, encode_ask(ask))
        if (place := self._answers.get(key)) is not None:
            return decode_answer(self._bodies[place])
        if isinstance(ask, LogRange) and (logs := self._within(ask)) is not None:
            return logs
        if (failed := self._failures.get(key)) is not None:
            raise (Inconsistent if failed.error == "inconsistent" else Unavailable)(failed.why)
        return Unanswered(f"the tape does not tell {of_a_state(ask)} {self._named(at)}: {REMEDY}")

    def must_cover(self, first: int, last: int) -> None:
        """Raise ConfigError where it does not hold the blocks `first` to `last`."""
        held = [heard.head.number for heard in self.heads]
        if not min(held) <= first <= last <= max(held):
            raise ConfigError(
                f"{self.path}: holds blocks {min(held)} to {max(held)}, not all of --from {first} --to {last}"
            )

    def _named(self, at: bytes) -> str:
        """Return which state it is, as which block's it was recorded."""
        number = next((one.head.number for one in self.heads if one.head.hash == at[:32]), None)
        block = f"after block {number}" if number is not None else "at a block that is not on it"
        return block if len(at) == 32 else f"{block}, with what the keeper had changed by then"

    def _within(self, ask: LogRange) -> tuple[Log, ...] | None:
        """Return a range's logs out of those of a wider one, None where there is none."""
        wanted = normal(ask)
        for wider, place in self._ranges.items():
            if wider[:2] == wanted[:2] and wider.first <= ask.first and ask.last <= wider.last:
                answer = decode_answer(self._bodies[place])
                assert isinstance(answer, tuple)
                logs = (log for log in answer if isinstance(log, Log))
                return tuple(log for log in logs if ask.first <= log.block_number <= ask.last)
        return None

    def decided_upon(self) -> dict[int, list[str]]:
        """Return the decisions by the number of the head that they were made upon."""
        found: dict[int, list[str]] = {}
        for number, told in self.decisions:
            found.setdefault(number, []).append(told)
        return found

    def fact(self, question: bytes) -> bytes | None:
        """Return what was so of the past, None where the tape does not tell."""
        place = self._facts.get(question)
        return None if place is None else self._bodies[place]

    def _take(self, frame: Frame) -> None:
        match frame:
            case Opening(chain_id=chain_id, live=live):
                self.chain_id, self.live = chain_id, live
            case Remembered(source=source):
                self.remembered.setdefault(source, frame)
            case Contents(bodies=bodies):
                self._bodies += bodies
            case Answered(at=at, asks=asks, answers=answers):
                for ask, answer in zip(asks, answers, strict=True):
                    self._answers[at, self._bodies[ask]] = answer
                    if self._bodies[ask][:1] == _LOG_RANGE:
                        known = decode_ask(self._bodies[ask])
                        assert isinstance(known, LogRange)
                        self._ranges[known] = answer
            case Failed(at=at, asks=asks):
                for ask in asks:
                    self._failures[at, self._bodies[ask]] = frame
            case Heard(head=place, seen_at_s=seen_at_s, first=first):
                heard = NewHead(head=decode_head(self._bodies[place]), seen_at_s=seen_at_s)
                if first:
                    self.begun.append(heard)
                if not (first and self.live):  # it was heard of already
                    self.heads.append(heard)
            case Fact(question=question, answer=answer):
                self._facts[self._bodies[question]] = answer
            case Decision(told=told):
                self.decisions.append((self.heads[-1].head.number if self.heads else 0, told))
            case Asked():
                self.asked = frame
            case End():
                self.ended = True
            case _:
                assert_never(frame)

    def _damaged(self, whole: Sequence[int]) -> str:
        if not whole:
            return f"{self.path}: {self.damage}, before its first block is whole: record it anew"
        return (
            f"{self.path}: {self.damage}; it is whole for blocks {min(whole)} to {max(whole)}: "
            f"replay those with --to {max(whole)}"
        )


def _edition(path: Path) -> tuple[int, int]:
    """Return what changes with a file's contents. Raises ConfigError where there is none."""
    try:
        told = path.stat()
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    return told.st_size, told.st_mtime_ns


@lru_cache(maxsize=1)
def _as_read(path: Path, size_bytes: int, mtime_ns: int) -> Tape:
    return Tape._read(path)


class TapeWorld:
    """A :class:`keeper.ports.World` that needs no endpoint. Its time is that of the heads it tells of."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.unanswered: Counter[str] = Counter()
        """How many questions the tape had no answer to, by kind."""

    async def signals(self) -> AsyncIterator[Signal]:
        """Yield the heads, as they were heard of, and end."""
        for signal in self.tape.heads:
            yield signal

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        """Return what was answered then. What was not is Unanswered, and counted."""
        key = state_key(at)
        answers = tuple(self.tape.answer(ask, key) for ask in asks)
        for ask, answer in zip(asks, answers, strict=True):
            if isinstance(answer, Unanswered):
                self.unanswered[type(ask).__name__] += 1
        return answers

    async def ask(self, question: Question) -> bytes:
        """Return what was so of the past. Raises Untold, and counts it, where the tape does not tell."""
        if isinstance(question, Headers):
            numbers = range(question.first, question.last + 1)
            one_by_one = (decode_headers(self._fact(one_header(number))) for number in numbers)
            return encode([head for heads in one_by_one for head in heads])
        return self._fact(question)

    def _fact(self, question: Question) -> bytes:
        answer = self.tape.fact(encode(question))
        if answer is None:
            self.unanswered[type(question).__name__] += 1
            raise Untold(f"the tape does not tell {of_the_past(question)}: {REMEDY}")
        return answer

    @property
    def first(self) -> Head:
        """Return the head that everything was read at."""
        return self.tape.heads[0].head
