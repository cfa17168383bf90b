"""The depths: every pool that a sale could pass through, at one head.

A pool is read again when a log of the head names it, and all are after a gap or a reorg.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from keeper.domain.address import Address
from keeper.domain.depth import Pool
from keeper.domain.head import Head
from keeper.ports import Venue
from keeper.query import Query, logs


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthChange:
    """The pools at a new head, whole, and the tokens that they were looked up for."""

    head: Head
    tokens: frozenset[Address]
    pools: Mapping[Address, Pool]


class Depths:
    """The pools of one venue between the tokens that the markets know and those to hop through."""

    def __init__(self, venue: Venue, *, intermediates: Sequence[Address]) -> None:
        self.venue = venue
        self._intermediates = frozenset(intermediates)
        self._state: DepthChange | None = None

    @property
    def pools(self) -> Mapping[Address, Pool]:
        """Return each pool by its address."""
        return self._state.pools if self._state else {}

    def advance(self, head: Head, tokens: Iterable[Address]) -> Query[DepthChange]:
        """Return the pools at `head` between these tokens; those that no log names are as they were."""
        wanted = frozenset(tokens) | self._intermediates
        last = self._state
        if last is None or not wanted <= last.tokens:
            found = yield from self.venue.discover(combinations(sorted(wanted), 2))
            pools = yield from self.venue.load(found)
            return DepthChange(head=head, tokens=wanted, pools=pools)
        if head.hash == last.head.hash:
            return last
        known = tuple(last.pools)
        if head.parent != last.head.hash:
            pools = yield from self.venue.load(known)
            return DepthChange(head=head, tokens=last.tokens, pools=pools)
        touched = {log.emitter for log in (yield from logs(known))}
        fresh = yield from self.venue.load([pool for pool in known if pool in touched])
        kept = {pool: depth for pool, depth in last.pools.items() if pool not in touched}
        return DepthChange(head=head, tokens=last.tokens, pools={**kept, **fresh})

    def apply(self, change: DepthChange) -> None:
        """Make the change the state."""
        self._state = change
