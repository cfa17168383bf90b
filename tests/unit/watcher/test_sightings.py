"""What this keeper knew of a position before somebody else closed it."""

from __future__ import annotations

from dataclasses import replace

from keeper.domain.declined import Declined, Reason
from keeper.domain.events import Decided, Left, Overtaken, Planned, Sent
from keeper.domain.head import Head
from keeper.domain.plan import Fees, Plan, Waterfall
from keeper.domain.position import PositionId
from keeper.domain.race import Deed
from keeper.watcher.sightings import Sightings
from tests.unit.store.test_journal import DRAFT, HEAD, submission

POSITION = PositionId(DRAFT.market, DRAFT.borrower)
PLAN = Plan(
    draft=DRAFT,
    gas_used=1,
    waterfall=Waterfall(bonus_wei=9, price_impact_wei=1, flash_fee_wei=1, gas_wei=2, tip_wei=1),
    fees=Fees(gas_limit=1, max_fee_per_gas_wei=8, max_priority_fee_per_gas_wei=5),
)


def head(number: int) -> Head:
    return replace(HEAD, number=number)


def left(number: int, reason: Reason = Reason.UNPROFITABLE) -> Left:
    return Left(
        head=head(number),
        market=DRAFT.market,
        borrower=DRAFT.borrower,
        health_factor_wad=1,
        why=Declined(reason=reason, detail=""),
    )


def test_before__declined_then_planned_then_sent__the_last_deed_since_the_first_sight() -> None:
    sightings = Sightings()
    sightings.hear(left(10), 100.0)
    sightings.hear(left(11, Reason.NO_ROUTE), 112.0)
    seen = sightings.before(POSITION, 12)
    assert seen is not None
    assert (seen.deed, seen.why, seen.first_head, seen.first_seen_at_s) == (
        Deed.DECLINED,
        "no route",
        10,
        100.0,
    )
    sightings.hear(Planned(head=head(12), plan=PLAN), 124.0)
    seen = sightings.before(POSITION, 13)
    assert seen is not None and (seen.deed, seen.why) == (Deed.PLANNED, "")
    assert (seen.net_wei, seen.tip_wei, seen.priority_fee_wei) == (4, 1, 5)
    sightings.hear(Sent(submission=replace(submission(1), head_number=12)), 124.1)
    sightings.hear(left(13, Reason.IN_FLIGHT), 136.0)
    seen = sightings.before(POSITION, 14)
    assert seen is not None and (seen.deed, seen.first_head) == (Deed.SENT, 10)


def test_before__seen_at_that_very_block_only__was_not_seen_before_it() -> None:
    sightings = Sightings()
    sightings.hear(left(10), 100.0)
    assert sightings.before(POSITION, 10) is None
    assert sightings.before(PositionId("another", DRAFT.borrower), 11) is None


def test_before__recovered_meanwhile__what_was_known_does_not_count() -> None:
    sightings = Sightings()
    sightings.hear(left(10), 100.0)
    sightings.hear(Decided(head=head(10), sent=0, milliseconds=1.0), 100.1)
    assert sightings.before(POSITION, 13) is not None
    sightings.hear(Decided(head=head(12), sent=0, milliseconds=1.0), 124.0)
    assert sightings.before(POSITION, 12) is not None  # gone with that block: by whatever is in it
    assert sightings.before(POSITION, 13) is None
    sightings.hear(left(20), 200.0)
    seen = sightings.before(POSITION, 21)
    assert seen is not None and seen.first_head == 20


def test_before__heads_overtaken_meanwhile__still_known() -> None:
    sightings = Sightings()
    sightings.hear(left(10), 100.0)
    for number in range(11, 50):
        sightings.hear(Overtaken(head=head(number)), 101.0)
        sightings.hear(Decided(head=head(number), sent=0, milliseconds=1.0), 101.0)
    assert sightings.before(POSITION, 50) is not None


def test_hear__many_heads__forgets_what_is_old() -> None:
    sightings = Sightings()
    for number in range(3_000):
        event = left(number)
        sightings.hear(replace(event, borrower=number.to_bytes(20, "big")), float(number))  # type: ignore[arg-type]
    assert len(sightings._seen) <= 1_026
