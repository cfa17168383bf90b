"""What the executor said it earned; nobody else is believed."""

from __future__ import annotations

from keeper import contracts
from keeper.abi import interface
from keeper.domain.address import Address, Hash32
from keeper.query import Log
from keeper.submitter.earnings import earnings_wei, failed_parts

EXECUTED = interface(contracts.executor().abi).event("Executed")
LEG_FAILED = interface(contracts.executor().abi).event("LegFailed")
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


def test_failed_parts__several_of_which_two_failed__their_places() -> None:
    def failed(part: int, emitter: Address = EXECUTOR) -> Log:
        data = part.to_bytes(32, "big") + bytes(32)
        return executed(0, 0, emitter=emitter)._replace(topics=(LEG_FAILED.topic,), data=data)

    forged = failed(1, emitter=Address(b"\xbb" * 20))
    logs = [failed(0), forged, failed(3), executed(7, 2)]
    assert failed_parts(logs, executor=EXECUTOR, leg_failed=LEG_FAILED) == (0, 3)
    assert earnings_wei(logs, executor=EXECUTOR, executed=EXECUTED) == (7, 2)
