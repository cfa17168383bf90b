"""The audit: what is wrong in a book is found by what the protocols say themselves, told, and mended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from keeper.devnet import Devnet
from keeper.domain.events import Audited, Observed
from keeper.ports import NewHead
from keeper.protocols.aave_v3.state import Scaled
from keeper.watcher import Book
from tests.fork.as_if_opened import assert_as_if_opened_here
from tests.fork.keeper_stage import Stage, aave_book, morpho_book, stage
from tests.fork.test_morpho_pre_liquidation import offered
from tests.fork.test_watcher_branches import People, options_for

BLOCKS = 12
ALL = 10**6


@pytest.fixture
async def on(manual_devnet: Devnet) -> AsyncIterator[Stage]:
    """A keeper that audits everybody, on Aave, Morpho and its pre-liquidations."""
    books = [aave_book(manual_devnet), morpho_book(manual_devnet), offered(manual_devnet).book()]
    audited = [Book(one.protocol, first_block=one.first_block, audited=ALL) for one in books]
    async with stage(manual_devnet, options_for(manual_devnet), books=audited) as keeper:
        await keeper.engine.observe(await keeper.head())
        yield keeper


async def step(on: Stage) -> list[Audited]:
    """Take in the newest head; return what the audit told."""
    on.heard.clear()
    await on.engine.step(NewHead(head=await on.head(), seen_at_s=0))
    assert any(isinstance(event, Observed) and not event.skipped for event in on.heard)
    return [event for event in on.heard if isinstance(event, Audited)]


async def test_advance__everybody_audited_as_people_act__nothing_differs(on: Stage) -> None:
    people = People(on, seed=5)
    assert min(len(book.rows) for book in on.watcher.books) >= 3
    for _ in range(BLOCKS):
        people.block()
        assert await step(on) == []
    assert min(people.did.values()) >= 1
    await assert_as_if_opened_here(on)


def worsened(row: Any) -> Any:
    """Return a row of whichever protocol with a tenth less collateral than it has."""
    if hasattr(row, "collaterals"):
        first, *rest = row.collaterals
        return row._replace(collaterals=(Scaled(first.reserve_id, first.scaled * 9 // 10), *rest))
    return row._replace(position=row.position._replace(collateral=row.position.collateral * 9 // 10))


@pytest.mark.parametrize("place", [0, 1, 2], ids=["aave", "morpho", "pre-liquidation"])
async def test_advance__a_row_is_wrong__found_told_and_mended(on: Stage, place: int) -> None:
    book = on.watcher.books[place]
    position = min(book.rows)
    right = book.rows[position]
    book.add({position: worsened(right)})
    assert book.rows[position] != right
    on.devnet.mine()
    (told,) = await step(on)
    assert told.mismatch.position == position
    assert told.mismatch.mended
    name = "collateral_base" if place == 0 else "collateral"
    ours, theirs = told.mismatch.figures[name]
    assert ours < theirs
    assert book.rows[position] == right
    on.devnet.mine()
    assert await step(on) == []
    await assert_as_if_opened_here(on)


async def test_advance__the_configuration_is_older__read_whole_and_mended(on: Stage) -> None:
    book = on.watcher.books[0]
    e_modes = {
        id_: replace(one, liquidation_threshold_bps=one.liquidation_threshold_bps - 100)
        for id_, one in book.market.e_modes.items()
    }
    book.add({}, market=replace(book.market, e_modes=e_modes))
    on.devnet.mine()
    told = await step(on)
    assert told
    assert all(one.mismatch.mended for one in told)
    assert all(set(one.mismatch.figures) == {"health_factor_wad"} for one in told)
    await assert_as_if_opened_here(on)


async def test_advance__the_arithmetic_is_wrong__told_as_not_mended(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = on.watcher.books[0]
    figures = type(book.protocol).figures

    def wrong(self: Any, market: Any, row: Any, *, at_s: int) -> Any:
        found = figures(self, market, row, at_s=at_s)
        return {**found, "debt_base": found["debt_base"] + 1}

    monkeypatch.setattr(type(book.protocol), "figures", wrong)
    on.devnet.mine()
    told = await step(on)
    assert len(told) == len(book.rows)
    assert not any(one.mismatch.mended for one in told)
