"""Prices that are not on the chain yet: which tokens are meant, and what else moves with them.

A token that is named moves the feed that is its own, and so every price that is made from that feed: if WETH
falls, wstETH falls with it. A token whose feed is another's, as wstETH's is WETH's, moves by itself. Where it
is not known what a price is made of, it moves only if one of its own two tokens is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from keeper.domain.address import Address, checksum
from keeper.domain.errors import ConfigError
from keeper.domain.report import Followed, Supposed
from keeper.domain.token import Token
from keeper.ports import Feed, Prices
from keeper.watcher.book import AnyBook
from keeper.watcher.pricing import Origin, Pricing


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What somebody supposes of a price: so many dollars, or so many times what it is."""

    amount: Fraction
    is_factor: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What is supposed, and what follows from it."""

    supposed: tuple[Supposed, ...]
    followed: tuple[Followed, ...]
    prices: Prices
    """Every price that is another than on the chain."""


def what_if(books: Sequence[AnyBook], pricing: Pricing, prices: Mapping[str, Price]) -> WhatIf:
    """Return each token that is named, by symbol or address, and all prices that follow.

    Raises ConfigError with every name that stands for no token, or for several, and every price in dollars
    of a token that no market prices in dollars.
    """
    supposed = _supposed(books, prices)
    named = {one.token.address: one.factor for one in supposed}
    known = {
        origin.sourced.call: origin for book in books for origin, why in pricing.origins(book) if not why
    }
    moves = _Moves(pricing, tuple(known.values()))
    feeds: dict[Feed, Fraction] = {}
    alone: set[Address] = set()
    for token, factor in named.items():
        own = moves.own(token)
        feeds |= dict.fromkeys(own, factor)
        alone |= set() if own else {token}
    following = {call: origin for call, origin in known.items() if alone.isdisjoint(_addresses(origin))}
    moved = pricing.moved(following.values(), feeds)
    found: dict[AnyBook, Prices] = {}
    for book in books:
        protocol, market = book.protocol, book.market
        was, by_name = protocol.prices(market), protocol.prices(protocol.repriced(market, named))
        now = {call: moved.get(call, was[call]) if call in following else by_name[call] for call in was}
        found[book] = {call: price for call, price in now.items() if price != was[call]}
    return WhatIf(
        supposed=supposed,
        followed=tuple(_followed(books, pricing, found, named)),
        prices={call: price for of_book in found.values() for call, price in of_book.items()},
    )


def _addresses(origin: Origin) -> frozenset[Address]:
    """Return which tokens a price is of, and in."""
    tokens = (origin.sourced.token, origin.sourced.loan)
    return frozenset(one.address for one in tokens if one is not None)


@dataclass(frozen=True, slots=True)
class _Moves:
    """Which feeds are whose."""

    pricing: Pricing
    known: tuple[Origin, ...]

    def own(self, token: Address) -> frozenset[Feed]:
        """Return the feeds that a token's price moves with, and that are no other token's."""
        found = set()
        for origin in self.known:
            for is_loan, side in ((False, origin.sourced.token), (True, origin.sourced.loan)):
                if side is None or side.address != token:
                    continue
                feed = self._feed(origin, lowers=is_loan)
                if feed is not None and (self._is_plain(origin, feed) or not self._is_others(feed, token)):
                    found.add(feed)
        return frozenset(found)

    def _feed(self, origin: Origin, *, lowers: bool) -> Feed | None:
        """Return the first feed by which the price rises, or falls, as the feed rises."""
        feeds = origin.formula.feeds if origin.formula else ()
        return next((feed for feed in feeds if self._lowers(origin, feed) is lowers), None)

    def _lowers(self, origin: Origin, feed: Feed) -> bool | None:
        """Return whether a price falls as a feed rises; None where it does neither."""
        (low,), (high,) = (
            self.pricing.moved([origin], {feed: by}).values() for by in (Fraction(1, 2), Fraction(2))
        )
        return None if low == high else (low or 0) > (high or 0)

    def _is_plain(self, origin: Origin, feed: Feed) -> bool:
        """Return whether a price is made of this feed alone, but for what it is divided by."""
        if origin.formula is None:
            return False
        lowering = {one.call for one in origin.formula.feeds if self._lowers(origin, one)}
        return set(origin.formula.reads) - lowering == {feed.call}

    def _is_others(self, feed: Feed, token: Address) -> bool:
        return any(
            self._is_plain(origin, feed)
            for origin in self.known
            if origin.sourced.token.address != token and origin.formula and feed in origin.formula.feeds
        )


def _followed(
    books: Sequence[AnyBook],
    pricing: Pricing,
    found: Mapping[AnyBook, Prices],
    named: Mapping[Address, Fraction],
) -> Iterator[Followed]:
    """Yield each price that moved without its token being named."""
    for book in books:
        was = book.protocol.prices(book.market)
        for origin, _ in pricing.origins(book):
            call, token, loan = origin.sourced.call, origin.sourced.token, origin.sourced.loan
            if call in found[book] and token.address not in named:
                yield Followed(
                    market=book.protocol.name,
                    token=token,
                    loan=loan,
                    factor=Fraction(found[book][call] or 0, was[call] or 1),
                )


def _supposed(books: Sequence[AnyBook], prices: Mapping[str, Price]) -> tuple[Supposed, ...]:
    listed = {token.address: token for book in books for token in book.protocol.tokens(book.market)}
    supposed: list[Supposed] = []
    mistakes: list[str] = []
    for name, price in prices.items():
        meant = [one for one in listed.values() if name in (one.symbol, checksum(one.address))]
        meant = meant or [one for one in listed.values() if name.lower() == checksum(one.address).lower()]
        if len(meant) != 1:
            mistakes.append(_unclear(name, meant, listed.values()))
            continue
        factor = price.amount if price.is_factor else _factor(books, meant[0], price.amount)
        if factor is None:
            mistakes.append(f"--price: no market prices {name} in dollars: give a change, such as {name}=-8%")
        elif any(one.token == meant[0] for one in supposed):
            mistakes.append(f"--price: {name} is given twice")
        else:
            supposed.append(Supposed(token=meant[0], factor=factor))
    if mistakes:
        raise ConfigError(*mistakes)
    return tuple(supposed)


def _factor(books: Sequence[AnyBook], token: Token, dollars: Fraction) -> Fraction | None:
    """Return how many times its price that is, by the first market that tells it; None where none does."""
    told = (book.protocol.dollars(book.market, token.address) for book in books)
    return next((dollars / price for price in told if price), None)


def _unclear(name: str, meant: Sequence[Token], listed: Iterable[Token]) -> str:
    if meant:
        return f"--price: {name} is {', '.join(checksum(one.address) for one in meant)}: give the address"
    symbols = ", ".join(sorted({one.symbol for one in listed}))
    return f"--price: {name} is no token of these markets; they have {symbols}"
