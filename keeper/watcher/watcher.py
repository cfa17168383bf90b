"""The watcher: from one head to the next, and from a head to what may be done about it.

It joins the questions of every source into one query, isolates a source that breaks (its market is skipped
at that head and catches up at the next), and applies what came back whole. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from types import MappingProxyType
from typing import TypeAlias

from keeper.domain.address import Address
from keeper.domain.carriage import Carriage
from keeper.domain.depth import Pool
from keeper.domain.errors import Broken
from keeper.domain.funding import Offer
from keeper.domain.head import Head, NextBlock
from keeper.domain.observation import Mismatch, Observation, Rejoined, Skipped
from keeper.domain.surcharge import NO_SURCHARGE, Surcharge
from keeper.ports import Carrier, FlashSource, Prices, Recognise, SurchargeSource
from keeper.query import Query, both, settle
from keeper.watcher.book import AnyBook, AnyChange
from keeper.watcher.depths import DepthChange, Depths
from keeper.watcher.pricing import Pricing


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """All that changed up to `head`, of every source that could be read."""

    head: Head
    books: Mapping[int, AnyChange]
    """By the book's place."""
    depths: Mapping[int, DepthChange]
    """By the depths' place."""
    offers: Mapping[str, tuple[Offer, ...]]
    """By the lender's name."""
    carriages: tuple[Carriage, ...]
    """What may be carried; nothing where that could not be read."""
    surcharge: Surcharge | None
    """None where it could not be read."""
    words: Prices
    """What the formulas of prices are computed from."""
    skipped: tuple[Skipped, ...]

    @property
    def rejoined(self) -> tuple[Rejoined, ...]:
        """Return which sources did not go on from their last head's child, and how."""
        found = [change.rejoined for change in self.books.values()]
        found += [change.rejoined for change in self.depths.values()]
        return tuple(one for one in found if one is not None)

    @property
    def mismatches(self) -> tuple[Mismatch, ...]:
        """Return what the books' audits found."""
        return tuple(one for change in self.books.values() for one in change.mismatches)


_Money: TypeAlias = tuple[tuple[tuple[Offer, ...] | Broken, ...], tuple[tuple[Carriage, ...] | Broken, ...]]
"""What each lender lends, and what may be spent on what is carried."""


