"""The depths: every pool that a sale could pass through, at one head.

A pool is read again when a log names it, on the branch that is followed or on the one that was left, and all
are after a long gap, or where their venue does not tell by logs. Pools that are created for a pair of ours
are found by the log that tells of them.

A head has three rounds at most, and a pool that was never read takes them all. So once the depths are open,
pools that are found at a head, for pairs that are new or that have got another, are read with the next head.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeAlias

from keeper.domain.address import Address, address_of
from keeper.domain.depth import Pool
from keeper.domain.head import Head
from keeper.domain.observation import Rejoined
from keeper.ports import Filter, Venue
from keeper.query import Log, Query, both
from keeper.watcher.chain import Chain, rejoined
from keeper.watcher.told import told

TokenPair: TypeAlias = tuple[Address, Address]
"""Two tokens, the lower address first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchedPools:
    """What a block's logs say of a venue: which pools moved, and which pairs of tokens got one."""

    pools: frozenset[Address] = frozenset()
    pairs: frozenset[TokenPair] = frozenset()

    def __or__(self, other: TouchedPools) -> TouchedPools:
        """Return what either touched."""
        return TouchedPools(pools=self.pools | other.pools, pairs=self.pairs | other.pairs)


_NOTHING = TouchedPools()


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthChange:
    """The pools at a new head, whole, and the pairs that they were looked up for."""

    head: Head
    pairs: frozenset[TokenPair]
    known: frozenset[Address]
    """Every pool there is for these pairs, those without a price included."""
    pools: Mapping[Address, Pool]
    chain: Chain[TouchedPools]
    unread: frozenset[Address] = frozenset()
    """Those of the known pools that were found at this head."""
    rejoined: Rejoined | None = None


class Depths:
    """The pools of one venue between the tokens that one position may exchange, and those to hop through."""

    def __init__(self, venue: Venue, *, intermediates: Sequence[Address], reorg_depth: int = 64) -> None:
        self.venue = venue
        self.intermediates = frozenset(intermediates)
        self._reorg_depth = reorg_depth
        self._state: DepthChange | None = None
        self._ways_of: tuple[frozenset[tuple[Address, Address]], frozenset[TokenPair]] = (
            frozenset(),
            frozenset(combinations(sorted(self.intermediates), 2)),
        )
        """The pairs that were last asked about, and the ways between them: mostly the same at each head."""

    @property
    def pools(self) -> Mapping[Address, Pool]:
        """Return each pool by its address."""
        return self._state.pools if self._state else {}

    def advance(self, head: Head, pairs: Iterable[tuple[Address, Address]]) -> Query[DepthChange]:
        """Return the pools at `head` for these pairs; those that no log names are as they were.

        Of pairs that are new the pools are found now, and read with the next head.
        """
        pairs = frozenset(pairs)
        if pairs != self._ways_of[0]:
            self._ways_of = pairs, frozenset(self._ways(pairs))
        wanted = self._ways_of[1]
        last = self._state
        if last is None:
            return (yield from self._open(head, wanted))
        if head.hash == last.head.hash:
            return replace(last, rejoined=None)
        kept = yield from last.chain.shared(head)
        how = rejoined(self.venue.name, head, last.head, last.chain, kept=kept)
        if how is not None and self._is_new_ground(how, wanted, last):
            return (yield from self._open(head, wanted, how))
        return (yield from self._follow(head, wanted, last, kept, how))

    def apply(self, change: DepthChange) -> None:
        """Make the change the state."""
        self._state = change

    # --- the ways to a new state ----------------------------------------------------------------------------

    def _is_new_ground(self, how: Rejoined, wanted: frozenset[TokenPair], last: DepthChange) -> bool:
        """Return whether to read every pool is less than to follow all, or pairs were taken back."""
        taken_back = how.abandoned_blocks > 0 and wanted != last.pairs
        return how.whole or how.missed_blocks > self._reorg_depth or taken_back

    def _open(
        self, head: Head, pairs: frozenset[TokenPair], how: Rejoined | None = None
    ) -> Query[DepthChange]:
        known = frozenset((yield from self.venue.discover(sorted(pairs))))
        pools = yield from self.venue.load(sorted(known))
        chain: Chain[TouchedPools] = Chain(depth=self._reorg_depth)
        return DepthChange(
            head=head,
            pairs=pairs,
            known=known,
            pools=pools,
            chain=chain.grown(head, _NOTHING),
            rejoined=how,
        )

    def _follow(
        self,
        head: Head,
        wanted: frozenset[TokenPair],
        last: DepthChange,
        kept: int,
        how: Rejoined | None,
    ) -> Query[DepthChange]:
        """Read again what was touched above the first `kept` links, on either branch."""
        chain = last.chain.cut(kept)
        first = chain.links[-1].number + 1
        left = _NOTHING
        for link in last.chain.links[kept:]:
            left |= link.touched
        (joined, found, moved), (fresh, listed) = yield from both(
            self._moved(head, last, left, first=first),
            both(self.venue.load(sorted(last.unread)), self.venue.discover(sorted(wanted - last.pairs))),
        )
        touched = left | joined
        of_these = {pool for pool, depth in last.pools.items() if _sorted(depth.tokens) in touched.pairs}
        known = (last.known - of_these) | found | frozenset(listed)
        as_before = {pool: last.pools[pool] for pool in last.pools.keys() & known - touched.pools - found}
        return DepthChange(
            head=head,
            pairs=last.pairs | wanted,
            known=known,
            pools={**as_before, **fresh, **moved},
            unread=known - last.known,
            chain=chain if first > head.number else chain.grown(head, joined),
            rejoined=how,
        )

    def _moved(
        self, head: Head, last: DepthChange, left: TouchedPools, *, first: int
    ) -> Query[tuple[TouchedPools, frozenset[Address], Mapping[Address, Pool]]]:
        """Return what logs from `first` on tell, all pools of pairs that got one, and what was read again."""
        if self.venue.told_by_logs:
            joined = self._touched((yield from told(self._concerns(last.known), first=first, head=head)))
        else:
            joined = TouchedPools(pools=last.known)
        touched = left | joined
        found = frozenset((yield from self.venue.discover(sorted(touched.pairs & last.pairs))))
        moved = touched.pools & last.known - last.unread | found & last.pools.keys()
        return joined, found, (yield from self.venue.load(sorted(moved)))

    def _concerns(self, pools: Collection[Address]) -> Filter:
        """Return the logs by which these pools move, and others come."""
        factory = self.venue.factory
        return Filter(emitters=(*(() if factory is None else (factory,)), *sorted(pools)), topics=())

    def _touched(self, logs: Iterable[Log]) -> TouchedPools:
        """Return what these logs tell: whatever a pool logs, it may have moved."""
        pools = {log.emitter for log in logs if log.emitter != self.venue.factory}
        pairs = {
            _sorted((address_of(log.topics[1]), address_of(log.topics[2])))
            for log in logs
            if log.emitter == self.venue.factory and len(log.topics) > 2
        }
        return TouchedPools(pools=frozenset(pools), pairs=frozenset(pairs))

    def _ways(self, pairs: Iterable[tuple[Address, Address]]) -> Iterator[TokenPair]:
        """Yield each pair, and all that hops between its tokens would pass through."""
        yield from combinations(sorted(self.intermediates), 2)
        for pair in set(map(_sorted, pairs)):
            if pair[0] != pair[1]:
                yield pair
            for token in pair:
                for between in self.intermediates - {token}:
                    yield _sorted((token, between))


def _sorted(pair: tuple[Address, Address]) -> TokenPair:
    return min(pair), max(pair)
