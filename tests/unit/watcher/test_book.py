"""What the book lists below a health is what looking at each position would, the worst first."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from keeper.domain.address import Address, Hash32
from keeper.domain.fixed_point import WAD
from keeper.domain.head import Head
from keeper.domain.position import PositionId
from keeper.ports import Prices
from keeper.protocols.aave_v3 import AaveV3
from keeper.protocols.aave_v3.state import Market, Row
from keeper.query import Call
from keeper.watcher.book import Book, Change
from keeper.watcher.chain import Chain
from tests.unit.protocols.aave_v3.markets import DOLLAR, NOW_S, POOL, market, reserve, row

HEAD = Head(
    number=1,
    hash=Hash32(bytes(32)),
    parent=Hash32(bytes(32)),
    timestamp_s=NOW_S,
    base_fee_wei=0,
    gas_used=0,
    gas_limit=30_000_000,
    coinbase=Address(bytes(20)),
)
MARKET = market(reserve(0, price_base=3_000 * DOLLAR), reserve(1, decimals=6, threshold_bps=8_600))


def book_of(rows: dict[PositionId, Row]) -> Book[Market, Row]:
    protocol = AaveV3(pool=POOL)
    book = Book(protocol, first_block=0)
    book.apply(Change(head=HEAD, market=MARKET, rows=rows, chain=Chain(depth=64)))
    return book


def crowd(count: int) -> dict[PositionId, Row]:
    """Return borrowers of ether and dollars with healths from 0.9 to 1.3, and some who owe nothing."""
    random = Random(7)
    return {
        PositionId("aave", Address(n.to_bytes(20))): row(
            has={0: 10**18 * random.randint(1, 50)},
            owes={1: int(random.uniform(1_800, 2_600) * 10**6) * random.randint(1, 50)} if n % 9 else {},
        )
        for n in range(count)
    }


@pytest.mark.parametrize("below", [0.5, 1, 1.02, 10])
def test_count_below__many_positions__as_many_as_are_below_but_for_the_screens_margin(below: float) -> None:
    book = book_of(crowd(500))
    counted = book.count_below(int(below * WAD), at_s=NOW_S)
    exactly = len(book.below(int(below * WAD), at_s=NOW_S))
    assert exactly <= counted <= exactly + 1


@pytest.mark.parametrize("below", [0.5, 1, 1.05, 10])
def test_below__many_positions__as_looking_at_each(below: float) -> None:
    book = book_of(crowd(500))
    below_wad = int(below * WAD)
    expected = sorted(
        (health.health_factor_wad, position)
        for position, _, health in book.healths(at_s=NOW_S)
        if health.health_factor_wad < below_wad
    )
    found = book.below(below_wad, at_s=NOW_S)
    assert [(health.health_factor_wad, position) for position, _, health in found] == expected
    assert all(book.rows[position] == held for position, held, _ in found)


def test_apply__debt_repaid__no_longer_held() -> None:
    rows = crowd(20)
    book = book_of(rows)
    owing = {position for position, held in rows.items() if held.debts}
    assert set(book.rows) == owing
    gone = min(owing)
    repaid = {gone: row(has={0: 1}, owes={})}
    book.apply(Change(head=HEAD, market=MARKET, rows=repaid, chain=Chain(depth=64)))
    assert set(book.rows) == owing - {gone}


def test_below__prices_not_on_chain__as_looking_at_each_under_them() -> None:
    book = book_of(crowd(300))
    supposed = book.protocol.repriced(MARKET, {MARKET.reserves[0].token.address: Fraction(92, 100)})
    assert supposed.reserves[0].price_base == 2_760 * DOLLAR
    healths = book.protocol.healths(supposed, book.rows.values(), at_s=NOW_S)
    expected = {
        position
        for position, health in zip(book.rows, healths, strict=True)
        if health.health_factor_wad < WAD
    }
    found = {position for position, _, _ in book.below(WAD, at_s=NOW_S, market=supposed)}
    assert found == expected > {position for position, _, _ in book.below(WAD, at_s=NOW_S)}


def test_opportunities__prices_not_on_chain__those_that_they_let_fall_and_the_book_as_it_was() -> None:
    book = book_of(crowd(300))
    ether, dollar = book.protocol.prices(MARKET)
    assert book.protocol.prices(MARKET) == {ether: 3_000 * DOLLAR, dollar: DOLLAR}
    prices = {ether: 2_760 * DOLLAR, Call(POOL, b"another's"): 1}

    def fallen(prices: Prices) -> set[PositionId]:
        found = book.opportunities(block=HEAD.next_block(block_time_s=0), deadline_s=NOW_S, prices=prices)
        return {one.position for one in found}

    under = book.protocol.priced(MARKET, prices)
    expected = {one for one, _, _ in book.below(WAD, at_s=NOW_S, market=under)}
    assert fallen({}) < fallen(prices) == expected
    assert book.protocol.prices(under) == {ether: 2_760 * DOLLAR, dollar: DOLLAR}
    assert book.protocol.prices(book.market) == {ether: 3_000 * DOLLAR, dollar: DOLLAR}


def test_priced__a_call_that_reverts__no_price_and_none_that_is_zero() -> None:
    protocol = AaveV3(pool=POOL)
    ether, _ = protocol.prices(MARKET)
    under = protocol.priced(MARKET, {ether: None}).reserves[0]
    assert (under.priced, under.price_base) == (False, 0)
    under = protocol.priced(MARKET, {ether: 0}).reserves[0]
    assert (under.priced, under.price_base) == (True, 0)


@pytest.mark.parametrize("farthest", [0.5, 0.001])
def test_first_to_fall__falling_prices__just_the_next_one_falls_there(farthest: float) -> None:
    book = book_of(crowd(300))
    ether, dollar = book.protocol.prices(MARKET)

    def at(times: float) -> Prices:
        return {ether: int(3_000 * DOLLAR * times)}

    found = book.first_to_fall(at(1), at(farthest), at_s=NOW_S)
    assert found is not None
    share, position = found
    times = 1 + share * (farthest - 1)

    def below(times: float) -> set[PositionId]:
        market = book.protocol.priced(MARKET, at(times))
        return {one for one, _, _ in book.below(WAD, at_s=NOW_S, market=market)}

    assert below(times * (1 + 1e-6)) == below(1)
    assert below(times * (1 - 1e-6)) >= below(1) | {position}
    assert book.first_to_fall({dollar: DOLLAR}, {dollar: DOLLAR // 2}, at_s=NOW_S) is None  # all owe them
    assert book.first_to_fall(at(1), at(1), at_s=NOW_S) is None
    up = book.first_to_fall({dollar: DOLLAR}, {dollar: 2 * DOLLAR}, at_s=NOW_S)
    assert up is not None and up[1] == position
