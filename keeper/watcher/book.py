"""The book: every position of one protocol's market, as the chain stores them at one head.

Events say who changed; the chain says to what. What a head's logs name is read again at that head and never
derived from the events' amounts. A query returns a `Change`; `apply` puts it into the book whole, so a round
that fails leaves nothing half written: the book stays at its old head, and the next head finds the gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias

from keeper.domain.fixed_point import WAD
from keeper.domain.head import Head, NextBlock
from keeper.domain.position import Health, Opportunity, PositionId
from keeper.ports import LendingProtocol, Market, Row
from keeper.query import Log, Query, both, log_range, logs
from keeper.watcher.columns import Columns

_PAGE = 2_000
"""Positions read in one round when the whole book is: bounds what one batch holds in memory."""

_LIQUIDATABLE_BELOW_WAD = WAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[Market, Row]):
    """What a market and its positions are at a new head. Rows not in it are as they were."""

    head: Head
    market: Market
    rows: Mapping[PositionId, Row]


class Book(Generic[Market, Row]):
    """One market's positions. Knows neither its protocol's arithmetic nor how it is asked."""

    def __init__(
        self, protocol: LendingProtocol[Market, Row], *, first_block: int, reorg_depth: int = 64
    ) -> None:
        """`first_block` is where the market was deployed: no position is older."""
        self.protocol = protocol
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
    def rows(self) -> Mapping[PositionId, Row]:
        """Return every position that owes something."""
        return self._rows

    def advance(self, head: Head) -> Query[Change[Market, Row]]:
        """Return what changed up to `head`: by its own logs where it is the child, else by all between."""
        if self._state is None:
            return (yield from self._open(head))
        if head.hash == self._state.head.hash:
            return Change(head=head, market=self._state.market, rows={})
        if head.parent == self._state.head.hash:
            return (yield from self._follow(head, self._state.market))
        return (yield from self._resync(head, self._state))

    def apply(self, change: Change[Market, Row]) -> None:
        """Make the change the book's state."""
        self._state = change
        for position, row in change.rows.items():
            if not self.protocol.owes(row):
                self._rows.drop(position)
        self._rows.put({one: row for one, row in change.rows.items() if self.protocol.owes(row)})

    def healths(self, *, at_s: int) -> Iterator[tuple[PositionId, Row, Health]]:
        """Yield every position's health at a block of time `at_s`."""
        market = self.market
        for position, row in self._rows.items():
            yield position, row, self.protocol.health(market, row, at_s=at_s)

    def below(self, health_wad: int, *, at_s: int) -> list[tuple[PositionId, Row, Health]]:
        """Return the positions whose health is less at a block of time `at_s`, the worst first.

        All are screened in floats; whom the screen lets through is computed to the last digit.
        """
        market = self.market
        weights = self.protocol.weights(market, self._rows.slots, at_s=at_s)
        found = []
        for position in self._rows.screen(weights, below=health_wad / WAD):
            row = self._rows[position]
            health = self.protocol.health(market, row, at_s=at_s)
            if health.health_factor_wad < health_wad:
                found.append((position, row, health))
        return sorted(found, key=lambda one: (one[2].health_factor_wad, one[0]))

    def opportunities(self, *, block: NextBlock, deadline_s: int) -> Iterator[Opportunity]:
        """Yield the positions that may be liquidated in `block`, worst health first."""
        for position, row, _ in self.below(_LIQUIDATABLE_BELOW_WAD, at_s=block.timestamp_s):
            yield self.protocol.opportunity(self.market, position, row, block=block, deadline_s=deadline_s)

    # --- the three ways to a new state ----------------------------------------------------------------------

    def _open(self, head: Head) -> Query[Change[Market, Row]]:
        market = yield from self.protocol.open()
        wanted = self.protocol.discovery(market)
        found = yield from log_range(
            wanted.emitters, wanted.topics, first=self._first_block, last=head.number
        )
        touched = self.protocol.touched(market, found)
        if touched.configuration:
            market = yield from self._configured(head, market, found)
        rows = yield from self._read(market, touched.positions)
        return Change(head=head, market=market, rows=rows)

    def _follow(self, head: Head, market: Market) -> Query[Change[Market, Row]]:
        wanted = self.protocol.concerns(market)
        found, refreshed = yield from both(
            logs(wanted.emitters, wanted.topics),
            self.protocol.refresh(market, configuration=False, at_s=head.timestamp_s),
        )
        touched = self.protocol.touched(market, found)
        if touched.configuration:
            refreshed = yield from self._configured(head, market, found)
        rows = yield from self._read(refreshed, touched.positions)
        return Change(head=head, market=refreshed, rows=rows)

    def _resync(self, head: Head, last: Change[Market, Row]) -> Query[Change[Market, Row]]:
        """After a gap or a reorg: whoever is known, and whoever the blocks since (and some before) name."""
        wanted = self.protocol.concerns(last.market)
        first = max(self._first_block, min(last.head.number, head.number) - self._reorg_depth)
        found = yield from log_range(wanted.emitters, wanted.topics, first=first, last=head.number)
        touched = self.protocol.touched(last.market, found)
        market = yield from self._configured(head, last.market, found)
        rows = yield from self._read(market, touched.positions | self._rows.keys())
        return Change(head=head, market=market, rows=rows)

    def _configured(self, head: Head, market: Market, found: Sequence[Log]) -> Query[Market]:
        """Return the market read whole, with what these logs may have added to it."""
        return self.protocol.refresh(market, configuration=True, logs=found, at_s=head.timestamp_s)

    def _read(self, market: Market, positions: frozenset[PositionId]) -> Query[dict[PositionId, Row]]:
        wanted = sorted(positions)
        rows: dict[PositionId, Row] = {}
        for start in range(0, len(wanted), _PAGE):
            page = wanted[start : start + _PAGE]
            rows.update(zip(page, (yield from self.protocol.rows(market, page)), strict=True))
        return rows


AnyBook: TypeAlias = Book[Any, Any]
"""A book of whichever protocol: the watcher holds several and looks inside none."""

AnyChange: TypeAlias = Change[Any, Any]
