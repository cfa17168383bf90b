"""A fall's path, and how much is sold into a pool until it is at a price."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest

from keeper.backtest.stress import Fall, answering_code, displaced, marginal, to_sell
from keeper.domain.address import Address
from keeper.domain.token import Token
from keeper.venues.uniswap_v2.pool import V2Pool

A, B = Address(b"\xaa" * 20), Address(b"\xbb" * 20)
POOL = V2Pool(
    address=Address(b"\x01" * 20),
    venue="uniswap-v2",
    token0=A,
    token1=B,
    reserve0_raw=10**24,
    reserve1_raw=2 * 10**24,
    fee_ppm=3_000,
)


def test_at__of_a_fall__in_equal_ratios_to_its_end_and_no_further() -> None:
    fall = Fall(tokens={Token(address=A, symbol="A", decimals=18): Fraction(7, 10)}, blocks=10)
    path = [fall.at(block)[A] for block in range(13)]
    assert path[0] == 1 and path[10] == path[12] == Fraction(7, 10)
    ratios = [float(after / before) for before, after in itertools.pairwise(path[:11])]
    assert max(ratios) - min(ratios) < 1e-9


@pytest.mark.parametrize("share", [0.999, 0.93, 0.5, 0.1])
def test_to_sell__until_a_share_of_the_price__leaves_the_pool_just_there(share: float) -> None:
    until = marginal(POOL, A) * share
    after = POOL.sell(A, to_sell(POOL, A, until=until)).after
    assert marginal(after, A) == pytest.approx(until, rel=0.01)  # the fee stays in the pool


def test_to_sell__into_a_pool_that_is_below__is_nothing() -> None:
    assert to_sell(POOL, A, until=marginal(POOL, A) * 1.01) == 0


def test_displaced__of_pools_of_unlike_depth__counts_the_deep_ones_more_and_none_above_1() -> None:
    assert displaced([]) == 1
    assert displaced([(1.0, 1.2), (1.0, 1.1)]) == 1
    assert float(displaced([(9.0, 0.9), (1.0, 1.0)])) == pytest.approx(0.91)


def test_answering_code__jumps__lead_to_where_it_goes_on() -> None:
    code = answering_code(A)
    jumps = [code[at + 1] for at in (0x09, 0x2B)]
    assert [code[to] for to in jumps] == [0x5B, 0x5B] and code[0x11:0x25] == A
