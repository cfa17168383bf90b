"""A small world to record: each ask has one answer at each state."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Unavailable
from keeper.domain.head import Head, NextBlock
from keeper.domain.state import Mined, StateRef
from keeper.ports import NewHead, Signal, Tick
from keeper.query import (
    Account,
    AccountState,
    Answer,
    Ask,
    Call,
    Log,
    LogRange,
    Logs,
    Reverted,
    Simulate,
    Simulated,
    SimulatedCall,
)

A, B = Address(b"\xaa" * 20), Address(b"\xbb" * 20)
TOPIC = Hash32(b"\x07" * 32)
BLOCK = NextBlock(number=2, timestamp_s=24, base_fee_wei=7, coinbase=B)
LOG = Log(A, (TOPIC,), b"\x01", 1, 0, TOPIC)

ANSWERS: dict[Ask, Answer] = {
    Call(A, b"\x01"): b"one",
    Call(A, b"\x02"): Reverted(b"\x08\xc3\x79\xa0"),
    Logs((A, B), (TOPIC,)): (LOG,),
    Logs((B,)): (),
    LogRange((A,), (TOPIC,), 0, 9): (LOG, LOG),
    Account(A): AccountState(3, 10**24, b"\xfe"),
    Simulate((SimulatedCall(A, B, b"\x05"),), BLOCK): (Simulated(False, 21_000, b""),),
}
DOWN = Call(B, b"down")


def head(number: int) -> Head:
    return Head(
        number=number,
        hash=Hash32(number.to_bytes(32)),
        parent=Hash32(((number - 1) % 2**256).to_bytes(32)),
        timestamp_s=12 * number,
        base_fee_wei=7,
        gas_used=1,
        gas_limit=2,
        coinbase=B,
    )


def at(number: int) -> Mined:
    return Mined(hash=head(number).hash)


class Small:
    """Answers by the table, and not at all what is DOWN."""

    async def signals(self) -> AsyncIterator[Signal]:
        yield NewHead(head=head(1), seen_at_s=12.5)
        yield Tick(seen_at_s=17.5)
        yield NewHead(head=head(2), seen_at_s=24.5)

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        if DOWN in asks:
            raise Unavailable("no answer within 10 s")
        return tuple(ANSWERS[ask] for ask in asks)
