"""The trade that brings a pair to a price: exact where it buys something, none where it would buy nothing."""

from __future__ import annotations

from fractions import Fraction

from keeper.devnet.uniswap_v2 import trade_raw

WBTC_RAW, WETH_RAW = 200 * 10**8, 6_000 * 10**18


def test_trade_raw__a_dearer_token__bought_until_it_is_worth_that() -> None:
    wanted = Fraction(WETH_RAW, WBTC_RAW) * Fraction(105, 100)
    sold = trade_raw(WETH_RAW, WBTC_RAW, wanted)
    bought = 997 * sold * WBTC_RAW // (1_000 * WETH_RAW + 997 * sold)
    after = Fraction(WETH_RAW + sold, WBTC_RAW - bought)
    assert abs(after / wanted - 1) < Fraction(1, 10**6)


def test_trade_raw__a_price_that_is_off_by_a_rounding__nothing() -> None:
    wanted = Fraction(WETH_RAW, WBTC_RAW) * (1 + Fraction(1, 10**12))
    assert trade_raw(WETH_RAW, WBTC_RAW, wanted) == 0


def test_trade_raw__a_cheaper_token__nothing() -> None:
    wanted = Fraction(WETH_RAW, WBTC_RAW) * Fraction(95, 100)
    assert trade_raw(WETH_RAW, WBTC_RAW, wanted) == 0