class Watcher:
    """Every market, pool and lender that the keeper knows, at one head."""

    def __init__(
        self,
        *,
        books: Sequence[AnyBook],
        depths: Sequence[Depths],
        lenders: Sequence[FlashSource],
        surcharge: SurchargeSource | None = None,
        recognise: Recognise | None = None,
        carrier: Carrier | None = None,
    ) -> None:
        """`depths` are one a venue. Without `surcharge` the chain takes nothing beside gas.

        `recognise` tells what prices are made of; without it nothing is foretold of any.
        """
        self.books = tuple(books)
        self.depths = tuple(depths)
        self._lenders = tuple(lenders)
        self._surcharges = () if surcharge is None else (surcharge,)
        self._carriers = () if carrier is None else (carrier,)
        self.pricing = Pricing(recognise)
        self._last: Advance | None = None

    @property
    def head(self) -> Head | None:
        """Return the last head applied."""
        return self._last.head if self._last else None

    def advance(self, head: Head) -> Query[Advance]:
        """Return what changed up to `head`. The first time, everything is read.

        What it takes to unwind a token or a market that is listed later is looked up with the next heads, and
        until then it can't be sold.
        """
        pairs = self._pairs((), ())
        (changes, (depths, (lent, carried))), (surcharges, words) = yield from both(
            both(settle([book.advance(head) for book in self.books]), self._unwinding(head, pairs)),
            both(settle([source.load() for source in self._surcharges]), self.pricing.advance()),
        )
        # the first time, and what a wrapper was found to hold then
        while self._last is None and (grown := self._pairs(changes, depths)) != pairs:
            pairs = grown
            depths, (lent, carried) = yield from self._unwinding(head, pairs)
        sources = [book.protocol.name for book in self.books]
        sources += [one.venue.name for one in self.depths]
        sources += [lender.name for lender in self._lenders]
        sources += [source.name for source in (*self._surcharges, *self._carriers)]
        return Advance(
            head=head,
            books={n: change for n, change in enumerate(changes) if not isinstance(change, Broken)},
            depths={n: change for n, change in enumerate(depths) if not isinstance(change, Broken)},
            offers={
                lender.name: offers
                for lender, offers in zip(self._lenders, lent, strict=True)
                if not isinstance(offers, Broken)
            },
            carriages=tuple(one for told in carried if not isinstance(told, Broken) for one in told),
            surcharge=_known(surcharges),
            words=words,
            skipped=tuple(
                Skipped(source=source, why=str(result))
                for source, result in zip(
                    sources, (*changes, *depths, *lent, *surcharges, *carried), strict=True
                )
                if isinstance(result, Broken)
            ),
        )

    def apply(self, advance: Advance) -> None:
        """Make what changed the watcher's state."""
        for place, change in advance.books.items():
            self.books[place].apply(change)
        for place, depth in advance.depths.items():
            self.depths[place].apply(depth)
        self.pricing.apply(advance.head, advance.words)
        self._last = advance

    def observe(
        self, *, block: NextBlock, deadline_s: int, prices: Prices = MappingProxyType({})
    ) -> Observation:
        """Return the last head's state, and who may be liquidated in the block that follows it.

        A market that could not be read at that head is left out: what is known of it is older. With `prices`
        it is told as if these calls answered so: such as behind an oracle's transaction that is pending.
        """
        if self._last is None:
            raise LookupError("nothing has been read yet")
        return Observation(
            head=self._last.head,
            block=block,
            deadline_s=deadline_s,
            opportunities=tuple(
                opportunity
                for book in self.current
                for opportunity in book.opportunities(block=block, deadline_s=deadline_s, prices=prices)
            ),
            # pools of an older head would misprice every sale: without them there is no route
            pools={
                address: pool
                for place in self._last.depths
                for address, pool in self.depths[place].pools.items()
            },
            offers=self._last.offers,
            carriages=self._last.carriages,
            surcharge=self._last.surcharge,
            borrowers=sum(len(book.rows) for book in self.current),
            skipped=self._last.skipped,
            rejoined=self._last.rejoined,
            mismatches=self._last.mismatches,
        )

    @property
    def current(self) -> tuple[AnyBook, ...]:
        """Return the books that are at the last head."""
        last = self._last
        return () if last is None else tuple(self.books[place] for place in sorted(last.books))

    def _pairs(
        self, changes: Sequence[AnyChange | Broken], depths: Sequence[DepthChange | Broken]
    ) -> frozenset[tuple[Address, Address]]:
        """Return the pairs of every market, as it is and as it just became, wrapped and unwrapped."""
        markets = [(book.protocol, book.market) for book in self.books if book.head is not None]
        markets += [
            (book.protocol, change.market)
            for book, change in zip(self.books, changes, strict=False)
            if not isinstance(change, Broken)
        ]
        pairs = {pair for protocol, market in markets for pair in protocol.pairs(market)}
        pools = [one.pools for one in self.depths]
        pools += [change.pools for change in depths if not isinstance(change, Broken)]
        return frozenset(
            _unwrapped(pairs, {at: pool for each in pools for at, pool in each.items()}.values())
        )

    def _unwinding(
        self, head: Head, pairs: frozenset[tuple[Address, Address]]
    ) -> Query[tuple[tuple[DepthChange | Broken, ...], _Money]]:
        """Return what it takes to unwind these pairs: the depths to sell into, and whose money there is."""
        tokens = {token for pair in pairs for token in pair}
        tokens |= {token for one in self.depths for token in one.intermediates}
        return (
            yield from both(
                settle([one.advance(head, pairs) for one in self.depths]),
                both(
                    settle([lender.load(sorted(tokens)) for lender in self._lenders]),
                    settle([carrier.load(sorted(tokens)) for carrier in self._carriers]),
                ),
            )
        )


def _unwrapped(
    pairs: Iterable[tuple[Address, Address]], pools: Iterable[Pool]
) -> Iterator[tuple[Address, Address]]:
    """Yield the pairs, and those of what their tokens give up when unwrapped, once and again."""
    holds = {pool.address: pool.unwraps_to for pool in pools if pool.unwraps_to is not None}

    @cache
    def forms(token: Address) -> list[Address]:
        found = [token]
        while (inner := holds.get(found[-1])) is not None and inner not in found:
            found.append(inner)
        return found

    for one, other in pairs:
        if one in holds or other in holds:
            yield from product(forms(one), forms(other))
        else:
            yield one, other


def _known(surcharges: Sequence[Surcharge | Broken]) -> Surcharge | None:
    """Return the surcharge, nothing where there is no source of it, None where that broke."""
    if not surcharges:
        return NO_SURCHARGE
    return None if isinstance(surcharges[0], Broken) else surcharges[0]
