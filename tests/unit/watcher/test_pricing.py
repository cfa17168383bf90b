"""What a price follows from is believed only while it gives the price; and what would be if a feed moved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from fractions import Fraction

import pytest

from keeper.abi import load
from keeper.domain.address import Address
from keeper.domain.head import Head
from keeper.domain.position import PositionId
from keeper.domain.state import Mined
from keeper.oracles import recognise
from keeper.ports import Feed
from keeper.protocols.aave_v3 import AaveV3
from keeper.protocols.aave_v3.state import Market, Row
from keeper.query import Call, run
from keeper.watcher.book import Book, Change
from keeper.watcher.chain import Chain
from keeper.watcher.pricing import Pricing
from keeper.watcher.triggers import triggers
from tests.unit.oracles.contracts import FEED, OTHER_FEED, WAD, Contracts, at
from tests.unit.protocols.aave_v3.markets import DOLLAR, NOW_S, ORACLE, POOL, market, reserve, row
from tests.unit.watcher.test_book import HEAD

ETHER = 3_000 * DOLLAR
CAPPED, RATIO, PEGGED, OPAQUE = at(0xCA), at(0x4A), at(0x9E), at(0x09)
_SOURCE_OF = load("aave_v3_oracle").function("getSourceOfAsset")


@dataclass
class Scene:
    """A market of ether, what wraps it, a capped dollar, and something opaque."""

    contracts: Contracts
    book: Book[Market, Row]
    pricing: Pricing
    head: Head = HEAD

    def look(self) -> None:
        asyncio.run(run(self.pricing.look([self.book]), Mined(hash=self.head.hash), self.contracts))

    def next(self, *, blocks: int = 1, **prices_base: int) -> None:
        """Go on by some blocks, with these prices by the reserve's symbol."""
        self.head = replace(self.head, number=self.head.number + blocks)
        words = asyncio.run(run(self.pricing.advance(), Mined(hash=self.head.hash), self.contracts))
        reserves = {
            id_: replace(one, price_base=prices_base.get(one.token.symbol, one.price_base))
            for id_, one in self.book.market.reserves.items()
        }
        self.book.apply(
            Change(
                head=self.head,
                market=replace(self.book.market, reserves=reserves),
                rows={},
                chain=Chain(depth=64),
            )
        )
        self.pricing.apply(self.head, words)

    def why_not(self) -> dict[str, str]:
        return {one.sourced.token.symbol: why for one, why in self.pricing.origins(self.book)}

    def feed(self, name: str) -> Feed:
        return next(one for one in self.pricing.feeds(self.book) if one.name == name)


