"""The depths: every pool that a sale could pass through, at one head.

A pool is read again when a log of the head names it, and all are after a gap or a reorg, or where their venue
does not tell by logs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from keeper.domain.address import Address
from keeper.domain.depth import Pool
from keeper.domain.head import Head
from keeper.ports import Venue
from keeper.query import Query, logs

TokenPair: TypeAlias = tuple[Address, Address]
"""Two tokens, the lower address first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthChange:
    """The pools at a new head, whole, and the pairs that they were looked up for."""

    head: Head
    pairs: frozenset[TokenPair]
    pools: Mapping[Address, Pool]


class Depths:
    """The pools of one venue between the tokens that one position may exchange, and those to hop through."""

    def __init__(self, venue: Venue, *, intermediates: Sequence[Address]) -> None:
        self.venue = venue
        self.intermediates = frozenset(intermediates)
        self._state: DepthChange | None = None

    @property
    def pools(self) -> Mapping[Address, Pool]:
        """Return each pool by its address."""
        return self._state.pools if self._state else {}

    def advance(self, head: Head, pairs: Iterable[tuple[Address, Address]]) -> Query[DepthChange]:
        """Return the pools at `head` for these pairs; those that no log names are as they were."""
        wanted = frozenset(self._ways(pairs))
        last = self._state
        if last is None or not wanted <= last.pairs:
            found = yield from self.venue.discover(sorted(wanted))
            pools = yield from self.venue.load(found)
            return DepthChange(head=head, pairs=wanted, pools=pools)
        if head.hash == last.head.hash:
            return last
        known = tuple(last.pools)
        if head.parent != last.head.hash or not self.venue.told_by_logs:
            pools = yield from self.venue.load(known)
            return DepthChange(head=head, pairs=last.pairs, pools=pools)
        touched = {log.emitter for log in (yield from logs(known))}
        fresh = yield from self.venue.load([pool for pool in known if pool in touched])
        kept = {pool: depth for pool, depth in last.pools.items() if pool not in touched}
        return DepthChange(head=head, pairs=last.pairs, pools={**kept, **fresh})

    def apply(self, change: DepthChange) -> None:
        """Make the change the state."""
        self._state = change

    def _ways(self, pairs: Iterable[tuple[Address, Address]]) -> Iterator[TokenPair]:
        """Yield each pair, and all that hops between its tokens would pass through."""
        yield from combinations(sorted(self.intermediates), 2)
        for pair in {(min(pair), max(pair)) for pair in pairs}:
            if pair[0] != pair[1]:
                yield pair
            for token in pair:
                for between in self.intermediates - {token}:
                    yield min(token, between), max(token, between)
