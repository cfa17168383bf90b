"""What the executor said it earned; nobody else is believed."""

from __future__ import annotations

from keeper import contracts
from keeper.abi import interface
from keeper.domain.address import Address, Hash32
from keeper.query import Log
from keeper.submitter.earnings import earnings_wei

EXECUTED = interface(contracts.executor().abi).event("Executed")
EXECUTOR = Address(b"\xee" * 20)


def executed(profit: int, tip: int, *, emitter: Address = EXECUTOR) -> Log:
    return Log(
        emitter=emitter,
        topics=(EXECUTED.topic,),
        data=profit.to_bytes(32, "big") + tip.to_bytes(32, "big"),
        block_number=1,
        log_index=0,
        transaction=Hash32(bytes(32)),
    )


def test_earnings_wei__executed__profit_and_tip() -> None:
    other = executed(0, 0)._replace(topics=(Hash32(b"\x01" * 32), Hash32(bytes(32))))
    assert earnings_wei([other, executed(7, 2)], executor=EXECUTOR, executed=EXECUTED) == (7, 2)


def test_earnings_wei__same_event_of_another__is_passed_over() -> None:
    forged = executed(10**30, 0, emitter=Address(b"\xbb" * 20))
    assert earnings_wei([forged], executor=EXECUTOR, executed=EXECUTED) == (0, 0)
