"""The book: every position of one protocol's market, as the chain stores them at one head.

Events say who changed; the chain says to what. What a head's logs name is read again at that head and never
derived from the events' amounts. Where a head is not the child of the last one, so is what was touched since
the branches parted, on either. A query returns a `Change`; `apply` puts it into the book whole, so a round
that fails leaves nothing half written: the book stays at its old head, and the next head finds the gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Generic, TypeAlias

from keeper.domain.fixed_point import WAD
from keeper.domain.head import Head, NextBlock
from keeper.domain.observation import Mismatch, Rejoined
from keeper.domain.position import Health, Opportunity, PositionId
from keeper.ports import NOTHING_TOUCHED, Figures, Filter, LendingProtocol, Link, Market, Prices, Row, Touched
from keeper.query import Query, ahead, block_hashes, both, log_range
from keeper.watcher import auditing
from keeper.watcher.chain import Chain, rejoined
from keeper.watcher.columns import Columns
from keeper.watcher.told import told

_PAGE = 2_000
"""Positions read in one round when the whole book is: bounds what one batch holds in memory."""

_LIQUIDATABLE_BELOW_WAD = WAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[Market, Row]):
    """What a market and its positions are at a new head. Rows not in it are as they were."""

    head: Head
    market: Market
    rows: Mapping[PositionId, Row]
    chain: Chain[Touched]
    rejoined: Rejoined | None = None
    mismatches: tuple[Mismatch, ...] = ()
    """What the audit found."""


class Book(Generic[Market, Row]):
    """One market's positions. Knows neither its protocol's arithmetic nor how it is asked."""

    def __init__(
        self,
        protocol: LendingProtocol[Market, Row],
        *,
        first_block: int,
        reorg_depth: int = 64,
        audited: int = 0,
    ) -> None:
        """`first_block` is where the market was deployed: no position is older.

        At every head so many positions are `audited`: held against what the protocol itself says of them.
        """
        self.protocol = protocol
        self._audited = audited
        self._first_block = first_block
        self._reorg_depth = reorg_depth
        self._state: Change[Market, Row] | None = None
        self._rows: Columns[Row] = Columns(pack=protocol.pack, unpack=protocol.unpack)

    @property
    def head(self) -> Head | None:
        """Return the head that the book is at; None before it was opened."""
        return self._state.head if self._state else None

    @property
    def market(self) -> Market:
        """Return the market at the book's head."""
        if self._state is None:
            raise LookupError(f"{self.protocol.name} has not been opened")
        return self._state.market

    @property
    def first_block(self) -> int:
        """Return the block before which no position is."""
        return self._first_block

    @property
    def rows(self) -> Mapping[PositionId, Row]:
        """Return every position that owes something."""
        return self._rows

    @property
    def chain(self) -> Chain[Touched]:
        """Return the last blocks that were followed."""
        return self._state.chain if self._state else Chain(depth=self._reorg_depth)

    def begin(
        self, head: Head, market: Market, rows: Mapping[PositionId, Row], chain: Chain[Touched]
    ) -> None:
        """Make the book what was known of it at `head`, whoever knew it."""
        self.apply(Change(head=head, market=market, rows=rows, chain=chain))

    def rooted(self, head: Head, market: Market) -> Query[Chain[Touched]]:
        """Return the chain up to `head`, as if the last blocks had been followed."""
        base = max(head.number - self._reorg_depth, self._first_block - 1, 0)
        chain: Chain[Touched] = Chain(depth=self._reorg_depth)
        if base >= head.number:
            return chain.grown(head, NOTHING_TOUCHED)
        (hash_,), found = yield from both(
            block_hashes((base,), head=head), told(self.protocol.concerns(market), first=base + 1, head=head)
        )
        root = Link(number=base, hash=hash_, touched=NOTHING_TOUCHED)
        return replace(chain, links=(root,)).grown(head, self.protocol.touched(market, found))

    def add(self, rows: Mapping[PositionId, Row], *, market: Market | None = None) -> None:
        """Put in positions as they are at the book's head, and the market as it turned out to be."""
        if self._state is None:
            raise LookupError(f"{self.protocol.name} has not been opened")
        self.apply(replace(self._state, rows=rows, market=market or self._state.market))

    def advance(self, head: Head) -> Query[Change[Market, Row]]:
        """Return what changed up to `head`: what was touched since the last block that both are built on."""
        last = self._state
        if last is None:
            return (yield from self._open(head))
        if head.hash == last.head.hash:
            return replace(last, head=head, rows={}, rejoined=None, mismatches=())
        kept = yield from last.chain.shared(head)
        if kept == 0:
            return (yield from self._reopen(head, last))
        return (yield from self._follow(head, last, kept))

    def apply(self, change: Change[Market, Row]) -> None:
        """Make the change the book's state."""
        self._state = change
        for position, row in change.rows.items():
            if not self.protocol.owes(row):
                self._rows.drop(position)
        self._rows.put({one: row for one, row in change.rows.items() if self.protocol.owes(row)})

    def healths(self, *, at_s: int) -> Iterator[tuple[PositionId, Row, Health]]:
        """Yield every position's health at a block of time `at_s`."""
        held = dict(self._rows.items())
        healths = self.protocol.healths(self.market, held.values(), at_s=at_s)
        yield from zip(held.keys(), held.values(), healths, strict=True)

    def below(
        self, health_wad: int, *, at_s: int, market: Market | None = None
    ) -> list[tuple[PositionId, Row, Health]]:
        """Return the positions whose health is less at a block of time `at_s`, the worst first.

        All are screened in floats; whom the screen lets through is computed to the last digit. With `market`
        it is told for that one instead of the book's: such as for prices that are not on the chain yet.
        """
        market = self.market if market is None else market
        weights = self.protocol.weights(market, self._rows.slots, at_s=at_s)
        passed = dict(self._rows.screened(weights, below=health_wad / WAD))
        healths = self.protocol.healths(market, passed.values(), at_s=at_s)
        told = zip(passed.keys(), passed.values(), healths, strict=True)
        found = [one for one in told if one[2].health_factor_wad < health_wad]
        return sorted(found, key=lambda one: (one[2].health_factor_wad, one[0]))

    def count_below(self, health_wad: int, *, at_s: int) -> int:
        """Return how many positions' health is less, as the screen tells: in floats, so never too few."""
        weights = self.protocol.weights(self.market, self._rows.slots, at_s=at_s)
        return sum(1 for _ in self._rows.screen(weights, below=health_wad / WAD))

    def first_to_fall(self, start: Prices, end: Prices, *, at_s: int) -> tuple[float, PositionId] | None:
        """Return how far on the straight way from prices to others the next position falls, and which.

        That is a share of the way, beyond 1 where it has to go on; None where none would fall on it. It is
        a figure to be told, in floats.
        """
        weights, others = (
            self.protocol.weights(self.protocol.priced(self.market, prices), self._rows.slots, at_s=at_s)
            for prices in (start, end)
        )
        return self._rows.first_to_fall(weights, others)

    def opportunities(
        self, *, block: NextBlock, deadline_s: int, prices: Prices = MappingProxyType({})
    ) -> Iterator[Opportunity]:
        """Yield the positions that may be liquidated in `block`, worst health first.

        It is told for the chain's prices but for `prices`.
        """
        market = self.protocol.priced(self.market, prices) if prices else self.market
        for position, row, _ in self.below(_LIQUIDATABLE_BELOW_WAD, at_s=block.timestamp_s, market=market):
            yield self.protocol.opportunity(market, position, row, block=block, deadline_s=deadline_s)

    # --- the ways to a new state ----------------------------------------------------------------------------

    def _open(self, head: Head) -> Query[Change[Market, Row]]:
        market = yield from self.protocol.open()
        wanted = self.protocol.discovery(market)
        found = yield from log_range(
            wanted.emitters, wanted.topics, first=self._first_block, last=head.number
        )
        touched = self.protocol.touched(market, found)
        if touched.configuration:
            market = yield from self.protocol.refresh(
                market, configuration=True, logs=found, at_s=head.timestamp_s
            )
        rows = yield from self._read(market, touched.positions)
        chain = yield from self.rooted(head, market)
        return Change(head=head, market=market, rows=rows, chain=chain)

    def _reopen(self, head: Head, last: Change[Market, Row]) -> Query[Change[Market, Row]]:
        """Read everything again, and whoever was known: the branches part deeper than is remembered."""
        opened = yield from self._open(head)
        gone = yield from self._read(opened.market, frozenset(self._rows.keys() - opened.rows.keys()))
        why = rejoined(self.protocol.name, head, last.head, last.chain, kept=0)
        return replace(opened, rows={**gone, **opened.rows}, rejoined=why)

    def _follow(self, head: Head, last: Change[Market, Row], kept: int) -> Query[Change[Market, Row]]:
        """Read again what was touched above the first `kept` links, by what we followed and by what we join.

        What the market's own configuration adds to it is told by more emitters: their logs count too.
        """
        protocol, market, chain = self.protocol, last.market, last.chain.cut(kept)
        first = chain.links[-1].number + 1
        left = NOTHING_TOUCHED
        for link in last.chain.links[kept:]:
            left |= link.touched
        wanted = protocol.concerns(market)
        (found, market), views = yield from both(
            both(told(wanted, first=first, head=head), self._figures(head, last, left)),
            self._views(head, last),
        )
        joined = protocol.touched(last.market, found)
        if left.configuration or joined.configuration:
            market, _ = yield from both(
                protocol.refresh(last.market, configuration=True, logs=found, at_s=head.timestamp_s),
                ahead(self._read(last.market, left.positions | joined.positions)),
            )
            emitters = [one for one in protocol.concerns(market).emitters if one not in wanted.emitters]
            if emitters:  # all of their logs: that there are some the bloom says anyway
                theirs = Filter(emitters=tuple(emitters), topics=())
                joined |= protocol.touched(market, (yield from told(theirs, first=first, head=head)))
        rows = yield from self._read(market, left.positions | joined.positions)
        market, mended, mismatches = yield from self._mend(head, market, rows, views)
        return Change(
            head=head,
            market=market,
            rows={**rows, **mended},
            chain=chain if first > head.number else chain.grown(head, joined),
            rejoined=rejoined(protocol.name, head, last.head, last.chain, kept=kept),
            mismatches=mismatches,
        )

    def _figures(self, head: Head, last: Change[Market, Row], left: Touched) -> Query[Market]:
        """Return the market with its figures at `head`; as it was where it must be read whole anyway.

        Then all that is known to be asked for that is asked already.
        """
        if left.configuration:
            whole = self.protocol.refresh(last.market, configuration=True, at_s=head.timestamp_s)
            yield from ahead(both(whole, self._read(last.market, left.positions)))
            return last.market
        return (yield from self.protocol.refresh(last.market, configuration=False, at_s=head.timestamp_s))

    def _views(self, head: Head, last: Change[Market, Row]) -> Query[Mapping[PositionId, Figures]]:
        """Return what the protocol says of the positions that are audited at `head`."""
        audited = [
            one
            for one in auditing.drawn(head, self._rows, count=self._audited)
            if self.protocol.figures(last.market, self._rows[one], at_s=last.head.timestamp_s) is not None
        ]
        return (yield from auditing.views(self.protocol, last.market, audited)) if audited else {}

    def _mend(
        self,
        head: Head,
        market: Market,
        rows: Mapping[PositionId, Row],
        views: Mapping[PositionId, Figures],
    ) -> Query[tuple[Market, dict[PositionId, Row], tuple[Mismatch, ...]]]:
        """Return the market, the rows that were read again, and what differed.

        Where reading a row again does not mend it, the market is read whole: its configuration may be older.
        """
        protocol, at_s = self.protocol, head.timestamp_s
        held = {one: rows[one] if one in rows else self._rows[one] for one in views}
        found = left = auditing.differing(protocol, market, held, views, at_s=at_s)
        mended: dict[PositionId, Row] = {}
        for configuration in (False, True):
            if not left:
                break
            if configuration:
                market = yield from protocol.refresh(market, configuration=True, at_s=at_s)
            mended |= yield from self._read(market, frozenset(left))
            left = auditing.differing(protocol, market, held | mended, views, at_s=at_s)
        return (
            market,
            mended,
            tuple(
                Mismatch(position=position, figures=figures, mended=position not in left)
                for position, figures in found.items()
            ),
        )

    def _read(self, market: Market, positions: frozenset[PositionId]) -> Query[dict[PositionId, Row]]:
        wanted = sorted(positions)
        rows: dict[PositionId, Row] = {}
        for start in range(0, len(wanted), _PAGE):
            page = wanted[start : start + _PAGE]
            read = yield from self.protocol.rows(market, page, known=self._rows)
            rows.update(zip(page, read, strict=True))
        return rows


AnyBook: TypeAlias = Book[Any, Any]
"""A book of whichever protocol: the watcher holds several and looks inside none."""

AnyChange: TypeAlias = Change[Any, Any]
