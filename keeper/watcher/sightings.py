"""Sightings: which positions this keeper has seen below health 1, since when, and what it did. Pure.

It hears what the engine tells, and is asked when somebody else has closed one.
"""

from __future__ import annotations

from dataclasses import replace

from keeper.domain.events import Decided, Event, Left, Overtaken, Planned, Sent
from keeper.domain.position import PositionId
from keeper.domain.race import Deed, Sighting
from keeper.domain.submission import Purpose

_REMEMBERED_HEADS = 1_024


class Sightings:
    """What was seen, by position."""

    def __init__(self) -> None:
        self._seen: dict[PositionId, Sighting] = {}
        self._gone: dict[PositionId, int] = {}
        """At which head it was decided upon everything, and this position was not among it any more."""
        self._head = 0
        self._overtaken = 0

    def hear(self, event: Event, now_s: float) -> None:
        """Take in an event that the engine told at `now_s`."""
        match event:
            case Left(head=head, market=market, borrower=borrower, why=why):
                position = PositionId(market, borrower)
                seen = self._sighting(position, head.number, now_s)
                if seen.deed is not Deed.SENT:
                    seen = replace(seen, deed=Deed.DECLINED, why=why.reason.value)
                self._seen[position] = seen
            case Planned(head=head, plan=plan):
                for position in plan.draft.positions:
                    seen = self._sighting(position, head.number, now_s)
                    self._seen[position] = replace(
                        seen,
                        deed=seen.deed if seen.deed is Deed.SENT else Deed.PLANNED,
                        why="",
                        net_wei=plan.waterfall.net_wei,
                        tip_wei=plan.waterfall.tip_wei,
                        priority_fee_wei=plan.fees.max_priority_fee_per_gas_wei,
                    )
            case Sent(submission=submission) if submission.purpose is Purpose.LIQUIDATION:
                for position in submission.positions:
                    seen = self._sighting(position, submission.head_number, now_s)
                    self._seen[position] = replace(seen, deed=Deed.SENT)
            case Overtaken(head=head):
                self._overtaken = head.number
            case Decided(head=head) if head.number != self._overtaken:
                for position, seen in self._seen.items():
                    if seen.last_head < head.number:
                        self._gone.setdefault(position, head.number)
            case _:
                pass

    def before(self, position: PositionId, block_number: int) -> Sighting | None:
        """Return what was known of a position before that block, None where it was not seen unhealthy.

        Nor where it had recovered before it.
        """
        seen = self._seen.get(position)
        if seen is None or seen.first_head >= block_number:
            return None
        return seen if self._gone.get(position, block_number) >= block_number else None

    def _sighting(self, position: PositionId, head: int, now_s: float) -> Sighting:
        """Return the position's sighting, seen at this head as well; a new one where it had recovered."""
        if head > self._head:
            self._head = head
            oldest = head - _REMEMBERED_HEADS
            self._seen = {one: seen for one, seen in self._seen.items() if seen.last_head >= oldest}
            self._gone = {one: at for one, at in self._gone.items() if one in self._seen}
        seen = self._seen.get(position)
        if seen is None or self._gone.pop(position, None) is not None:
            return Sighting(first_head=head, first_seen_at_s=now_s, last_head=head, deed=Deed.DECLINED)
        return replace(seen, last_head=max(seen.last_head, head))
