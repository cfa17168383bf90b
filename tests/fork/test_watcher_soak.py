"""A crowd acts at random, with branches left, heads missed and a crash: nothing is ever beside the chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from keeper.devnet import Devnet
from keeper.domain.events import Event, Resumed
from keeper.domain.position import PositionId
from keeper.domain.secret import Secret
from keeper.domain.state import Mined
from keeper.live.opening import Opening
from keeper.live.remembering import Remembering
from keeper.live.world import LiveWorld
from keeper.node.endpoint import Endpoint
from keeper.node.endpoints import Endpoints
from keeper.query import run
from keeper.store.checkpoint import Checkpoint
from keeper.watcher import Book, Watcher
from keeper.watcher.book import AnyBook
from tests.fork.as_if_opened import assert_books_as_if_opened
from tests.fork.crowd import DEEDS, Crowd
from tests.fork.keeper_stage import aave_book, morpho_book
from tests.fork.test_morpho_pre_liquidation import Offered, offered

CHAIN_ID = 31_337
AUDITED = 5
ACTING = 6
JOINING = 50
"""At one block, before anybody acts: what a block's gas has room for."""
PAGE = 500
STATES = ("--prune-history", "64")
"""Anvil keeps so many states, and all of them in memory.

By default 1.7.1 writes those beyond 500 to disk, at ten times the time a block; and a branch that leaves a
state which it read back from there has no contract's code.
"""


@pytest.fixture
def devnet() -> Iterator[Devnet]:
    with Devnet.start(automine=False, extra=STATES) as running:
        yield running


class Keeper:
    """What follows: books that audit, and what they keep in a file."""

    def __init__(self, offers: Offered, path: Path, endpoints: Endpoints) -> None:
        self._endpoints, self.world = endpoints, LiveWorld(endpoints)
        made = (aave_book(offers.devnet), morpho_book(offers.devnet), offers.book())
        self.books: tuple[AnyBook, ...] = tuple(
            Book(one.protocol, first_block=one.first_block, audited=AUDITED) for one in made
        )
        self.heard: list[Event] = []
        self.counts: Counter[str] = Counter()
        self._memory = Checkpoint.open(path, chain_id=CHAIN_ID)
        self._watcher = Watcher(books=self.books, depths=(), lenders=())
        self._remembering = Remembering(self._memory, self._watcher, listen=self.heard.append)

    async def open(self) -> None:
        opening = Opening(
            self.world, self._memory, newest=lambda: self._endpoints.block("latest"), listen=self.heard.append
        )
        for book in self.books:
            await opening.open(book)

    async def step(self) -> None:
        """Take in the newest head. Asserts that nothing is skipped and no audit finds anything."""
        head = await self._endpoints.block("latest")
        advance = await run(self._watcher.advance(head), Mined(hash=head.hash), self.world)
        assert advance.skipped == ()
        assert advance.mismatches == ()
        self._watcher.apply(advance)
        self._remembering.take(advance)
        self.counts["heads"] += 1
        self.counts["left"] += any(one.abandoned_blocks for one in advance.rejoined)
        self.counts["missed"] += any(one.missed_blocks for one in advance.rejoined)

    async def die(self) -> None:
        """End without writing what was not written yet."""
        if self._remembering._writing is not None:
            await self._remembering._writing
        self._memory.close()


@pytest.mark.timeout(3_600)
async def test_advance__a_crowd_at_random__every_account_as_the_chain_says(
    devnet: Devnet, tmp_path: Path, full: bool
) -> None:
    blocks, people = (2_000, 5_000) if full else (200, 500)
    random, offers = Random(11), offered(devnet)
    crowd = Crowd(devnet, people=people, seed=12, contracts=tuple(offers.contracts.values()))
    endpoints = Endpoints([Endpoint(Secret(devnet.anvil.url))])
    counts: Counter[str] = Counter()
    try:
        await endpoints.chain_id()
        for _ in range(people // 2 // JOINING):
            crowd.block(joining=JOINING, acting=0)
        keeper = Keeper(offers, tmp_path / "checkpoint.sqlite", endpoints)
        await keeper.open()
        leaves = range(45, blocks, 70)
        for block in range(blocks):
            crowd.block(joining=-(-people // 2 // blocks), acting=ACTING, books=keeper.books)
            if block in leaves:
                devnet.anvil.rpc("anvil_reorg", random.randint(2, 20), [])
            if block == blocks // 2:
                await keeper.die()
                counts += keeper.counts
                keeper = Keeper(offers, tmp_path / "checkpoint.sqlite", endpoints)
                await keeper.open()
                resumed = [one for one in keeper.heard if isinstance(one, Resumed)]
                assert [one.why_not for one in resumed] == ["", "", ""]
            elif random.random() < 0.9:
                await keeper.step()
        await keeper.step()
        counts += keeper.counts
        head = await endpoints.block("latest")
        await assert_books_as_if_opened(keeper.books, head, keeper.world)
        everybody = (
            *crowd.joined,
            *devnet.addresses.borrowers,
            *devnet.addresses.morpho_borrowers,
        )
        for book in keeper.books:
            counts[book.protocol.name.partition(":")[0]] = len(book.rows)
            await assert_as_the_chain_says(keeper, book, everybody)
        await keeper.die()
    finally:
        await endpoints.close()
    did, times = crowd.deeds(), blocks // 200
    print(dict(did), dict(counts))
    assert all(did[deed] >= least * times for deed, least in DEEDS.items()), did
    assert counts["left"] >= len(leaves)
    assert counts["missed"] >= 10 * times
    assert counts["aave-v3"] >= people // 4


async def assert_as_the_chain_says(keeper: Keeper, book: AnyBook, everybody: Sequence[bytes]) -> None:
    """Assert that the protocol itself says of each position what the book does; and of no other, debt."""
    assert book.head is not None
    at, at_s = Mined(hash=book.head.hash), book.head.timestamp_s
    positions = sorted(book.rows)
    if book.protocol.name.startswith("aave"):
        positions += [
            one
            for one in (PositionId(book.protocol.name, person) for person in everybody)  # type: ignore[arg-type]
            if one not in book.rows
        ]
    for start in range(0, len(positions), PAGE):
        page = positions[start : start + PAGE]
        said = await run(book.protocol.view(book.market, page), at, keeper.world)
        for position, view in zip(page, said, strict=True):
            if position in book.rows:
                assert view == book.protocol.figures(book.market, book.rows[position], at_s=at_s)
            else:
                assert view["debt_base"] == 0
