"""Branches that are left: the books and the pools end as if they had been opened on the new one."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from random import Random

import pytest

from keeper.devnet import Devnet
from keeper.devnet.morpho import compile_morpho
from keeper.devnet.uniswap import factory_interface, pool_interface
from keeper.domain.address import Address, address_of
from keeper.domain.events import Relinked
from keeper.planner.options import PlannerOptions
from keeper.ports import NewHead
from keeper.watcher import Book, Depths
from tests.fork.as_if_opened import assert_as_if_opened_here
from tests.fork.keeper_stage import Stage, aave_book, morpho_book, stage
from tests.fork.listing import Listing
from tests.fork.test_morpho_market import Acting
from tests.fork.test_watcher import act

QUICK = (1, 2, 7, 20)


def options_for(devnet: Devnet) -> PlannerOptions:
    return PlannerOptions(intermediates=(devnet.addresses.weth, devnet.addresses.tokens["USDC"]))


@pytest.fixture
async def on(manual_devnet: Devnet) -> AsyncIterator[Stage]:
    books = (aave_book(manual_devnet), morpho_book(manual_devnet))
    async with stage(manual_devnet, options_for(manual_devnet), books=books) as keeper:
        await keeper.engine.observe(await keeper.head())
        yield keeper


class People:
    """Who borrows on Aave and on Morpho, and moves prices and pools: drawn from a seed."""

    def __init__(self, on: Stage, seed: int) -> None:
        self._on, self._random = on, Random(seed)
        self._alice = Acting(on.devnet)
        self.did: Counter[str] = Counter()
        self._alice.wraps(5 * 10**20)
        on.devnet.mine()

    def block(self) -> None:
        """Have something happen, and mine it."""
        devnet, random = self._on.devnet, self._random
        what = random.choice(("aave", "morpho", "prices", "nothing"))
        self.did[what] += 1
        match what:
            case "aave":
                borrower = random.choice(devnet.addresses.borrowers[-12:])
                act(devnet, borrower, borrowed="USDC", amount_raw=random.randint(1, 10**6))
            case "morpho":
                params = self._alice.params("WETH/USDC")
                alice = Address(b"\xa1" * 20)
                self._alice.posts("supplyCollateral", params, random.randint(1, 10**18), alice, b"")
                self._alice.posts("borrow", params, random.randint(1, 10**7), 0, alice, alice)
        ratio = random.randint(990, 1010) if what == "prices" else 1_000
        if ratio != 1_000:
            devnet.market_block({"WETH": devnet.price_base("WETH") * ratio // 1_000})
        else:
            devnet.mine()


async def step(on: Stage) -> None:
    await on.engine.step(NewHead(head=await on.head(), seen_at_s=0))


def relinked(on: Stage) -> list[Relinked]:
    found = [event for event in on.heard if isinstance(event, Relinked)]
    on.heard.clear()
    return found


async def test_advance__a_branch_is_left__as_if_opened_on_the_new_one(on: Stage, full: bool) -> None:
    people = People(on, seed=1)
    await step(on)
    depths = tuple(range(1, 21)) if full else QUICK
    for depth in depths:
        for _ in range(depth):
            people.block()
            await step(on)
        relinked(on)
        on.devnet.anvil.rpc("anvil_reorg", depth, [])
        await step(on)
        sources = {event.how.source for event in relinked(on) if event.how.abandoned_blocks == depth}
        assert len(sources) == 3, "both books and the pools left the branch, and said so"
        await assert_as_if_opened_here(on)
        people.block()
        await step(on)
        assert relinked(on) == []
    print(dict(people.did))
    assert min(people.did.values()) >= (10 if full else 2)
    await assert_as_if_opened_here(on)


async def test_advance__a_branch_is_left_between_two_heads__its_new_blocks_are_filled(on: Stage) -> None:
    people = People(on, seed=2)
    await step(on)
    for _ in range(4):
        people.block()
        await step(on)
    relinked(on)
    on.devnet.anvil.rpc("anvil_reorg", 3, [])
    for _ in range(5):
        people.block()
    await step(on)
    assert {(one.how.abandoned_blocks, one.how.missed_blocks) for one in relinked(on)} == {(3, 7)}
    await assert_as_if_opened_here(on)


async def test_advance__the_chain_goes_back_to_a_head_that_was_followed__as_if_opened_there(
    on: Stage,
) -> None:
    people = People(on, seed=3)
    await step(on)
    for _ in range(5):
        people.block()
        await step(on)
    on.devnet.anvil.rpc("anvil_rollback", 3)
    relinked(on)
    await step(on)
    assert {(one.how.abandoned_blocks, one.how.missed_blocks) for one in relinked(on)} == {(3, 0)}
    await assert_as_if_opened_here(on)
    people.block()
    await step(on)
    await assert_as_if_opened_here(on)


async def test_advance__left_deeper_than_is_remembered__read_again_whole_and_said(on: Stage) -> None:
    shallow = [replace_depth(book) for book in on.watcher.books]
    on.watcher.books = tuple(shallow)
    on.watcher.depths = tuple(
        Depths(one.venue, intermediates=sorted(one.intermediates), reorg_depth=2) for one in on.watcher.depths
    )
    people = People(on, seed=4)
    await step(on)
    for _ in range(5):
        people.block()
        await step(on)
    relinked(on)
    on.devnet.anvil.rpc("anvil_reorg", 4, [])
    await step(on)
    assert [one.how.whole for one in relinked(on)] == [True] * 3
    await assert_as_if_opened_here(on)


def replace_depth(book: Book[object, object]) -> Book[object, object]:
    return Book(book.protocol, first_block=book._first_block, reorg_depth=2)


async def test_advance__what_the_left_branch_listed_and_created__is_gone(on: Stage) -> None:
    """An asset listed and borrowed against, a market created, a pool made: on a branch that is left."""
    devnet, rpc = on.devnet, on.devnet.anvil.rpc
    rpc("evm_setAutomine", True)
    listing = Listing(devnet, symbol="NEW", decimals=18, price_base=100 * 10**8)
    rpc("evm_setAutomine", False)
    devnet.mine()
    await step(on)
    aave, morpho = on.watcher.books
    reserves, markets, pools = (
        len(aave.market.reserves),
        len(morpho.market.by_name),
        len(on.watcher.depths[0].pools),
    )

    first, second = devnet.addresses.borrowers[-2:]
    usdc = devnet.addresses.tokens["USDC"]
    listing.post()
    listing.use(first, supplied_raw=10**20, borrowed=usdc, borrowed_raw=10**9)
    devnet.mine()
    await step(on)
    assert len(aave.market.reserves) == reserves + 1
    await assert_as_if_opened_here(on)
    people = Acting(devnet)
    market = people.params("wstETH/WETH", lltv_wad=77 * 10**16)
    morpho_contract = devnet.contract(devnet.addresses.morpho, compile_morpho()["Morpho"].interface)
    morpho_contract.post("createMarket", market, sender=devnet.market.address)
    make_pool(devnet, usdc, devnet.addresses.weth)
    devnet.mine()
    await step(on)
    assert len(morpho.market.by_name) == markets + 1
    assert len(on.watcher.depths[0].pools) == pools  # the new one is found, and read with the next head
    devnet.mine()
    await step(on)
    assert len(on.watcher.depths[0].pools) == pools + 1
    await assert_as_if_opened_here(on)

    rpc("anvil_reorg", 3, [])
    await step(on)
    assert (len(aave.market.reserves), len(morpho.market.by_name)) == (reserves, markets)
    assert len(on.watcher.depths[0].pools) == pools
    await assert_as_if_opened_here(on)

    listing.post()  # and again, on the branch that stays, by others
    listing.use(second, supplied_raw=10**20, borrowed=usdc, borrowed_raw=2 * 10**9)
    morpho_contract.post("createMarket", market, sender=devnet.market.address)
    make_pool(devnet, usdc, devnet.addresses.weth)
    devnet.mine()
    devnet.mine()
    await step(on)
    assert (len(aave.market.reserves), len(morpho.market.by_name)) == (reserves + 1, markets + 1)
    devnet.mine()
    await step(on)
    assert len(on.watcher.depths[0].pools) == pools + 1
    await assert_as_if_opened_here(on)

    make_pool(devnet, devnet.addresses.tokens["WBTC"], devnet.addresses.weth)
    devnet.mine()
    await step(on)
    rpc("anvil_reorg", 1, [])  # before it could be read
    await step(on)
    assert len(on.watcher.depths[0].pools) == pools + 1
    await assert_as_if_opened_here(on)


def make_pool(devnet: Devnet, one: Address, other: Address) -> None:
    """Make the pool of the highest fee, with a price, in the next block."""
    factory = devnet.contract(devnet.addresses.factory, factory_interface())
    admin = devnet.market.address
    tokens = sorted((one, other))
    made = devnet.chain.call(factory.address, factory.interface.encode("createPool", *tokens, 10_000))
    factory.post("createPool", *tokens, 10_000, sender=admin)
    devnet.contract(address_of(made), pool_interface()).post("initialize", 2**96, sender=admin)
