"""Which token a supposed price is for, what moves with it, and what is said where that is not clear."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from keeper.app.supposing import Price, what_if
from keeper.domain.address import checksum
from keeper.domain.errors import ConfigError
from keeper.watcher.pricing import Pricing
from keeper.watcher.triggers import unpredicted
from tests.unit.protocols.aave_v3.markets import DOLLAR
from tests.unit.watcher.test_book import MARKET, book_of
from tests.unit.watcher.test_pricing import ETHER as ETHER_BASE
from tests.unit.watcher.test_pricing import scene

HALF = Price(amount=Fraction(1, 2), is_factor=True)
ETHER, DOLLARS = MARKET.reserves[0].token, MARKET.reserves[1].token
NOTHING_KNOWN = Pricing(None)


def test_what_if__by_symbol_and_by_address__their_factors() -> None:
    book = book_of({})
    told = what_if([book], NOTHING_KNOWN, {"T0": HALF, checksum(DOLLARS.address).lower(): HALF})
    assert [(one.token, one.factor) for one in told.supposed] == [
        (ETHER, Fraction(1, 2)),
        (DOLLARS, Fraction(1, 2)),
    ]
    ether, dollar = book.protocol.prices(MARKET)
    assert told.prices == {ether: 1_500 * DOLLAR, dollar: DOLLAR // 2}
    assert told.followed == ()


def test_what_if__in_dollars__relative_to_the_markets_price() -> None:
    told = what_if([book_of({})], NOTHING_KNOWN, {"T0": Price(amount=Fraction(1_800), is_factor=False)})
    (one,) = told.supposed
    assert one.factor == Fraction(1_800, 3_000)


def test_what_if__a_token_whose_feed_is_its_own__what_wraps_it_follows() -> None:
    there = scene()
    told = what_if([there.book], there.pricing, {"T0": HALF})
    ether, wrapped, *_ = there.book.protocol.prices(there.book.market)
    assert told.prices == {ether: ETHER_BASE // 2, wrapped: ETHER_BASE // 2 * 12 // 10}
    (followed,) = told.followed
    assert (followed.token.symbol, followed.factor) == ("T1", Fraction(1, 2))


def test_what_if__a_token_whose_feed_is_anothers__it_moves_alone() -> None:
    there = scene()
    told = what_if([there.book], there.pricing, {"T1": HALF})
    _, wrapped, *_ = there.book.protocol.prices(there.book.market)
    assert told.prices == {wrapped: ETHER_BASE * 12 // 10 // 2}
    assert told.followed == ()


def test_what_if__both_are_named__each_as_it_is_said() -> None:
    there = scene()
    tenth = Price(amount=Fraction(9, 10), is_factor=True)
    told = what_if([there.book], there.pricing, {"T0": tenth, "T1": tenth})
    ether, wrapped, *_ = there.book.protocol.prices(there.book.market)
    assert told.prices[ether] == ETHER_BASE * 9 // 10
    assert told.prices[wrapped] == ETHER_BASE * 12 // 10 * 9 // 10
    assert told.followed == ()


def test_what_if__what_is_of_no_known_kind__moves_where_it_is_named_and_only_then() -> None:
    there = scene()
    *_, opaque = there.book.protocol.prices(there.book.market)
    assert opaque not in what_if([there.book], there.pricing, {"T0": HALF}).prices
    assert what_if([there.book], there.pricing, {"T3": HALF}).prices == {opaque: 7 * DOLLAR // 2}
    (one,) = unpredicted(there.book, there.pricing)
    assert one.token.symbol == "T3" and "opaque" in one.why


@pytest.mark.parametrize(
    ("prices", "told"),
    [
        ({"WETH": HALF}, "WETH is no token of these markets; they have T0, T1"),
        ({"T0": HALF, checksum(ETHER.address): HALF}, "is given twice"),
    ],
)
def test_what_if__not_clear__says_so(prices: dict[str, Price], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        what_if([book_of({})], NOTHING_KNOWN, prices)


def test_what_if__two_tokens_of_that_symbol__names_them() -> None:
    book = book_of({})
    one = MARKET.reserves[1]
    twin = replace(one, token=replace(one.token, symbol="T0"))
    book._state = replace(book._state, market=replace(MARKET, reserves={0: MARKET.reserves[0], 1: twin}))
    with pytest.raises(ConfigError) as error:
        what_if([book], NOTHING_KNOWN, {"T0": HALF})
    assert all(checksum(token.address) in str(error.value.mistakes) for token in (ETHER, DOLLARS))
