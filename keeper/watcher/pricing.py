"""Where prices come from: the formula of each, and what it would be if a feed answered otherwise.

At every head the answers that the formulas are computed from are read, in the batch that reads the prices
themselves. A formula that does not give the price that the protocol has, to the digit, is not believed: what
it was made from has changed, or its contract only looks like what it was taken for. It is recognised anew
then, once what is to be done upon the head is done; until it fits nothing is foretold of that price, and why
is told by name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

from keeper.domain.address import Address
from keeper.domain.errors import Broken
from keeper.domain.head import Head
from keeper.ports import Feed, Formula, Prices, Recognise, Sourced
from keeper.query import Call, Paced, Query, Reverted, attempt, settle
from keeper.watcher.book import AnyBook

_UNFIT_AGAIN_BLOCKS = 8
_UNKNOWN_AGAIN_BLOCKS = 256
"""What does not fit, or is of no known kind, is looked at again after so many."""
_WORD = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where one price comes from."""

    sourced: Sourced
    formula: Formula | None
    why_not: str
    """Why there is no formula; empty where there is one."""
    looked_at: int
    """The block at which it was recognised, or was not."""


@dataclass(slots=True)
class Pricing:
    """The origins of all prices of all markets, at one head."""

    recognise: Recognise | None
    """None where nothing is to be foretold."""
    _origins: dict[Call, Origin] = field(default_factory=dict)
    _words: Prices = field(default_factory=dict)
    _head: Head | None = None
    _contracts: frozenset[Address] = frozenset()
    _looking: Paced[dict[Call, Origin]] | None = None

    # --- following the chain

    def advance(self) -> Query[Prices]:
        """Return what the formulas are computed from at the state asked about, in one round."""
        return _words([one.formula for one in self._origins.values() if one.formula is not None])

    def apply(self, head: Head, words: Prices) -> None:
        """Make these what the formulas are computed from."""
        self._head, self._words = head, words

    def unknown(self, books: Iterable[AnyBook]) -> tuple[AnyBook, ...]:
        """Return the books of which some price's origin is to be looked at."""
        return tuple(book for book in books if self.recognise is not None and any(self._wanted(book)))

    def look(self, books: Sequence[AnyBook]) -> Query[None]:
        """Look at the origins of these books' prices that are not known or do not fit, all at one head."""
        while not (yield from self.look_on(books)):
            pass
        self._words = yield from self.advance()

    def look_on(self, books: Sequence[AnyBook]) -> Query[bool]:
        """Look one round further, and return whether that was the last.

        From head to head it goes on where it was: adapters are stacked, and a head leaves room for a request
        at most. What the formulas found so are computed from is read with the next head.
        """
        if self._looking is None:
            self._looking = Paced(self._found(books))
        try:
            found = yield from self._looking.round()
        except Broken:
            self._looking = None
            raise
        if found is None:
            return False
        self._looking = None
        self._origins |= found
        self._contracts = frozenset().union(*map(_contracts, self._origins.values()))
        return True

    def _found(self, books: Sequence[AnyBook]) -> Query[dict[Call, Origin]]:
        """Return the origins of these books' prices that are to be looked at."""
        wanted = {call for book in books for call in self._wanted(book)}
        if not wanted or self.recognise is None:
            return {}
        told = yield from settle([book.protocol.sourced(book.market) for book in books])
        of_each = (one for one in told if not isinstance(one, Broken))
        sourced = [one for one in chain.from_iterable(of_each) if one.call in wanted]
        formulas = yield from self.recognise([one.source for one in sourced])
        looked_at = 0 if self._head is None else self._head.number
        return {one.call: _origin(one, formulas[one.source], looked_at) for one in sourced}

    def _wanted(self, book: AnyBook) -> Iterator[Call]:
        """Yield the prices of a book whose origins are to be looked at."""
        for call, price in book.protocol.prices(book.market).items():
            origin = self._origins.get(call)
            if origin is None or (self._is_old(origin) and self._why_not(origin, price)):
                yield call

    def _is_old(self, origin: Origin) -> bool:
        again = _UNKNOWN_AGAIN_BLOCKS if origin.formula is None else _UNFIT_AGAIN_BLOCKS
        return self._head is not None and self._head.number >= origin.looked_at + again

    # --- what is known

    def origins(self, book: AnyBook) -> Iterator[tuple[Origin, str]]:
        """Yield where each price of a book comes from, and why it can't be foretold; empty where it can."""
        for call, price in book.protocol.prices(book.market).items():
            if (origin := self._origins.get(call)) is not None:
                yield origin, self._why_not(origin, price)

    def _why_not(self, origin: Origin, price: int | None) -> str:
        """Return why the price can't be foretold, empty where it can: its formula gives just this price."""
        if origin.formula is None:
            return origin.why_not
        if self._head is None:
            return "nothing was read yet"
        given = _above_zero(origin.formula.value(self._words, at_s=self._head.timestamp_s))
        if given is not None and given == price:
            return ""
        return f"its formula gives {given} where the protocol counts {price}"

    @property
    def contracts(self) -> frozenset[Address]:
        """Return every contract that a price passes through, and those that reports of one go to."""
        return self._contracts

    def behind(self, contracts: Collection[Address]) -> tuple[Call, ...]:
        """Return the prices that these contracts may have a part in: all that pass through one of them."""
        return tuple(
            call for call, origin in self._origins.items() if not _contracts(origin).isdisjoint(contracts)
        )

    # --- what would be

    def answer(self, feed: Feed) -> int:
        """Return what a feed answers now. Raises KeyError where it is not among what was read."""
        word = self._words[feed.call]
        if word is None:
            raise KeyError(feed.name)
        return word

    def feeds(self, book: AnyBook) -> tuple[Feed, ...]:
        """Return the feeds that move a book's prices."""
        formulas = (origin.formula for origin, why_not in self.origins(book) if not why_not)
        return tuple(dict.fromkeys(feed for formula in formulas if formula for feed in formula.feeds))

    def moved(self, origins: Iterable[Origin], factors: Mapping[Feed, Fraction]) -> Prices:
        """Return the prices that follow if these feeds answered so many times what they do, floored.

        Those of `origins` that have a formula in which one of them is.
        """
        if self._head is None:
            return {}
        answers = {feed: int(self.answer(feed) * by) for feed, by in factors.items()}
        return self._valued(origins, answers, at_s=self._head.timestamp_s)

    def along(self, origins: Iterable[Origin], feed: Feed) -> Callable[[Fraction], Prices]:
        """Return what gives the prices that this feed is behind, at so many times its answer, floored.

        It is `moved` of one feed, for many places. Raises KeyError where nothing of the feed was read.
        """
        formulas = [(one.sourced.call, one.formula) for one in origins if one.formula is not None]
        formulas = [(call, formula) for call, formula in formulas if feed in formula.feeds]
        words, answer = self._words, self.answer(feed)
        at_s = 0 if self._head is None else self._head.timestamp_s

        def at(times: Fraction) -> Prices:
            there = {**words, feed.call: int(answer * times) % 2**256}
            return {call: _above_zero(formula.value(there, at_s=at_s)) for call, formula in formulas}

        return at

    def answers(self, aggregators: Collection[Address]) -> Mapping[Feed, int]:
        """Return what the feeds answer now that these aggregators report to."""
        formulas = (origin.formula for origin in self._origins.values())
        feeds = {feed for formula in formulas if formula for feed in formula.feeds}
        known = {feed: self._words.get(feed.call) for feed in feeds if feed.reporter in aggregators}
        return {feed: word for feed, word in known.items() if word is not None}

    def reported(self, books: Iterable[AnyBook], answers: Mapping[Address, int], *, at_s: int) -> Prices:
        """Return the prices that follow in a block of time `at_s` if these aggregators were told so.

        By the aggregator's address, the answer reported to it. Those that are not foretold are left out.
        """
        origins = [origin for book in books for origin, why_not in self.origins(book) if not why_not]
        feeds = {feed for origin in origins if origin.formula is not None for feed in origin.formula.feeds}
        told = {feed: answers[feed.reporter] for feed in feeds if feed.reporter in answers}
        return self._valued(origins, told, at_s=at_s)

    def _valued(self, origins: Iterable[Origin], answers: Mapping[Feed, int], *, at_s: int) -> Prices:
        """Return those of the prices in whose formula one of these feeds is, at these answers."""
        words = {**self._words, **{feed.call: answer % 2**256 for feed, answer in answers.items()}}
        return {
            origin.sourced.call: _above_zero(origin.formula.value(words, at_s=at_s))
            for origin in origins
            if origin.formula is not None and not answers.keys().isdisjoint(origin.formula.feeds)
        }


def _origin(sourced: Sourced, formula: Formula | str, looked_at: int) -> Origin:
    if isinstance(formula, str):
        return Origin(sourced=sourced, formula=None, why_not=formula, looked_at=looked_at)
    return Origin(sourced=sourced, formula=formula, why_not="", looked_at=looked_at)


def _contracts(origin: Origin) -> frozenset[Address]:
    through: frozenset[Address] = frozenset() if origin.formula is None else origin.formula.contracts
    return through | {origin.sourced.source}


def _words(formulas: Sequence[Formula]) -> Query[Prices]:
    """Return the words that the formulas are computed from."""
    calls = list(dict.fromkeys(call for one in formulas for call in one.reads))
    answers = yield from attempt(calls, _word)
    return {
        call: None if isinstance(answer, Reverted) else answer
        for call, answer in zip(calls, answers, strict=True)
    }


def _word(answer: bytes) -> int | None:
    return int.from_bytes(answer[:_WORD]) if len(answer) >= _WORD else None


def _above_zero(price: int | None) -> int | None:
    """Return a price; None where it is none: a protocol then takes none, or another's."""
    return price if price is not None and price > 0 else None
