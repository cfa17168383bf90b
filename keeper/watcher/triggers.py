"""Trigger prices: how far a feed must move until the next borrower falls, and which prices move with it.

What the prices are at that point follows from their formulas: so a cap holds a price until its feed has come
down to it, and what wraps another token falls with that. Between two answers of the feed the prices are
straight lines, or are cut into pieces that are; along each piece all positions are looked at at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from keeper.domain.fixed_point import BPS
from keeper.domain.position import PositionId
from keeper.domain.report import Trigger, Unpredicted
from keeper.ports import Feed, Prices
from keeper.watcher.book import AnyBook
from keeper.watcher.pricing import Origin, Pricing

_FARTHEST = Fraction(16)
"""A feed is followed until it answers a sixteenth, or sixteen times, of what it does."""
_STRAIGHT_WITHIN = 10**6
"""A price is straight where it is off by a millionth at most, in the middle, and by what is floored."""
_FLOORED = 2
_MOST_PIECES = 64
_HALVINGS = 24
"""A bend is found to a millionth of what the feed answers: nothing is told of a trigger that is finer."""
_NEARLY = 8
"""A piece may be shorter by so many parts than it could be."""


def triggers(book: AnyBook, pricing: Pricing, *, at_s: int) -> Iterator[tuple[Trigger, ...]]:
    """Yield, feed by feed, what it takes to let the book's next borrower fall: down first, then up."""
    known = [origin for origin, why_not in pricing.origins(book) if not why_not]
    for feed in pricing.feeds(book):
        origins = [one for one in known if one.formula is not None and feed in one.formula.feeds]
        line = _Line(pricing.along(origins, feed))
        for farthest in (1 / _FARTHEST, _FARTHEST):
            found = _first_to_fall(book, line, farthest, at_s=at_s)
            yield () if found is None else tuple(_told(book, pricing, feed, origins, *found))


def unpredicted(book: AnyBook, pricing: Pricing) -> Iterator[Unpredicted]:
    """Yield the book's prices of which nothing can be foretold, and why."""
    for origin, why in pricing.origins(book):
        if why:
            yield Unpredicted(market=book.protocol.name, token=origin.sourced.token, why=why)


class _Line:
    """The prices behind one feed, by how many times its answer it gives, or by what share of it."""

    def __init__(self, prices_at: Callable[[Fraction], Prices]) -> None:
        """`prices_at` gives them by how many times its answer the feed gives."""
        self._prices_at = prices_at
        self._known: dict[Fraction, Prices] = {}
        self._divides = False
        self._divides = not self._straight(Fraction(1), Fraction(2))
        if self._divides and not self._straight(Fraction(1), Fraction(2)):
            self._divides = False  # straight in neither: it is cut into pieces

    def at(self, times: Fraction) -> Prices:
        """Return the prices where the feed answers so many times what it does, or a share of that."""
        by = self.times(times)
        if by not in self._known:
            self._known[by] = self._prices_at(by)
        return self._known[by]

    def times(self, place: Fraction) -> Fraction:
        """Return how many times its answer the feed gives at a place on the line, or the other way."""
        return 1 / place if self._divides else place

    def straight_to(self, start: Fraction, end: Fraction, *, after: Fraction) -> Fraction:
        """Return about the farthest place before `end` up to which all prices are straight from `start` on.

        It is found soonest where that piece is about as long as the one before, which came `after` a place.
        """
        if self._straight(start, end):
            return end
        reached, beyond = start, end
        middle = start + 2 * (start - after)
        if middle == start or abs(middle - start) >= abs(end - start):
            middle = (start + end) / 2
        for _ in range(_HALVINGS):
            if self._straight(start, middle):
                reached = middle
            else:
                beyond = middle
            if abs(beyond - reached) * _NEARLY <= abs(reached - start):
                break
            middle = (reached + beyond) / 2
        return reached if reached != start else beyond

    def _straight(self, start: Fraction, end: Fraction) -> bool:
        low, middle, high = self.at(start), self.at((start + end) / 2), self.at(end)
        for call, price in middle.items():
            ends = (low[call] or 0) + (high[call] or 0)
            off = abs(2 * (price or 0) - ends)
            if off > 2 * _FLOORED and off * _STRAIGHT_WITHIN > ends:
                return False
        return True


def _first_to_fall(
    book: AnyBook, line: _Line, farthest: Fraction, *, at_s: int
) -> tuple[Fraction, PositionId] | None:
    """Return how many times its answer the feed gives where the next position falls, and which."""
    start = after = Fraction(1)
    end = line.times(farthest)
    for _ in range(_MOST_PIECES):
        reached = line.straight_to(start, end, after=after)
        found = book.first_to_fall(line.at(start), line.at(reached), at_s=at_s)
        if found is not None and found[0] <= 1:
            return line.times(start + Fraction(found[0]) * (reached - start)), found[1]
        if reached == end:
            return None
        after, start = start, reached
    return None


def _told(
    book: AnyBook,
    pricing: Pricing,
    feed: Feed,
    origins: Sequence[Origin],
    times: Fraction,
    position: PositionId,
) -> Iterator[Trigger]:
    """Yield the trigger of each token whose price moves with the feed."""
    now, then = pricing.moved(origins, {feed: Fraction(1)}), pricing.moved(origins, {feed: times})
    moved = {
        one.sourced.token: one for one in reversed(origins) if now[one.sourced.call] != then[one.sourced.call]
    }
    market = book.protocol.priced(book.market, then)
    for token, origin in sorted(moved.items(), key=lambda one: one[0].symbol):
        was, is_ = now[origin.sourced.call], then[origin.sourced.call]
        dollars = book.protocol.dollars(market, token.address)
        yield Trigger(
            market=position.market,
            borrower=position.borrower,
            token=token,
            change_bps=int((Fraction(is_ or 0, was or 1) - 1) * BPS),
            price=None if dollars is None else f"{float(dollars):.8g}",
            feed=feed.name,
            feed_address=feed.address,
            feed_change_bps=int((times - 1) * BPS),
            feed_answer=f"{float(pricing.answer(feed) * times / 10**feed.decimals):.8g}",
            moves_with=tuple(sorted({one.symbol for one in moved if one != token})),
        )
