"""Upon what a transaction of the keeper's came to stand: what its plan counted on, or something else. Pure.

A plan is made upon a head, and upon what the plans before it leave of their pools. In the block it stands
behind the block's own transactions, and where its bid puts it among the keeper's. Where both are the same,
what it brings is what was predicted; where they are not, this tells why not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from keeper.backtest.landing import Flight, counts_on
from keeper.domain.address import Hash32
from keeper.domain.submission import Included


class Footing(StrEnum):
    """What a transaction stood upon."""

    AS_PLANNED = "as planned"
    MOVED = "behind others' trades in its pools"
    """The block's own transactions had traded there, as they do behind a report of prices."""
    WITHOUT = "without one that it counts on"
    """One of the keeper's own that was to come before it came behind it, failed, or stood otherwise."""
    BEHIND = "behind one that it does not count on"
    """One of the keeper's own that was to come later, or was planned upon another head, came first."""


def footings(flights: Sequence[Flight]) -> Mapping[Hash32, Footing]:
    """Return what each that did what it was for stood upon, by its hash. They are in the order of planning.

    Of several reasons the one that comes first among those of :class:`Footing`.
    """
    upon: dict[bytes, list[Flight]] = defaultdict(list)
    in_block: dict[int, list[Flight]] = defaultdict(list)
    for one in flights:
        upon[one.head.hash].append(one)
        if isinstance(one.outcome, Included):
            in_block[one.outcome.block_number].append(one)
    told: dict[Hash32, Footing] = {}
    for one in flights:  # whom it counts on comes before it
        if isinstance(one.outcome, Included):
            told[one.submission.hash] = _footing(one, upon[one.head.hash], in_block, told)
    return told


def _footing(
    flight: Flight,
    planned_with: Sequence[Flight],
    in_block: Mapping[int, Sequence[Flight]],
    told: Mapping[Hash32, Footing],
) -> Footing:
    if flight.touched & flight.plan.draft.pools:
        return Footing.MOVED
    before = planned_with[: planned_with.index(flight)]
    counted_on = [one for one in before if counts_on(flight, one)]
    found = list(_found(flight, in_block))
    if any(
        one not in found or told[one.submission.hash] is not Footing.AS_PLANNED for one in counted_on
    ):  # one that passes through a second pool leaves there what it got in the first
        return Footing.WITHOUT
    return Footing.AS_PLANNED if len(found) == len(counted_on) else Footing.BEHIND


def _found(flight: Flight, in_block: Mapping[int, Sequence[Flight]]) -> Iterator[Flight]:
    """Yield those that had used its pools when it ran, since the head that it was planned upon."""
    assert flight.block is not None
    for number in range(flight.head.number + 1, flight.block.number + 1):
        for one in in_block.get(number, ()):
            if one.plan.draft.pools & flight.plan.draft.pools and (number, one.run) < (
                flight.block.number,
                flight.run,
            ):
                yield one
