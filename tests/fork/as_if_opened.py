"""What was followed, held against what is read from nothing at the same head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from keeper.domain.head import Head
from keeper.domain.state import Mined
from keeper.protocols.morpho_blue.state import IsolatedMarket
from keeper.query import Answering, run
from keeper.watcher import Book, Depths, Watcher
from keeper.watcher.book import AnyBook
from tests.fork.keeper_stage import Stage


async def opened_afresh(on: Stage) -> Watcher:
    """Return a watcher of the same sources that was opened at the newest head."""
    fresh = Watcher(
        books=[_unopened(book) for book in on.watcher.books],
        depths=[Depths(one.venue, intermediates=sorted(one.intermediates)) for one in on.watcher.depths],
        lenders=on.watcher._lenders,
    )
    head = await on.head()
    fresh.apply(await run(fresh.advance(head), Mined(hash=head.hash), on.engine._world))
    return fresh


async def assert_as_if_opened_here(on: Stage) -> None:
    """Assert that every book and pool is what it would be had it been opened at this head."""
    fresh = await opened_afresh(on)
    for followed, new in zip(on.watcher.books, fresh.books, strict=True):
        _assert_same(followed, new)
    for one, other in zip(on.watcher.depths, fresh.depths, strict=True):
        assert dict(one.pools) == dict(other.pools)


async def assert_books_as_if_opened(books: Sequence[AnyBook], head: Head, world: Answering) -> None:
    """Assert that every book is what it would be had it been opened at this head."""
    for book in books:
        fresh = _unopened(book)
        fresh.apply(await run(fresh.advance(head), Mined(hash=head.hash), world))
        _assert_same(book, fresh)


def _unopened(book: AnyBook) -> AnyBook:
    return Book(book.protocol, first_block=book.first_block)


def _assert_same(followed: AnyBook, new: AnyBook) -> None:
    assert followed.head == new.head
    assert told(followed.market) == told(new.market)
    assert dict(followed.rows) == dict(new.rows)


def told(market: Any) -> Any:
    """Return a market's parts, without what only whoever followed can know: when a price was first seen."""
    assert is_dataclass(market)
    return {field.name: _part(getattr(market, field.name)) for field in fields(market)}


def _part(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: _timeless(one) if isinstance(one, IsolatedMarket) else one for key, one in value.items()}


def _timeless(market: IsolatedMarket) -> IsolatedMarket:
    if not market.is_live:  # who is not in use is not priced again
        return replace(market, price=None, rate_wad=None, priced_at_s=None)
    return replace(market, priced_at_s=None)
