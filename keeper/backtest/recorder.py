"""A World that keeps on tape whatever another one answers, and what the keeper made of it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

from keeper.backtest.behind import Behind
from keeper.backtest.codec import encode_answer, encode_ask, encode_head
from keeper.backtest.past import Headers, Past, Question, decode_headers, encode, one_header
from keeper.backtest.state import state_key
from keeper.backtest.tape import Answered, Decision, Fact, Failed, Heard, Remembered, TapeWriter
from keeper.domain.errors import ConfigError, Inconsistent, KeeperError, Unavailable
from keeper.domain.events import Concluded, Degraded, Event, Left, Overtaken, Planned, Reopened, Sent
from keeper.domain.head import Head
from keeper.domain.state import StateRef
from keeper.ports import NewHead, Signal, World
from keeper.query import Answer, Ask, Unanswered
from keeper.render.as_json import as_json

_log = logging.getLogger(__name__)


class Recorder:
    """A :class:`keeper.ports.World` around another. It hears events too, as a listener.

    A tape that can't be written any more is left as it is, and said so once: nothing else suffers.
    """

    def __init__(
        self, world: World, tape: TapeWriter, *, past: Past | None = None, behind: Behind | None = None
    ) -> None:
        """`past` is kept as well, where there is one: then this is one too.

        With `behind` all is written there, and nobody waits for it.
        """
        self._world = world
        self._past = past
        self._tape = tape
        self._behind = behind
        self._writing = True
        self.lost = 0
        """How much found no room on its way to the tape."""

    @property
    def size_bytes(self) -> int:
        """Return how large the tape is."""
        return self._tape.size_bytes

    def turn(self, tape: Callable[[], TapeWriter]) -> None:
        """End the tape, and go on writing to another one."""

        def write() -> None:
            self._tape.close()
            try:
                self._tape = tape()
            except ConfigError as error:
                raise Unavailable(str(error)) from None

        self._write(write)

    def remember(self, frame: Remembered) -> None:
        """Keep what is known of a source."""
        self._write(lambda: self._tape.add(frame))

    async def signals(self) -> AsyncIterator[Signal]:
        """Yield what the world tells, having kept its heads."""
        async for signal in self._world.signals():
            if isinstance(signal, NewHead):
                self.head(signal.head, seen_at_s=signal.seen_at_s)
            yield signal

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        """Return what the world answers, having kept it; failures are kept as well."""
        try:
            answers = await self._world.answer(asks, at)
        except (Unavailable, Inconsistent) as error:
            self._write(partial(self._failed, asks, at, error))
            raise
        self._write(lambda: self._answered(asks, answers, at))
        return answers

    async def ask(self, question: Question) -> bytes:
        """Return what is so of the past, having kept it."""
        assert self._past is not None
        answer = await self._past.ask(question)
        if isinstance(question, Headers):  # one by one: a replay may ask for other ranges
            for head in decode_headers(answer):
                self._write(partial(self._fact, encode(one_header(head.number)), encode((head,))))
        else:
            self._write(partial(self._fact, encode(question), answer))
        return answer

    def head(self, head: Head, *, seen_at_s: float, first: bool = False) -> None:
        """Keep that a head was heard of; the `first` is the one that everything was read at."""

        def write() -> None:
            (place,) = self._tape.places(encode_head(head))
            self._tape.add(Heard(head=place, seen_at_s=seen_at_s, number=head.number, first=first))

        self._write(write)

    def __call__(self, event: Event) -> None:
        """Keep what was decided, beside what led to it."""
        match event:
            case Planned(behind=bytes()) | Left(behind=bytes()):
                pass  # a replay has heads alone: it knows nothing of what was pending
            case Planned() | Left() | Sent() | Concluded() | Reopened() | Degraded() | Overtaken():
                self._write(partial(self._decided, event))
            case _:
                pass

    def close(self) -> None:
        """End the tape."""
        self._write(self._tape.close)

    def _decided(self, event: Event) -> None:
        told = json.dumps({type(event).__name__.lower(): as_json(event)}, separators=(",", ":"))
        self._tape.add(Decision(told=told))

    def _fact(self, question: bytes, answer: bytes) -> None:
        asked, said = self._tape.places(question, answer)
        self._tape.add(Fact(question=asked, answer=said))

    def _answered(self, asks: Sequence[Ask], answers: Sequence[Answer], at: StateRef) -> None:
        known = [(a, b) for a, b in zip(asks, answers, strict=True) if not isinstance(b, Unanswered)]
        self._tape.add(
            Answered(
                at=state_key(at),
                asks=self._tape.places(*(encode_ask(ask) for ask, _ in known)),
                answers=self._tape.places(*(encode_answer(answer) for _, answer in known)),
            )
        )

    def _failed(self, asks: Sequence[Ask], at: StateRef, error: KeeperError) -> None:
        places = self._tape.places(*(encode_ask(ask) for ask in asks))
        self._tape.add(
            Failed(at=state_key(at), asks=places, error=type(error).__name__.lower(), why=str(error))
        )

    def _write(self, job: Callable[[], None]) -> None:
        if self._behind is None:
            self._do(job)
        elif not self._behind.do(partial(self._do, job)):
            self.lost += 1
            if self.lost == 1:
                _log.warning("the tape can't be written as fast as the chain goes on: it will lack answers")

    def _do(self, job: Callable[[], None]) -> None:
        if not self._writing:
            return
        try:
            job()
        except Unavailable as error:
            self._writing = False
            _log.warning("recording ends: %s", error)
