"""The seam: rounds are joined, things asked once, a source that breaks does not stop the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Broken, Invariant
from keeper.domain.head import NextBlock
from keeper.domain.state import Mined, StateRef
from keeper.query import (
    Account,
    AccountState,
    Answer,
    Ask,
    Call,
    Paced,
    Query,
    Reverted,
    Simulate,
    Simulated,
    SimulatedCall,
    Unanswered,
    accounts,
    ahead,
    attempt,
    both,
    gather,
    log_range,
    logs,
    read,
    read_one,
    run,
    settle,
    simulate,
)

AT = Mined(hash=Hash32(bytes(32)))


def target(n: int) -> Address:
    return Address(n.to_bytes(20, "big"))


class Table:
    """A world whose answers are written down; remembers each round it was asked."""

    def __init__(self, answers: dict[Ask, Answer]) -> None:
        self.answers = answers
        self.rounds: list[tuple[Ask, ...]] = []

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        self.rounds.append(tuple(asks))
        return tuple(self.answers[ask] for ask in asks)


def number(data: bytes) -> int:
    if len(data) != 1:
        raise ValueError("one byte was expected")
    return data[0]


def call(n: int) -> Call:
    return Call(target(n), b"\x01\x02\x03\x04")


def chain(*steps: int) -> Query[list[int]]:
    """Ask for each step in a round of its own."""
    seen = []
    for step in steps:
        seen.append((yield from read_one(call(step), number)))
    return seen


def world(**broken: bytes | Reverted) -> Table:
    answers: dict[Ask, Answer] = {call(n): bytes([n]) for n in range(10)}
    answers.update({call(int(name[1:])): answer for name, answer in broken.items()})
    return Table(answers)


def test_run__two_queries_of_two_rounds__two_batches() -> None:
    table = world()
    assert asyncio.run(run(gather((chain(1, 2), chain(3, 4))), AT, table)) == ([1, 2], [3, 4])
    assert table.rounds == [(call(1), call(3)), (call(2), call(4))]


def test_run__the_same_thing_asked_by_many__asked_once() -> None:
    table = world()
    assert asyncio.run(run(gather((chain(1, 2), chain(2, 1), chain(1))), AT, table)) == ([1, 2], [2, 1], [1])
    assert table.rounds == [(call(1), call(2))]


def test_round__two_rounds__one_at_a_time_and_the_result_with_the_last() -> None:
    table = world()
    paced = Paced(chain(1, 2))
    assert asyncio.run(run(paced.round(), AT, table)) is None
    assert table.rounds == [(call(1),)]
    assert asyncio.run(run(paced.round(), AT, table)) == [1, 2]
    assert table.rounds == [(call(1),), (call(2),)]


def test_round__not_answered__asked_again() -> None:
    table, nobody = world(), Table({})
    paced = Paced(chain(1, 2))
    asyncio.run(run(paced.round(), AT, table))
    with pytest.raises(KeyError):
        asyncio.run(run(paced.round(), AT, nobody))
    assert nobody.rounds == [(call(2),)]
    assert asyncio.run(run(paced.round(), AT, table)) == [1, 2]


def test_round__nothing_to_ask_or_broken__at_once() -> None:
    table = world(n1=Reverted(b""))
    assert asyncio.run(run(Paced(chain()).round(), AT, table)) == []
    assert table.rounds == []
    with pytest.raises(Broken):
        asyncio.run(run(Paced(chain(1)).round(), AT, table))


def test_settle__queries_of_different_length__each_gets_its_own_answers() -> None:
    table = world()
    result = asyncio.run(run(settle((chain(1), chain(2, 3, 4), chain(), chain(5, 6))), AT, table))
    assert result == ([1], [2, 3, 4], [], [5, 6])
    assert [len(asks) for asks in table.rounds] == [3, 2, 1]


def test_settle__one_source_reverts__the_others_end_and_it_is_named() -> None:
    table = world(_3=Reverted(b"\xde\xad"))
    first, second = asyncio.run(run(settle((chain(1, 2), chain(3, 4))), AT, table))
    assert first == [1, 2]
    assert isinstance(second, Broken) and "reverted with 0xdead" in str(second)
    assert call(4) not in [ask for asks in table.rounds for ask in asks]


def test_gather__one_source_reverts__raises_after_the_others_ended() -> None:
    table = world(_1=Reverted(b""))
    with pytest.raises(Broken):
        asyncio.run(run(gather((chain(1), chain(2, 3))), AT, table))
    assert table.rounds[-1] == (call(3),)


def test_read__an_answer_that_does_not_decode__broken_and_named() -> None:
    with pytest.raises(Broken, match="gave 2 bytes that do not decode: one byte was expected"):
        asyncio.run(run(chain(1), AT, world(_1=b"\x01\x02")))


def test_attempt__some_revert__each_in_its_place() -> None:
    query = attempt((call(1), call(2)), number)
    assert asyncio.run(run(query, AT, world(_2=Reverted(b"no")))) == (1, Reverted(b"no"))


def test_read__nothing_asked__no_round() -> None:
    table = world()
    assert asyncio.run(run(read((), number), AT, table)) == ()
    assert asyncio.run(run(logs(()), AT, table)) == ()
    assert table.rounds == []


def test_both__results_of_two_kinds__in_the_same_rounds() -> None:
    state = AccountState(nonce=1, balance_wei=2, code=b"")
    table = world()
    table.answers[Account(target(9))] = state
    assert asyncio.run(run(both(chain(1), accounts((target(9),))), AT, table)) == ([1], (state,))
    assert len(table.rounds) == 1


def test_ahead__what_another_asks_later__is_not_asked_again() -> None:
    table = world()
    assert asyncio.run(run(both(chain(1, 2, 3), ahead(both(chain(2), chain(3)))), AT, table))[0] == [1, 2, 3]
    assert table.rounds == [(call(1), call(2), call(3))]


def test_ahead__a_guess_breaks__nothing_else_does() -> None:
    table = world(_2=Reverted(b""))
    assert asyncio.run(run(both(chain(1), ahead(chain(2))), AT, table))[0] == [1]


def test_simulate__a_sequence__answered_in_order() -> None:
    block = NextBlock(number=1, timestamp_s=2, base_fee_wei=3, coinbase=target(4))
    calls = (SimulatedCall(target(1), target(2), b"a"), SimulatedCall(target(1), target(3), b"b"))
    answer = (Simulated(False, 21_000, b""), Simulated(True, 30_000, b"no"))
    table = Table({Simulate(calls, block): answer})
    assert asyncio.run(run(simulate(calls, block), AT, table)) == answer


def test_leaf__an_answer_of_another_kind__invariant() -> None:
    with pytest.raises(Invariant):
        asyncio.run(run(chain(1), AT, Table({call(1): AccountState(0, 0, b"")})))
    with pytest.raises(Invariant):
        asyncio.run(run(accounts((target(1),)), AT, Table({Account(target(1)): b""})))


def test_leaves__what_the_world_does_not_know__breaks_the_source_and_no_other() -> None:
    call = Call(target(1), b"")
    block = NextBlock(number=1, timestamp_s=1, base_fee_wei=0, coinbase=target(9))
    leaves: list[Query[object]] = [
        read_one(call, number),
        attempt((call,), number),
        logs((target(1),)),
        log_range((target(1),), (), first=1, last=2),
        accounts((target(1),)),
        simulate((SimulatedCall(target(1), target(2), b""),), block),
    ]
    known = Call(target(2), b"")

    class Ignorant:
        async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
            return tuple(b"\x07" if ask == known else Unanswered("not on tape") for ask in asks)

    *unknown, seven = asyncio.run(run(settle((*leaves, read_one(known, number))), AT, Ignorant()))
    assert [str(why) for why in unknown if isinstance(why, Broken)] == ["not on tape"] * len(leaves)
    assert seven == 7
