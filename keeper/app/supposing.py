"""Prices that are not on the chain yet: which tokens are meant, and where one alone would let somebody fall.

A price is taken for the protocol's own, by every market that lists the token. What is made of it is not
followed: if WETH falls here, wstETH stays where it is unless it is given too, and a cap in between counts
only once the chain has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from keeper.domain.address import checksum
from keeper.domain.errors import ConfigError
from keeper.domain.fixed_point import BPS
from keeper.domain.report import Supposed, Trigger
from keeper.domain.token import Token
from keeper.watcher.book import AnyBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What somebody supposes of a price: so many dollars, or so many times what it is."""

    amount: Fraction
    is_factor: bool


def what_if(books: Sequence[AnyBook], prices: Mapping[str, Price]) -> tuple[Supposed, ...]:
    """Return each token that is named, by symbol or address, and what its price is multiplied by.

    Raises ConfigError with every name that stands for no token, or for several, and every price in dollars
    of a token that no market prices in dollars.
    """
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


def triggers(book: AnyBook, *, at_s: int) -> Iterator[Trigger]:
    """Yield for each token where its fall alone lets the book's next borrower fall, the nearest first."""
    found = [
        (fell, token)
        for token in book.protocol.tokens(book.market)
        if (fell := book.first_to_fall(token.address, at_s=at_s)) is not None
    ]
    for (factor, position), token in sorted(found, key=lambda one: one[0], reverse=True):
        dollars = book.protocol.dollars(book.market, token.address)
        yield Trigger(
            market=position.market,
            borrower=position.borrower,
            token=token,
            change_bps=int((factor - 1) * BPS),
            price=None if dollars is None else f"{float(dollars) * factor:.8g}",
        )


def _factor(books: Sequence[AnyBook], token: Token, dollars: Fraction) -> Fraction | None:
    """Return how many times its price that is, by the first market that tells it; None where none does."""
    told = (book.protocol.dollars(book.market, token.address) for book in books)
    return next((dollars / price for price in told if price), None)


def _unclear(name: str, meant: Sequence[Token], listed: Iterable[Token]) -> str:
    if meant:
        return f"--price: {name} is {', '.join(checksum(one.address) for one in meant)}: give the address"
    symbols = ", ".join(sorted({one.symbol for one in listed}))
    return f"--price: {name} is no token of these markets; they have {symbols}"
