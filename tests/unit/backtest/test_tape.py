"""A tape tells what it was told, once each; what is wrong with one is said, with how far it goes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from keeper.backtest.recorder import Recorder
from keeper.backtest.tape import Answered, Contents, TapeWriter, read
from keeper.backtest.tape_world import Tape, TapeWorld
from keeper.domain.address import Hash32
from keeper.domain.errors import ConfigError, Unavailable
from keeper.domain.events import Degraded
from keeper.domain.state import Overlay
from keeper.ports import NewHead
from keeper.query import Answer, Call, LogRange, Logs, Unanswered
from tests.unit.backtest.worlds import ANSWERS, DOWN, LOG, TOPIC, A, B, Small, at, head


def record(path: Path, *, end: bool = True) -> Path:
    """Record two heads, everything asked at both."""

    async def follow() -> None:
        tape = TapeWriter(path, chain_id=5, written_by="keeper test")
        recorder = Recorder(Small(), tape)
        recorder.head(head(0), seen_at_s=0.5, first=True)
        await recorder.answer(tuple(ANSWERS), at(0))
        async for signal in recorder.signals():
            if isinstance(signal, NewHead):
                await recorder.answer(tuple(ANSWERS), at(signal.head.number))
                recorder(Degraded(what="the sky", why="it is grey"))
        with pytest.raises(Unavailable):
            await recorder.answer((DOWN,), at(2))
        recorder.close() if end else tape.abandon()

    asyncio.run(follow())
    return path


def answers(tape: Tape, number: int, *asks: Call) -> tuple[Answer, ...]:
    return asyncio.run(TapeWorld(tape).answer(tuple(asks) or tuple(ANSWERS), at(number)))


def test_record__every_kind_of_answer__is_replayed_as_it_was(tmp_path: Path) -> None:
    tape = Tape.load(record(tmp_path / "a.tape"))
    assert tape.chain_id == 5
    assert [heard.head for heard in tape.heads] == [head(0), head(1), head(2)]
    assert [heard.seen_at_s for heard in tape.heads] == [0.5, 12.5, 24.5]
    for number in (0, 1, 2):
        assert answers(tape, number) == tuple(ANSWERS.values())
    assert [(number, json.loads(told)["degraded"]["what"]) for number, told in tape.decisions] == [
        (1, "the sky"),
        (2, "the sky"),
    ]


def test_record__the_same_answers_at_three_heads__are_kept_once(tmp_path: Path) -> None:
    frames = list(read(record(tmp_path / "a.tape")))
    bodies = [body for frame in frames if isinstance(frame, Contents) for body in frame.bodies]
    told = sum(len(frame.asks) for frame in frames if isinstance(frame, Answered))
    assert len(bodies) == len(set(bodies)) == 2 * len(ANSWERS) + 3 + 1  # heads, and what was down
    assert told == 3 * len(ANSWERS)


def test_answer__what_was_not_asked_then__is_unanswered_and_counted(tmp_path: Path) -> None:
    world = TapeWorld(Tape.load(record(tmp_path / "a.tape")))
    known, unknown = Call(A, b"\x01"), Call(A, b"\x09")
    one, other = asyncio.run(world.answer((known, unknown), at(1)))
    (elsewhere,) = asyncio.run(world.answer((known,), at(7)))
    slot = Hash32(bytes(32))
    over = Overlay(base=at(1), storage={A: {slot: slot}})
    (laid_over,) = asyncio.run(world.answer((known,), over))
    assert one == b"one"
    assert all(isinstance(each, Unanswered) for each in (other, elsewhere, laid_over))
    assert world.unanswered == {"Call": 3}


def test_answer__the_same_filter_in_another_order__is_the_same_question(tmp_path: Path) -> None:
    """Sets of addresses come in another order in each process."""
    tape = Tape.load(record(tmp_path / "a.tape"))
    (logs,) = asyncio.run(TapeWorld(tape).answer((Logs((B, A), (TOPIC,)),), at(1)))
    (narrower,) = asyncio.run(TapeWorld(tape).answer((LogRange((A,), (TOPIC,), 1, 1),), at(2)))
    assert logs == (LOG,) and narrower == (LOG, LOG)
    (none,) = asyncio.run(TapeWorld(tape).answer((LogRange((A,), (TOPIC,), 2, 9),), at(2)))
    (wider,) = asyncio.run(TapeWorld(tape).answer((LogRange((A,), (TOPIC,), 1, 10),), at(2)))
    assert none == () and isinstance(wider, Unanswered)


def test_answer__what_was_unavailable_then__is_so_again(tmp_path: Path) -> None:
    tape = Tape.load(record(tmp_path / "a.tape"))
    with pytest.raises(Unavailable, match="no answer within 10 s"):
        answers(tape, 2, DOWN)


def test_load__killed_while_writing__says_how_far_it_goes_and_goes_so_far(tmp_path: Path) -> None:
    path = record(tmp_path / "a.tape", end=False)
    with pytest.raises(ConfigError, match=r"did not end it; it is whole for blocks 0 to 1: .* --to 1"):
        Tape.load(path)
    assert answers(Tape.load(path, last=1), 1) == tuple(ANSWERS.values())


def test_load__cut_anywhere__is_an_error_or_whole_so_far(tmp_path: Path) -> None:
    whole = record(tmp_path / "a.tape").read_bytes()
    torn = tmp_path / "torn.tape"
    outcomes = {"none": 0, "some": 0}
    for size in range(20, len(whole), 7):
        torn.write_bytes(whole[:size])
        with pytest.raises(ConfigError) as error:
            Tape.load(torn)
        told = str(error.value)
        outcomes["some" if "--to" in told else "none"] += 1
        if "--to" in told:
            last = int(told.rsplit(" ", 1)[1])
            assert answers(Tape.load(torn, last=last), last) == tuple(ANSWERS.values())
    assert min(outcomes.values()) > 5, outcomes


def test_load__one_bit_turned__is_noticed_wherever_it_is(tmp_path: Path) -> None:
    whole = record(tmp_path / "a.tape").read_bytes()
    turned = tmp_path / "turned.tape"
    for place in range(0, len(whole), 5):
        turned.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(ConfigError):
            Tape.load(turned)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is no tape of the keeper's"),
        (b"PK\x03\x04 a zip\n", "is no tape of the keeper's"),
        (b"keeper tape 99\n", "is a tape of version 99, and this keeper reads version 2"),
        (b"keeper tape 2\n", "before its first block is whole"),
    ],
)
def test_load__no_tape_or_another_version__says_which(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "b.tape"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected):
        Tape.load(path)


def test_load__the_same_file_again__is_read_once_and_anew_where_it_has_grown(tmp_path: Path) -> None:
    path = record(tmp_path / "a.tape", end=False)
    first = Tape.load(path, last=1)
    assert Tape.load(path, last=1) is first
    path.write_bytes(record(tmp_path / "whole.tape").read_bytes())
    again = Tape.load(path)
    assert again is not first and again.ended


def test_write__over_a_file_that_is_there__is_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "a.tape")
    with pytest.raises(ConfigError, match="is there already"):
        TapeWriter(path, chain_id=5, written_by="keeper test")
    with pytest.raises(ConfigError, match="can't be written"):
        TapeWriter(tmp_path / "no" / "folder.tape", chain_id=5, written_by="keeper test")
