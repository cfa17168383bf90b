"""Odd input on a real chain: what the protocols allow is followed, the rest is refused by name.

Everybody is audited at every head, so that a health that is wrong in silence would be told here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from keeper.abi import load
from keeper.devnet import Devnet
from keeper.devnet.aave import compile_aave
from keeper.devnet.chain import Contract, Failed
from keeper.devnet.morpho import MARKETS
from keeper.devnet.own import compile_own
from keeper.domain.address import Address
from keeper.domain.declined import Reason
from keeper.domain.events import Audited
from keeper.domain.observation import Observation
from keeper.watcher import Book
from tests.fork.as_if_opened import assert_as_if_opened_here
from tests.fork.keeper_stage import Stage, aave_book, morpho_book, stage
from tests.fork.listing import Listing
from tests.fork.test_morpho_market import ALICE, Acting
from tests.fork.test_watcher_branches import options_for

ALL = 10**6


@pytest.fixture
async def on(manual_devnet: Devnet) -> AsyncIterator[Stage]:
    books = [aave_book(manual_devnet), morpho_book(manual_devnet)]
    audited = [Book(one.protocol, first_block=one.first_block, audited=ALL) for one in books]
    async with stage(manual_devnet, options_for(manual_devnet), books=audited) as keeper:
        await keeper.engine.observe(await keeper.head())
        yield keeper


async def taken_in(on: Stage) -> Observation:
    """Mine a block and take it in. Asserts that every book is as the chain has it, and every health."""
    on.devnet.mine()
    on.heard.clear()
    seen = await on.engine.observe(await on.head())
    assert seen.skipped == ()
    assert seen.mismatches == ()
    assert not any(isinstance(event, Audited) for event in on.heard)
    await assert_as_if_opened_here(on)
    return seen


def feed(on: Stage, symbol: str, price_base: int) -> Contract:
    """Return a new aggregator that reports this price."""
    own, admin = compile_own(), on.devnet.market.address
    on.devnet.anvil.rpc("evm_setAutomine", True)
    made = on.devnet.chain.deploy(own["SettableAggregator"], f"{symbol} / USD", price_base, sender=admin)
    on.devnet.anvil.rpc("evm_setAutomine", False)
    return made


def aave_oracle(on: Stage) -> Contract:
    return on.devnet.contract(on.devnet.addresses.oracle, compile_aave()["AaveOracle"].interface)


def price_base_of(on: Stage, symbol: str) -> int:
    (found,) = (
        one.price_base for one in on.watcher.books[0].market.reserves.values() if one.token.symbol == symbol
    )
    return int(found)


async def test_advance__the_oracle_is_replaced__followed_from_that_head_on(on: Stage) -> None:
    there, admin, aave = on.devnet.addresses, on.devnet.market.address, compile_aave()
    symbols = list(there.tokens)
    feeds = [feed(on, one, on.devnet.price_base(one) * 99 // 100) for one in symbols]
    on.devnet.anvil.rpc("evm_setAutomine", True)
    oracle = on.devnet.chain.deploy(
        aave["AaveOracle"],
        there.provider,
        [there.tokens[one] for one in symbols],
        feeds,
        bytes(20),
        bytes(20),
        10**8,
        sender=admin,
    )
    on.devnet.anvil.rpc("evm_setAutomine", False)
    await taken_in(on)
    provider = on.devnet.contract(there.provider, aave["PoolAddressesProvider"].interface)
    provider.post("setPriceOracle", oracle, sender=admin)
    await taken_in(on)
    assert on.watcher.books[0].market.oracle == oracle.address
    assert price_base_of(on, "WETH") == on.devnet.price_base("WETH") * 99 // 100
    feeds[symbols.index("WETH")].post("transmit", 2_500 * 10**8, sender=admin)
    seen = await taken_in(on)
    assert price_base_of(on, "WETH") == 2_500 * 10**8
    assert seen.opportunities


async def test_advance__an_assets_price_source_is_replaced__its_price_is_read_from_there(on: Stage) -> None:
    new, weth = feed(on, "WETH", 2_600 * 10**8), on.devnet.addresses.weth
    aave_oracle(on).post("setAssetSources", [weth], [new], sender=on.devnet.market.address)
    seen = await taken_in(on)
    assert price_base_of(on, "WETH") == 2_600 * 10**8
    assert seen.opportunities


async def test_advance__the_aggregator_behind_a_feed_is_replaced__both_protocols_follow(on: Stage) -> None:
    new = feed(on, "WETH", 2_600 * 10**8)
    proxy = on.devnet.contract(on.devnet.addresses.feeds["WETH"], compile_own()["FeedProxy"].interface)
    proxy.post("setAggregator", new, sender=on.devnet.market.address)
    seen = await taken_in(on)
    assert price_base_of(on, "WETH") == 2_600 * 10**8
    assert {one.market.partition(":")[0] for one in seen.opportunities} == {"aave-v3", "morpho"}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("configureReserveAsCollateral", ("WETH", 60_00, 70_00, 105_00)),
        ("setEModeCategory", (1, 80_00, 85_00, 101_00, "lower")),
    ],
)
async def test_advance__a_threshold_is_lowered__who_falls_by_it_is_found(
    on: Stage, name: str, arguments: tuple[object, ...]
) -> None:
    there, admin = on.devnet.addresses, on.devnet.market.address
    configurator = on.devnet.contract(
        there.configurator, compile_aave()["PoolConfiguratorInstance"].interface
    )
    first, *others = arguments
    configurator.post(name, there.tokens.get(str(first), first), *others, sender=admin)
    seen = await taken_in(on)
    assert seen.opportunities
    assert {one.market for one in seen.opportunities} == {on.watcher.books[0].protocol.name}
    assert all(one.terms for one in seen.opportunities)


async def test_advance__a_reserve_is_paused_as_its_price_falls__declined_by_name(on: Stage) -> None:
    there, admin = on.devnet.addresses, on.devnet.market.address
    configurator = on.devnet.contract(
        there.configurator, compile_aave()["PoolConfiguratorInstance"].interface
    )
    on.devnet.set_price("WETH", on.devnet.price_base("WETH") * 9 // 10)
    configurator.post("setReservePause", there.weth, True, 0, sender=admin)
    seen = await taken_in(on)
    theirs = [one for one in seen.opportunities if one.market == on.watcher.books[0].protocol.name]
    assert theirs
    for one in theirs:
        assert all(there.weth not in (pair.collateral.address, pair.debt.address) for pair in one.terms)
        reasons = {
            pair.why.reason
            for pair in one.declined
            if there.weth in (pair.collateral.address, pair.debt.address)
        }
        assert reasons <= {Reason.PAUSED}
    assert any(one.declined for one in theirs)


@pytest.mark.parametrize("price_base", [0, -1])
async def test_advance__a_price_of_zero_or_less__declined_by_name_and_the_others_served(
    on: Stage, price_base: int
) -> None:
    before = on.devnet.price_base("WETH")
    on.devnet.set_price("WETH", price_base)
    seen = await taken_in(on)
    weth = on.devnet.addresses.weth
    assert {one.market.partition(":")[0] for one in seen.opportunities} == {"aave-v3", "morpho"}
    for one in seen.opportunities:
        assert one.terms == ()
        assert {pair.why.reason for pair in one.declined} == {Reason.ZERO_PRICE}
    for book in on.watcher.books[:1]:
        declined = {one.borrower for one in seen.opportunities if one.market == book.protocol.name}
        for position, row in book.rows.items():
            sides = book.protocol.holdings(book.market, row, at_s=on.devnet.now_s)
            holds = any(one.amount.token.address == weth for side in sides for one in side)
            assert (book.protocol.figures(book.market, row, at_s=on.devnet.now_s) is None) == holds
            assert position.borrower not in declined or holds
    on.devnet.set_price("WETH", before)
    assert (await taken_in(on)).opportunities == ()


def made_by_hand(on: Stage, decimals: int) -> Listing:
    """Return a token that is not listed yet: a whole one is worth $100."""
    on.devnet.anvil.rpc("evm_setAutomine", True)
    made = Listing(on.devnet, symbol=f"ODD{decimals}", decimals=decimals, price_base=100 * 10**8)
    on.devnet.anvil.rpc("evm_setAutomine", False)
    return made


async def test_advance__a_token_of_30_decimals_is_listed__followed(on: Stage) -> None:
    listing, borrower = made_by_hand(on, 30), on.devnet.addresses.borrowers[-1]
    listing.post()
    await taken_in(on)
    listing.use(
        borrower, supplied_raw=10**32, borrowed=on.devnet.addresses.tokens["USDC"], borrowed_raw=7 * 10**9
    )
    await taken_in(on)
    (book, _) = on.watcher.books
    (row,) = (row for position, row in book.rows.items() if position.borrower == borrower)
    assert any(one.scaled == 10**32 for one in row.collaterals)
    listing.aggregator.post("transmit", 1, sender=on.devnet.market.address)
    await taken_in(on)


async def test_advance__a_token_of_no_decimals__aave_lists_none(on: Stage) -> None:
    listing = made_by_hand(on, 0)
    on.devnet.anvil.rpc("evm_setAutomine", True)
    (source, listed, *_) = listing.steps()
    source[0].send(source[1], *source[2], sender=listing.admin)
    with pytest.raises(Failed):
        listed[0].send(listed[1], *listed[2], sender=listing.admin)
    on.devnet.anvil.rpc("evm_setAutomine", False)
    await taken_in(on)


@pytest.mark.parametrize("decimals", [0, 30])
async def test_advance__a_morpho_market_of_an_odd_token_is_created__followed(
    on: Stage, decimals: int
) -> None:
    odd, people, there, admin = (
        made_by_hand(on, decimals),
        Acting(on.devnet),
        on.devnet.addresses,
        on.devnet.market.address,
    )
    usdc, rpc = there.tokens["USDC"], on.devnet.anvil.rpc
    rpc("evm_setAutomine", True)
    oracle = on.devnet.chain.deploy(
        compile_own()["RatioOracle"], odd.aggregator, there.feeds["USDC"], decimals, 6, sender=admin
    )
    money = on.devnet.contract(usdc, compile_aave()["TestnetERC20"].interface)
    money.send("mint", admin, 10**12, sender=admin)
    money.send("approve", people.morpho, 10**12, sender=admin)
    rpc("evm_setAutomine", False)
    params = (usdc, odd.token, oracle, there.morpho_irm, MARKETS["WETH/USDC"].lltv_wad)
    people.posts("createMarket", params, by=admin)
    await taken_in(on)
    unit = 10**decimals
    people.posts("supply", params, 10**11, 0, admin, b"", by=admin)
    odd.token.post("mint", ALICE, 100 * unit, sender=admin)
    odd.token.post("approve", people.morpho, 100 * unit, sender=ALICE)
    people.posts("supplyCollateral", params, 100 * unit, ALICE, b"")
    people.posts("borrow", params, 8_500 * 10**6, 0, ALICE, ALICE)
    assert (await taken_in(on)).opportunities == ()
    odd.aggregator.post("transmit", 95 * 10**8, sender=admin)
    (found,) = (await taken_in(on)).opportunities
    assert found.borrower == ALICE
    assert found.health.health_factor_wad == pytest.approx(0.95 * 0.86 * 10**22 / 8_500, rel=1e-4)


def logging(*topics: bytes) -> bytes:
    """Return code that logs these topics, and no data."""
    pushes = b"".join(b"\x7f" + topic for topic in reversed(topics))
    return pushes + bytes.fromhex("60006000") + bytes([0xA0 + len(topics)])


async def test_advance__logs_of_unknown_kinds_and_torn_ones__passed_over(on: Stage) -> None:
    borrow = load("aave_v3_pool").event("Borrow").topic
    morphos = load("morpho_blue").event("Borrow").topic
    odd = (
        logging()
        + logging(b"\x0d" * 32)
        + logging(b"\x0d" * 32, *(bytes(12) + b"\xaa" * 20,) * 3)
        + logging(borrow)
        + logging(borrow, bytes(12) + b"\xaa" * 20)
        + logging(morphos)
        + logging(morphos, b"\x0d" * 32)
    )
    rpc, there, admin = on.devnet.anvil.rpc, on.devnet.addresses, on.devnet.market.address
    for followed in (there.pool, there.morpho, there.provider):
        code = bytes.fromhex(rpc("eth_getCode", "0x" + followed.hex(), "latest")[2:])
        on.devnet.chain.set_code(followed, odd)
        sent = on.devnet.chain.post(admin, followed, b"")
        on.devnet.mine()
        on.devnet.chain.set_code(followed, code)
        assert len(on.devnet.chain.receipt(sent)["logs"]) == 7
        seen = await on.engine.observe(await on.head())
        assert (seen.skipped, seen.mismatches) == ((), ())
        await assert_as_if_opened_here(on)
    assert Address(b"\xaa" * 20) not in {position.borrower for position in on.watcher.books[0].rows}
