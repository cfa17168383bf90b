"""Wrappers as depth: exact both ways, limited by what may be taken out, and only ever unwrapped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.domain.depth import Pool
from keeper.venues.wrappers.pool import Floored, Wrapper
from keeper.venues.wrappers.wsteth import Shares

WRAPPED, ASSET, OTHER = (Address(bytes([at]) * 20) for at in (0x0A, 0x0B, 0x0C))

positive = st.integers(1, 2**96)
rates = st.one_of(
    st.builds(Floored, numerator=positive, denominator=positive),
    st.builds(
        lambda shares_raw, more: Shares(pooled_wei=shares_raw + more, shares_raw=shares_raw),
        positive,
        positive,
    ),
)


def wrapper(rate: Floored | Shares, *, most_raw: int = 2**128) -> Wrapper:
    return Wrapper(venue="wrapper", wrapped=WRAPPED, asset=ASSET, rate=rate, most_raw=most_raw)


@given(rate=rates, amount=st.integers(0, 2**100))
def test_buy__any_amount__takes_the_least_that_gives_it(rate: Floored | Shares, amount: int) -> None:
    swap = wrapper(rate, most_raw=2**300).buy(ASSET, amount)
    assert rate.out_raw(swap.amount_in_raw) == swap.amount_out_raw >= amount
    assert swap.amount_in_raw == 0 or rate.out_raw(swap.amount_in_raw - 1) < amount
    assert swap.exhausted == (amount == 0)


@given(rate=rates, amount=st.integers(1, 2**100), most=st.integers(1, 2**100))
def test_sell__any_amount__goes_as_far_as_may_be_taken_out(
    rate: Floored | Shares, amount: int, most: int
) -> None:
    there = wrapper(rate, most_raw=most)
    swap = there.sell(WRAPPED, amount)
    assert swap.amount_in_raw == min(amount, most)
    assert swap.amount_out_raw == rate.out_raw(swap.amount_in_raw)
    assert swap.exhausted == (amount > most or swap.amount_out_raw == 0)
    left = swap.after.sell(WRAPPED, 2**100)
    assert swap.amount_in_raw + left.amount_in_raw == min(most, swap.amount_in_raw + 2**100)


@given(rate=rates, amount=st.integers(1, 2**100))
def test_segments__the_line__is_what_is_given_but_for_rounding(rate: Floored | Shares, amount: int) -> None:
    there: Pool = wrapper(rate)
    (segment,) = there.segments(WRAPPED)
    on_line = amount * segment.a // segment.b
    lost = 2 + 2 * rate.line[0] // rate.line[1]  # a share is worth so much, and one may be lost on the way
    assert on_line - lost <= there.sell(WRAPPED, amount).amount_out_raw <= on_line


def test_swaps__the_other_way_round__are_exhausted_from_the_start() -> None:
    there = wrapper(Floored(numerator=11, denominator=10))
    assert list(there.segments(ASSET)) == []
    for swap in (there.sell(ASSET, 10), there.buy(WRAPPED, 10)):
        assert swap.exhausted and (swap.amount_in_raw, swap.amount_out_raw) == (0, 0)
        assert swap.after == there


def test_swaps__over_the_limit__fill_in_part() -> None:
    there = wrapper(Floored(numerator=2, denominator=1), most_raw=100)
    assert there.buy(ASSET, 200).amount_in_raw == 100
    bought = there.buy(ASSET, 201)
    assert bought.exhausted and (bought.amount_in_raw, bought.amount_out_raw) == (100, 200)


def test_swaps__token_of_no_side__raises() -> None:
    with pytest.raises(ValueError, match="no side of the wrapper"):
        wrapper(Floored(numerator=1, denominator=1)).sell(OTHER, 1)


def test_fee__a_wrapper__has_none_and_is_its_own_pool() -> None:
    there = wrapper(Floored(numerator=1, denominator=1))
    assert (there.fee_ppm, there.tier, there.address, there.tokens) == (0, None, WRAPPED, (WRAPPED, ASSET))
