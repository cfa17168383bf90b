"""Which token a supposed price is for, and what is said where that is not clear."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from keeper.app.supposing import Price, triggers, what_if
from keeper.domain.address import checksum
from keeper.domain.errors import ConfigError
from tests.unit.watcher.test_book import MARKET, NOW_S, book_of, crowd

HALF = Price(amount=Fraction(1, 2), is_factor=True)
ETHER, DOLLARS = MARKET.reserves[0].token, MARKET.reserves[1].token


def test_what_if__by_symbol_and_by_address__their_factors() -> None:
    told = what_if([book_of({})], {"T0": HALF, checksum(DOLLARS.address).lower(): HALF})
    assert [(one.token, one.factor) for one in told] == [
        (ETHER, Fraction(1, 2)),
        (DOLLARS, Fraction(1, 2)),
    ]


def test_what_if__in_dollars__relative_to_the_markets_price() -> None:
    (told,) = what_if([book_of({})], {"T0": Price(amount=Fraction(1_800), is_factor=False)})
    assert told.factor == Fraction(1_800, 3_000)


@pytest.mark.parametrize(
    ("prices", "told"),
    [
        ({"WETH": HALF}, "WETH is no token of these markets; they have T0, T1"),
        ({"T0": HALF, checksum(ETHER.address): HALF}, "is given twice"),
    ],
)
def test_what_if__not_clear__says_so(prices: dict[str, Price], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        what_if([book_of({})], prices)


def test_what_if__two_tokens_of_that_symbol__names_them() -> None:
    book = book_of({})
    one = MARKET.reserves[1]
    twin = replace(one, token=replace(one.token, symbol="T0"))
    book._state = replace(book._state, market=replace(MARKET, reserves={0: MARKET.reserves[0], 1: twin}))
    with pytest.raises(ConfigError) as error:
        what_if([book], {"T0": HALF})
    assert all(checksum(token.address) in str(error.value.mistakes) for token in (ETHER, DOLLARS))


def test_triggers__a_market__its_price_in_dollars() -> None:
    (told,) = triggers(book_of(crowd(100)), at_s=NOW_S)
    assert told.token == ETHER and told.change_bps < 0 and told.price is not None
    assert float(told.price) == pytest.approx(3_000 * (1 + told.change_bps / 10_000), abs=0.5)
