"""What the watcher hands to the planner: one state, and all that a decision upon it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.domain.address import Address
from keeper.domain.carriage import Carriage
from keeper.domain.depth import Pool
from keeper.domain.funding import Offer
from keeper.domain.head import Head, NextBlock
from keeper.domain.position import Opportunity, PositionId
from keeper.domain.surcharge import Surcharge


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A source that could not be read at this state, and why; the others were."""

    source: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejoined:
    """A source took in a head that is not the child of its last one: its branch was left, or heads missed."""

    source: str
    abandoned_blocks: int
    """Of ours that are not on the head's branch."""
    missed_blocks: int
    """Of the head's branch that were not heads here: filled now."""
    whole: bool
    """The branches part deeper than is remembered, or too long ago: everything was read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A position was not what the protocol itself says of it: a log was missed, or something miscomputed."""

    position: PositionId
    figures: Mapping[str, tuple[int, int]]
    """By name with its unit, those that differ: ours, and the protocol's."""
    mended: bool
    """Read again, with the market's configuration where that took it, it is what the protocol says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The state after `head`, and the block that a transaction decided upon it is meant for."""

    head: Head
    block: NextBlock
    deadline_s: int
    """The last block time at which such a transaction may still run."""
    opportunities: tuple[Opportunity, ...]
    pools: Mapping[Address, Pool]
    offers: Mapping[str, tuple[Offer, ...]]
    """By the flash source's name, what it lends. A source that could not be read is not in it."""
    surcharge: Surcharge | None
    """What a transaction costs beside its gas; None where that could not be read."""
    borrowers: int
    """How many positions with debt were looked at."""
    skipped: tuple[Skipped, ...]
    rejoined: tuple[Rejoined, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
    carriages: tuple[Carriage, ...] = ()
    """What the vault's owner lets be carried, as far as anything may be."""
