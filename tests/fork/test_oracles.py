"""Prices through adapters on a real chain: what is foretold of them is what they then are.

The adapters are stand-ins, with the getters and the rounding of the real ones; Aave's oracle is its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from fractions import Fraction

import pytest

from keeper.app.supposing import Price, what_if
from keeper.devnet import Devnet
from keeper.devnet.aave import compile_aave
from keeper.devnet.chain import Contract
from keeper.devnet.own import compile_own
from keeper.domain.observation import Observation
from keeper.domain.position import PositionId
from keeper.domain.report import Trigger
from keeper.domain.state import Mined
from keeper.live.world import LiveWorld
from keeper.ports import Prices
from keeper.query import run
from keeper.watcher.triggers import triggers, unpredicted
from tests.fork.keeper_stage import Stage, aave_book, morpho_book, stage
from tests.fork.test_watcher_branches import options_for

WAD = 10**18
DOLLAR = 10**8
STEADY = Fraction(1, 2_000)
"""What interest may add to a debt until the next block, and more."""


@pytest.fixture
async def on(manual_devnet: Devnet) -> AsyncIterator[Stage]:
    adapted(manual_devnet)
    books = [aave_book(manual_devnet), morpho_book(manual_devnet)]
    async with stage(manual_devnet, options_for(manual_devnet), books=books) as keeper:
        await taken_in(keeper)
        yield keeper


def adapted(devnet: Devnet) -> None:
    """Put adapters between the feeds and Aave's oracle, each with the price that was there but for USDT's."""
    own, chain, there, admin = compile_own(), devnet.chain, devnet.addresses, devnet.market.address
    devnet.anvil.rpc("evm_setAutomine", True)

    def deploy(name: str, *arguments: object) -> Contract:
        return chain.deploy(own[name], *arguments, sender=admin)

    peg = deploy("FeedProxy", deploy("SettableAggregator", "WBTC / BTC", 99_900_000))
    sources = {
        "wstETH": deploy("CappedRatio", there.feeds["WETH"], 122 * WAD // 100, 10**9, "Capped wstETH"),
        "USDT": deploy("Capped", there.feeds["USDT"], 104 * DOLLAR // 100),
        "WBTC": deploy("PegToBase", peg, there.feeds["WBTC"], 8),
        "USDC": deploy("NearlyCappedRatio", there.feeds["USDC"], WAD),
    }
    oracle = chain.contract(there.oracle, compile_aave()["AaveOracle"].interface)
    tokens = [there.tokens[symbol] for symbol in sources]
    oracle.send("setAssetSources", tokens, list(sources.values()), sender=admin)
    devnet.anvil.rpc("evm_setAutomine", False)


def report(on: Stage, symbol: str, answer: int) -> None:
    """Have a feed report this in the next block."""
    there, admin = on.devnet.addresses, on.devnet.market.address
    on.devnet.contract(there.aggregators[symbol], compile_own()["SettableAggregator"].interface).post(
        "transmit", answer, sender=admin
    )


async def taken_in(on: Stage) -> Observation:
    """Mine a block, take it in, and look at what prices are made of where that is to be done."""
    on.devnet.mine()
    seen = await on.engine.observe(await on.head())
    pricing = on.watcher.pricing
    world = LiveWorld(on.endpoints)
    await run(pricing.look(pricing.unknown(on.watcher.current)), Mined(hash=seen.head.hash), world)
    return seen


def why_not(on: Stage) -> Mapping[str, str]:
    origins = on.watcher.pricing.origins(on.watcher.books[0])
    return {origin.sourced.token.symbol: why for origin, why in origins}


def prices(on: Stage) -> Prices:
    return {
        call: price for book in on.watcher.books for call, price in book.protocol.prices(book.market).items()
    }


async def test_origins__adapters_on_chain__those_that_are_known_give_the_price_to_the_digit(
    on: Stage,
) -> None:
    known = why_not(on)
    assert {symbol for symbol, why in known.items() if not why} == {"WETH", "wstETH", "USDT", "WBTC"}
    assert "its formula gives" in known["USDC"]
    told = [one for book in on.watcher.books for one in unpredicted(book, on.watcher.pricing)]
    assert [one.token.symbol for one in told] == ["USDC"]
    for symbol, answer in {
        "WETH": 2_345_67890123,
        "USDT": 107 * DOLLAR // 100,
        "WBTC": 71_234_56789012,
    }.items():
        report(on, symbol, answer)
    await taken_in(on)
    assert {symbol for symbol, why in why_not(on).items() if why} == {"USDC"}
    assert (
        next(
            one for one in on.watcher.books[0].market.reserves.values() if one.token.symbol == "USDT"
        ).price_base
        == 104 * DOLLAR // 100
    )


async def test_what_if__ether_falls__every_price_is_what_it_is_once_the_feed_says_so(on: Stage) -> None:
    was = prices(on)
    fall = {"WETH": Price(amount=Fraction(92, 100), is_factor=True)}
    told = what_if(on.watcher.books, on.watcher.pricing, fall)
    assert {one.token.symbol for one in told.followed} == {"wstETH"}
    pricing = on.watcher.pricing
    (feed,) = (one for one in pricing.feeds(on.watcher.books[0]) if one.name == "WETH / USD")
    report(on, "WETH", pricing.answer(feed) * 92 // 100)
    await taken_in(on)
    is_ = prices(on)
    assert {call: price for call, price in is_.items() if price != was[call]} == told.prices


def nearest(on: Stage, feed: str, *, falls: bool) -> Trigger:
    book, at_s = on.watcher.books[0], on.devnet.now_s
    found = [one for of_feed in triggers(book, on.watcher.pricing, at_s=at_s) for one in of_feed]
    return next(one for one in found if one.feed == feed and (one.feed_change_bps < 0) is falls)


@pytest.mark.parametrize(
    ("feed", "falls", "moves"),
    [("WETH", True, {"WETH", "wstETH"}), ("USDT", True, {"USDT"}), ("WBTC", True, {"WBTC"})],
)
async def test_triggers__a_feed_goes_there__just_that_borrower_falls(
    on: Stage, feed: str, falls: bool, moves: set[str]
) -> None:
    report(on, "USDT", 107 * DOLLAR // 100)  # three percent above its cap
    before = {one.position for one in (await taken_in(on)).opportunities}
    told = nearest(on, f"{feed} / USD", falls=falls)
    assert {told.token.symbol, *told.moves_with} == moves
    answer, beyond = Fraction(told.feed_answer) * DOLLAR, STEADY if falls else -STEADY
    report(on, feed, int(answer * (1 + beyond)))
    assert {one.position for one in (await taken_in(on)).opportunities if one.market.startswith("aave")} == {
        one for one in before if one.market.startswith("aave")
    }
    report(on, feed, int(answer * (1 - beyond)))
    fallen = {one.position for one in (await taken_in(on)).opportunities} - before
    assert PositionId(told.market, told.borrower) in fallen


async def test_triggers__of_morpho_where_ether_prices_both_sides__just_there_the_first_one_falls(
    on: Stage,
) -> None:
    book, pricing, at_s = on.watcher.books[1], on.watcher.pricing, on.devnet.now_s
    known = [origin for origin, why_not in pricing.origins(book) if not why_not]
    (feed,) = (one for one in pricing.feeds(book) if one.name == "WETH / USD")

    def below(change_bps: int) -> set[PositionId]:
        prices = pricing.moved(known, {feed: 1 + Fraction(change_bps, 10_000)})
        market = book.protocol.priced(book.market, prices)
        return {position for position, _, _ in book.below(WAD, at_s=at_s, market=market)}

    found = [
        one for of_feed in triggers(book, pricing, at_s=at_s) for one in of_feed if one.feed == feed.name
    ]
    ways = {one.feed_change_bps < 0: one for one in found}
    assert len(ways) == 2
    for falls, one in ways.items():
        way = -1 if falls else 1
        assert below(one.feed_change_bps - way) <= below(0)
        assert PositionId(one.market, one.borrower) in below(one.feed_change_bps + way)
