"""Starting again: from what was kept only what happened since; and from nothing where it does not fit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from keeper.devnet import Devnet
from keeper.domain.errors import Unavailable
from keeper.domain.events import Loading, Resumed
from keeper.domain.state import Mined, StateRef
from keeper.live import opening as opening_module
from keeper.live.opening import Opening
from keeper.live.remembering import Remembering
from keeper.planner.options import PlannerOptions
from keeper.query import Answer, Answering, Ask, Call, LogRange, run
from keeper.store.checkpoint import Checkpoint
from keeper.watcher import Watcher
from keeper.watcher.book import AnyBook
from tests.fork.as_if_opened import assert_books_as_if_opened
from tests.fork.keeper_stage import Stage, aave_book, morpho_book, stage
from tests.fork.test_watcher import act

CHAIN_ID = 31_337


class Counted:
    """A World that counts what it is asked, and breaks when told."""

    def __init__(self, world: Answering, *, breaks_after: int | None = None) -> None:
        self._world = world
        self._left = breaks_after
        self.about: set[bytes] = set()
        """Whom the calls are about: each one's last argument."""
        self.blocks = 0

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        if self._left is not None:
            if self._left == 0:
                raise Unavailable("the line was cut")
            self._left -= 1
        self.about |= {ask.data[-20:] for ask in asks if isinstance(ask, Call) and len(ask.data) > 4}
        self.blocks += sum(ask.last - ask.first + 1 for ask in asks if isinstance(ask, LogRange))
        return await self._world.answer(asks, at)


def books(on: Stage) -> tuple[AnyBook, AnyBook]:
    return aave_book(on.devnet), morpho_book(on.devnet)


async def opened(
    on: Stage, path: Path, *, breaks_after: int | None = None
) -> tuple[tuple[AnyBook, AnyBook], Counted]:
    """Open new books from the checkpoint in a file."""
    world = Counted(on.engine._world, breaks_after=breaks_after)
    with closing(Checkpoint.open(path, chain_id=CHAIN_ID)) as memory:
        return await _opened(on, world, memory), world


async def _opened(on: Stage, world: Answering, memory: Checkpoint) -> tuple[AnyBook, AnyBook]:
    made = books(on)
    opening = Opening(world, memory, newest=on.head, listen=on.heard.append)
    for book in made:
        await opening.open(book)
    return made


async def remembered(on: Stage, memory: Checkpoint, *, every: int) -> tuple[Watcher, Remembering]:
    """Open new books, and write down what they take in."""
    watcher = Watcher(books=await _opened(on, on.engine._world, memory), depths=(), lenders=())
    return watcher, Remembering(memory, watcher, listen=on.heard.append, every=every)


async def follow(on: Stage, watcher: Watcher, remembering: Remembering) -> None:
    """Let a block go by, take it in, and have it written down."""
    live(on.devnet, 1)
    head = await on.head()
    advance = await run(watcher.advance(head), Mined(hash=head.hash), on.engine._world)
    watcher.apply(advance)
    remembering.take(advance)


async def assert_as_read_from_nothing(on: Stage, made: Sequence[AnyBook]) -> None:
    await assert_books_as_if_opened(made, await on.head(), on.engine._world)


@pytest.fixture
def options(manual_devnet: Devnet) -> PlannerOptions:
    return PlannerOptions(intermediates=(manual_devnet.addresses.weth,))


def live(devnet: Devnet, blocks: int) -> None:
    for place in range(blocks):
        act(devnet, devnet.addresses.borrowers[-1 - place % 5], borrowed="USDC", amount_raw=10**6 + place)
        devnet.mine()


async def test_open__kept_before__only_what_happened_since(
    manual_devnet: Devnet, tmp_path: Path, options: PlannerOptions
) -> None:
    async with stage(manual_devnet, options) as on:
        path = tmp_path / "checkpoint.sqlite"
        made, first = await opened(on, path)
        await assert_as_read_from_nothing(on, made)
        assert {event.what for event in on.heard if isinstance(event, Loading)} == {"blocks", "positions"}
        live(manual_devnet, 3)
        on.heard.clear()
        made, second = await opened(on, path)
        await assert_as_read_from_nothing(on, made)
        resumed = [event for event in on.heard if isinstance(event, Resumed)]
        assert [event.why_not for event in resumed] == ["", ""]
        everybody = set(manual_devnet.addresses.borrowers)
        assert everybody <= first.about
        assert set() < everybody & second.about <= set(manual_devnet.addresses.borrowers[-3:])
        assert second.blocks < first.blocks


