"""Upon what a transaction of the keeper's came to stand: what its plan counted on, or something else. Pure.

A plan is made upon a head, and upon what the plans before it leave of their pools. In the block it stands
behind the block's own transactions, and where its bid puts it among the keeper's. Where both are the same,
what it brings is what was predicted; where they are not, this tells why not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

from keeper.backtest.landing import Flight, counts_on
from keeper.domain.submission import Included


class Footing(StrEnum):
    """What a transaction stood upon; the first that is so."""

    AS_PLANNED = "as planned"
    MOVED = "behind trades in its pools"
    """The block's own transactions before it had traded there, as they do behind a report of prices."""
    AMISS = "without one that it counts on"
    """One of the keeper's own that is planned to come before it came behind it, or failed."""
    AHEAD = "behind one that was to come later"
    """One of the keeper's own that was planned upon what this one leaves, or upon another head, came first."""


def footing(flight: Flight, flights: Sequence[Flight]) -> Footing:
    """Return what one of these, which are in the order that they were planned in, stood upon."""
    if flight.touched & flight.plan.draft.pools:
        return Footing.MOVED
    planned = [one for one in flights[: flights.index(flight)] if counts_on(flight, one)]
    found = list(_found(flight, flights))
    if any(one not in found for one in planned):
        return Footing.AMISS
    return Footing.AS_PLANNED if len(found) == len(planned) else Footing.AHEAD


def _found(flight: Flight, flights: Sequence[Flight]) -> Iterator[Flight]:
    """Yield those that had used its pools since the head it was planned upon, when it ran."""
    for one in flights:
        if one is flight or not isinstance(one.outcome, Included):
            continue
        if one.plan.draft.pools & flight.plan.draft.pools and _ran(one) < _ran(flight):
            if _ran(one)[0] > flight.head.number:
                yield one


def _ran(flight: Flight) -> tuple[int, int]:
    """Return where one that is in a block ran: the block, and the place among the keeper's own in it."""
    assert flight.block is not None and flight.run is not None
    return flight.block.number, flight.run
