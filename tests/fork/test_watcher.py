"""From head to head, over a gap, and after a reorg: the books end as if they had been opened there."""

from __future__ import annotations

import pytest

from keeper.devnet import Devnet
from keeper.domain.address import Address
from keeper.domain.errors import Inconsistent, Unavailable
from keeper.domain.state import Mined
from keeper.planner.options import PlannerOptions
from keeper.protocols.aave_v3 import AaveV3
from keeper.query import run
from keeper.watcher import Book, Depths, Watcher
from tests.fork.keeper_stage import Stage, stage


def act(devnet: Devnet, borrower: Address, *, borrowed: str, amount_raw: int) -> None:
    """Let somebody borrow more, which an event of the pool tells."""
    rpc = devnet.anvil.rpc
    rpc("anvil_impersonateAccount", "0x" + borrower.hex())
    devnet.chain.set_balance(borrower, 10**21)
    token = devnet.addresses.tokens[borrowed]
    devnet.chain.post(
        borrower, devnet.addresses.pool, borrow_data(token, amount_raw=amount_raw, borrower=borrower)
    )


def borrow_data(token: Address, *, amount_raw: int, borrower: Address) -> bytes:
    words = (token.rjust(32, b"\0"), amount_raw.to_bytes(32, "big"), (2).to_bytes(32, "big"), bytes(32))
    return bytes.fromhex("a415bcad") + b"".join(words) + borrower.rjust(32, b"\0")


async def opened_afresh(on: Stage) -> Watcher:
    """Return a watcher that was opened at the newest head."""
    addresses = on.devnet.addresses
    fresh = Watcher(
        books=(Book(AaveV3(pool=addresses.pool), first_block=addresses.deployment_block),),
        depths=tuple(
            Depths(one.venue, intermediates=(addresses.weth, addresses.tokens["USDC"]))
            for one in on.watcher.depths
        ),
        lenders=on.planner.desk.lenders,
    )
    head = await on.head()
    fresh.apply(await run(fresh.advance(head), Mined(hash=head.hash), on.engine._world))
    return fresh


async def assert_as_if_opened_here(on: Stage) -> None:
    fresh = await opened_afresh(on)
    (followed,), (new,) = on.watcher.books, fresh.books
    assert followed.head == new.head
    for told in type(new.market).__slots__:  # a market is large, and compares by identity
        assert getattr(followed.market, told) == getattr(new.market, told), told
    assert followed.rows == new.rows
    for one, other in zip(on.watcher.depths, fresh.depths, strict=True):
        assert dict(one.pools) == dict(other.pools)


def options_for(devnet: Devnet) -> PlannerOptions:
    return PlannerOptions(intermediates=(devnet.addresses.weth, devnet.addresses.tokens["USDC"]))


async def test_advance__heads_with_borrowing_and_swaps__as_if_opened_at_each(manual_devnet: Devnet) -> None:
    async with stage(manual_devnet, options_for(manual_devnet)) as on:
        await on.engine.observe(await on.head())
        for place, borrower in enumerate(manual_devnet.addresses.borrowers[-3:]):
            act(manual_devnet, borrower, borrowed="USDC", amount_raw=10**6 * (place + 1))
            price = manual_devnet.price_base("WETH")
            manual_devnet.market_block({"WETH": price * (97 + 2 * place) // 100})
            await on.engine.observe(await on.head())
            await assert_as_if_opened_here(on)


async def test_advance__heads_missed__catches_up(manual_devnet: Devnet) -> None:
    async with stage(manual_devnet, options_for(manual_devnet)) as on:
        await on.engine.observe(await on.head())
        for borrower in manual_devnet.addresses.borrowers[-3:]:
            act(manual_devnet, borrower, borrowed="USDC", amount_raw=10**6)
            manual_devnet.market_block({"WETH": manual_devnet.price_base("WETH") * 99 // 100})
        await on.engine.observe(await on.head())
        await assert_as_if_opened_here(on)


async def test_advance__the_head_that_it_is_at__asks_nothing_of_books_and_depths(
    manual_devnet: Devnet,
) -> None:
    async with stage(manual_devnet, options_for(manual_devnet)) as on:
        head = await on.head()
        await on.engine.observe(head)
        (book,) = on.watcher.books
        assert list(book.advance(head)) == []
        (depths,) = on.watcher.depths
        assert list(depths.advance(head, book.protocol.pairs(book.market))) == []
        await on.engine.observe(head)
        await assert_as_if_opened_here(on)


async def test_advance__the_branch_is_left__as_if_opened_on_the_new_one(manual_devnet: Devnet) -> None:
    first, second = manual_devnet.addresses.borrowers[-2:]
    async with stage(manual_devnet, options_for(manual_devnet)) as on:
        await on.engine.observe(await on.head())
        snapshot = manual_devnet.anvil.rpc("evm_snapshot")
        for _ in range(2):
            act(manual_devnet, first, borrowed="USDC", amount_raw=10**6)
            manual_devnet.market_block({"WETH": manual_devnet.price_base("WETH") * 95 // 100})
            left = await on.head()
            await on.engine.observe(left)
        manual_devnet.anvil.rpc("evm_revert", snapshot)
        for _ in range(3):
            act(manual_devnet, second, borrowed="USDC", amount_raw=2 * 10**6)
            manual_devnet.market_block({"WETH": manual_devnet.price_base("WETH") * 101 // 100})
        assert (await on.head()).number > left.number
        await on.engine.observe(await on.head())
        await assert_as_if_opened_here(on)


async def test_advance__a_head_that_the_node_dropped__inconsistent_and_nothing_taken_in(
    manual_devnet: Devnet,
) -> None:
    async with stage(manual_devnet, options_for(manual_devnet)) as on:
        await on.engine.observe(await on.head())
        (book,) = on.watcher.books
        before = book.head
        snapshot = manual_devnet.anvil.rpc("evm_snapshot")
        manual_devnet.mine()
        dropped = await on.head()
        manual_devnet.anvil.rpc("evm_revert", snapshot)
        with pytest.raises((Inconsistent, Unavailable)):
            await on.engine.observe(dropped)
        assert book.head == before


async def test_advance__one_market_is_no_market__named_and_the_other_is_served(
    manual_devnet: Devnet,
) -> None:
    async with stage(manual_devnet, options_for(manual_devnet)) as on:
        nowhere = AaveV3(pool=Address(b"\x99" * 20))
        (book,) = on.watcher.books
        on.watcher.books = (Book(nowhere, first_block=0), book)
        seen = await on.engine.observe(await on.head())
        assert [skipped.source for skipped in seen.skipped] == [nowhere.name]
        assert seen.borrowers == len(book.rows) >= 40