@pytest.mark.parametrize("pages", [2, 9, 14, 20])
async def test_open__cut_in_the_middle__the_next_start_goes_on(
    manual_devnet: Devnet,
    tmp_path: Path,
    options: PlannerOptions,
    pages: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening_module, "_PAGE", 7)
    async with stage(manual_devnet, options) as on:
        path = tmp_path / "checkpoint.sqlite"
        with pytest.raises(Unavailable, match="cut"):
            await opened(on, path, breaks_after=pages)
        live(manual_devnet, 2)
        made, _ = await opened(on, path)
        await assert_as_read_from_nothing(on, made)


async def test_open__the_branch_was_left_meanwhile__as_read_from_nothing(
    manual_devnet: Devnet, tmp_path: Path, options: PlannerOptions
) -> None:
    async with stage(manual_devnet, options) as on:
        path = tmp_path / "checkpoint.sqlite"
        live(manual_devnet, 4)
        await opened(on, path)
        on.heard.clear()
        manual_devnet.anvil.rpc("anvil_reorg", 3, [])
        made, _ = await opened(on, path)
        await assert_as_read_from_nothing(on, made)
        assert all(not event.why_not for event in on.heard if isinstance(event, Resumed))
        manual_devnet.anvil.rpc("anvil_mine", hex(80))
        await opened(on, path)
        manual_devnet.anvil.rpc("anvil_reorg", 82, [])
        made, _ = await opened(on, path)
        await assert_as_read_from_nothing(on, made)
        said = [event.why_not for event in on.heard if isinstance(event, Resumed) and event.why_not]
        assert said
        assert all("not on the chain any more" in why for why in said)


@pytest.mark.parametrize("harm", ["torn", "garbage", "another chain"])
async def test_open__the_file_does_not_fit__made_anew_and_said(
    manual_devnet: Devnet, tmp_path: Path, options: PlannerOptions, harm: str
) -> None:
    async with stage(manual_devnet, options) as on:
        path = tmp_path / "checkpoint.sqlite"
        await opened(on, path)
        match harm:
            case "torn":
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            case "garbage":
                path.write_bytes(b"no database" * 1_000)
            case _:
                path.unlink()
                Checkpoint.open(path, chain_id=1).close()
        checkpoint = Checkpoint.open(path, chain_id=CHAIN_ID)
        checkpoint.close()
        assert ("chain [1]" if harm == "another chain" else "damaged") in checkpoint.remade
        made, _ = await opened(on, path)
        await assert_as_read_from_nothing(on, made)


async def test_take__heads_followed__the_next_start_reads_none_of_them_again(
    manual_devnet: Devnet, tmp_path: Path, options: PlannerOptions
) -> None:
    async with stage(manual_devnet, options, books=()) as on:
        path = tmp_path / "checkpoint.sqlite"
        with closing(Checkpoint.open(path, chain_id=CHAIN_ID)) as memory:
            watcher, remembering = await remembered(on, memory, every=2)
            for _ in range(5):
                await follow(on, watcher, remembering)
                await asyncio.sleep(0)
            await remembering.flush()
        again, counted = await opened(on, path)
        await assert_as_read_from_nothing(on, again)
        assert counted.blocks == 0


async def test_take__another_keeper_has_begun_to_write__left_to_it_and_said_once(
    manual_devnet: Devnet, tmp_path: Path, options: PlannerOptions
) -> None:
    async with stage(manual_devnet, options, books=()) as on:
        path = tmp_path / "checkpoint.sqlite"
        with closing(Checkpoint.open(path, chain_id=CHAIN_ID)) as memory:
            watcher, remembering = await remembered(on, memory, every=1)
            await opened(on, path)
            on.heard.clear()
            for _ in range(2):
                await follow(on, watcher, remembering)
                await remembering.flush()
        assert [event.why for event in on.heard] == ["another keeper has begun to write it"]  # type: ignore[union-attr]
