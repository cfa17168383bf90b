"""What the executor said it earned; nobody else is believed."""

from __future__ import annotations

from keeper import contracts
from keeper.abi import interface
from keeper.domain.address import Address, Hash32, word
from keeper.domain.carriage import Carried
from keeper.query import Log
from keeper.submitter.earnings import carried, earnings_wei, failed_parts

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


def test_carried__by_the_vault_and_by_a_forger__what_the_vault_says() -> None:
    event = interface(contracts.vault().abi).event("Carried")
    vault, spent, kept = (Address(bytes([at]) * 20) for at in (1, 2, 3))

    def said(paid: int, emitter: Address) -> Log:
        topics = (event.topic, Hash32(word(spent)), Hash32(word(kept)))
        data = paid.to_bytes(32, "big") + (9).to_bytes(32, "big")
        return executed(0, 0, emitter=emitter)._replace(topics=topics, data=data)

    logs = [said(7, vault), said(8, EXECUTOR), executed(7, 2)]
    told = Carried(spent=spent, carried=kept, paid_raw=7, received_raw=9)
    assert carried(logs, vault=vault, event=event) == (told,)