def scene(rows: dict[PositionId, Row] | None = None, *, dollar: int = DOLLAR) -> Scene:
    ratio = 12 * WAD // 10
    contracts = (
        Contracts()
        .feed(FEED, ETHER)
        .feed(OTHER_FEED, dollar, name="USDC / USD")
        .say(
            RATIO,
            BASE_TO_USD_AGGREGATOR=FEED,
            RATIO_DECIMALS=18,
            getRatio=ratio,
            getSnapshotRatio=ratio,
            getSnapshotTimestamp=NOW_S,
            getMaxRatioGrowthPerSecond=0,
        )
        .say(CAPPED, ASSET_TO_USD_AGGREGATOR=OTHER_FEED, getPriceCap=104 * 10**6)
        .say(OPAQUE, latestAnswer=7 * DOLLAR, description="opaque")
    )
    prices = (ETHER, ETHER * 12 // 10, min(dollar, 104 * 10**6), 7 * DOLLAR)
    reserves = [reserve(n, price_base=price, threshold_bps=8_000) for n, price in enumerate(prices)]
    for one, source in zip(reserves, (FEED, RATIO, CAPPED, OPAQUE), strict=True):
        asked = Call(ORACLE, _SOURCE_OF.encode(one.token.address))
        contracts.said[asked] = bytes(12) + source
    book = Book(AaveV3(pool=POOL), first_block=0)
    book.apply(Change(head=HEAD, market=market(*reserves), rows=rows or {}, chain=Chain(depth=64)))
    pricing = Pricing(recognise)
    pricing.apply(HEAD, {})
    found = Scene(contracts, book, pricing)
    found.look()
    return found


def position(number: int) -> PositionId:
    return PositionId("aave", Address(number.to_bytes(20)))


def test_look__a_market__each_prices_origin_or_why_not() -> None:
    there = scene()
    opaque = f"0x{OPAQUE.hex()} (opaque) is of no kind that is known"
    assert there.why_not() == {"T0": "", "T1": "", "T2": "", "T3": opaque}
    assert {one.name for one in there.pricing.feeds(there.book)} == {"ETH / USD", "USDC / USD"}
    assert there.pricing.unknown([there.book]) == ()
    assert there.pricing.contracts >= {FEED, RATIO, CAPPED, OPAQUE, at(0xA66)}
    assert len(there.pricing.behind({at(0xA66)})) == 2
    assert len(there.pricing.behind({OPAQUE})) == 1


def test_moved__a_feed__all_that_are_made_from_it_in_the_contracts_own_rounding() -> None:
    there = scene()
    known = [one for one, why in there.pricing.origins(there.book) if not why]
    moved = there.pricing.moved(known, {there.feed("ETH / USD"): Fraction(92, 100)})
    ether, wrapped, *_ = there.book.protocol.prices(there.book.market)
    assert moved == {ether: ETHER * 92 // 100, wrapped: ETHER * 92 // 100 * 12 // 10}


def test_origins__a_price_that_its_formula_does_not_give__not_believed_until_it_fits() -> None:
    there = scene()
    there.contracts.feed(FEED, ETHER // 2)
    there.next()  # the feed's answer is read, the protocol still counts the old one
    assert there.why_not()["T0"] == f"its formula gives {ETHER // 2} where the protocol counts {ETHER}"
    assert there.feed("USDC / USD") and "ETH / USD" not in {f.name for f in there.pricing.feeds(there.book)}
    there.next(T0=ETHER // 2, T1=ETHER // 2 * 12 // 10)
    assert there.why_not()["T0"] == ""


def test_look__a_source_that_was_replaced__recognised_anew() -> None:
    there = scene()
    pegged = Call(ORACLE, _SOURCE_OF.encode(there.book.market.reserves[1].token.address))
    there.contracts.say(PEGGED, ASSET_TO_PEG=OTHER_FEED, PEG_TO_BASE=FEED, DECIMALS=8, DENOMINATOR=10**16)
    there.contracts.said[pegged] = bytes(12) + PEGGED
    there.next(T1=ETHER)
    assert there.why_not()["T1"].startswith("its formula gives")
    there.next(blocks=8)
    assert there.pricing.unknown([there.book]) == (there.book,)
    there.look()
    assert there.why_not()["T1"] == ""


def test_look_on__adapters_upon_feeds__a_round_a_head_until_all_are_known() -> None:
    there = scene()
    there.pricing = Pricing(recognise)
    there.pricing.apply(HEAD, {})
    ended: list[bool] = []
    while not any(ended):
        before = there.contracts.rounds
        looking = there.pricing.look_on([there.book])
        ended.append(asyncio.run(run(looking, Mined(hash=there.head.hash), there.contracts)))
        assert there.contracts.rounds <= before + 1
        assert there.pricing.unknown([there.book]) == (() if ended[-1] else (there.book,))
        there.next()
    assert ended == [False, False, True]  # the sources, adapters, and feeds behind them
    assert [why for why in there.why_not().values() if not why] == [""] * 3


def test_triggers__a_feed_behind_two_tokens__both_at_the_price_where_the_first_falls() -> None:
    rows = {
        position(1): row(has={1: 10**18}, owes={2: 2_400 * 10**18}),  # health 1.2 with wrapped ether alone
        position(2): row(has={0: 10**18}, owes={2: 1_500 * 10**18}),  # 1.6
    }
    there = scene(rows)
    found = [one for of_feed in triggers(there.book, there.pricing, at_s=NOW_S) for one in of_feed]
    falls = [one for one in found if one.feed == "ETH / USD"]
    assert [(one.token.symbol, one.borrower, one.moves_with) for one in falls] == [
        ("T0", position(1).borrower, ("T1",)),
        ("T1", position(1).borrower, ("T0",)),
    ]
    assert {one.feed_change_bps for one in falls} == {one.change_bps for one in falls} == {-1666}
    assert [float(one.price or 0) for one in falls] == [2_500.0, 3_000.0]
    assert {one.feed_answer for one in falls} == {"2500"}


def test_triggers__a_capped_price__its_feed_falls_by_what_is_above_the_cap_too() -> None:
    rows = {position(1): row(has={2: 1_000 * 10**18}, owes={0: 10**18 // 4})}
    there = scene(rows, dollar=130 * 10**6)  # 30 % above, counted as 1.04: health is 1.109
    (fall,) = (
        one
        for of_feed in triggers(there.book, there.pricing, at_s=NOW_S)
        for one in of_feed
        if one.feed == "USDC / USD"
    )
    assert fall.change_bps == int((750 / 832 - 1) * 10_000)
    assert float(fall.feed_answer) * 0.8 * 1_000 == pytest.approx(750, rel=1e-6)
    assert fall.feed_change_bps == int((0.9375 / 1.3 - 1) * 10_000)


def test_triggers__what_is_owed__at_the_price_to_which_it_must_rise() -> None:
    rows = {position(1): row(has={2: 1_000 * 10**18}, owes={0: 10**18 // 5})}
    there = scene(rows)  # 800 against 600
    (rise,) = (
        one
        for of_feed in triggers(there.book, there.pricing, at_s=NOW_S)
        for one in of_feed
        if one.token.symbol == "T0"
    )
    assert (rise.change_bps, rise.feed_answer, rise.borrower) == (3333, "4000", position(1).borrower)
