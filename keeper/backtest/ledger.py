"""What a backtest saw and did, block by block: what its score is made from. Values alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from keeper.backtest.landing import Flight
from keeper.backtest.observed import Observed
from keeper.backtest.past import Mined
from keeper.domain.declined import Declined
from keeper.domain.head import Head
from keeper.domain.position import PositionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A position that was below health 1 after a block, and what was decided about it."""

    head_number: int
    declined: Declined | None
    """None where a plan was made."""


class Ending(StrEnum):
    """How a position came to be no longer below health 1."""

    LIQUIDATED = "liquidated"
    CAUGHT = "caught"
    REPAID = "repaid"
    """Its borrower acted: repaid, or added collateral."""
    RECOVERED = "recovered"
    """Prices came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A stretch of blocks during which a position could be liquidated."""

    position: PositionId
    first: int
    """The block after which it could."""
    last: int
    """The block in which that ended."""
    ending: Ending


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Everything that one pass over a range of blocks brought."""

    first: Head
    last: Head
    blocks: int = 0
    observed: Sequence[Observed] = ()
    """Every liquidation on chain in the range, in the chain's order."""
    mined: dict[int, Sequence[Mined]] = field(default_factory=dict)
    """The transactions of the blocks that hold one, by the block's number."""
    sightings: dict[PositionId, list[Sighting]] = field(default_factory=dict)
    episodes: list[Episode] = field(default_factory=list)
    flights: Sequence[Flight] = ()
    unread: dict[int, str] = field(default_factory=dict)
    """Heads that were not dealt with to their end, and why."""
    times_s: dict[int, int] = field(default_factory=dict)
    """Each block's time."""
    unanswered: Mapping[str, int] = field(default_factory=dict)
    """Questions without an answer, by kind."""

    def sighted(self, position: PositionId, *, before: int) -> Sighting | None:
        """Return how a position was last seen below health 1, before a block."""
        seen = self.sightings.get(position, ())
        return next((one for one in reversed(seen) if one.head_number < before), None)
