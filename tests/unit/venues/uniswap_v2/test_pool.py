"""A pair's swaps against the library's formulas, written down once more in thousandths, as Uniswap does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.venues.uniswap_v2 import V2Pool

A, B, C, PAIR = (Address(bytes([at]) * 20) for at in (0x0A, 0x0B, 0x0C, 0x77))
MOST = 2**112 - 1

reserves = st.integers(1, 2**100)
amounts = st.integers(1, 2**104)


def pair(reserve0_raw: int, reserve1_raw: int, *, fee_ppm: int = 3_000) -> V2Pool:
    return V2Pool(
        address=PAIR,
        venue="uniswap-v2",
        token0=A,
        token1=B,
        reserve0_raw=reserve0_raw,
        reserve1_raw=reserve1_raw,
        fee_ppm=fee_ppm,
    )


@given(reserve_in=reserves, reserve_out=reserves, amount=amounts)
def test_sell__any__is_what_get_amount_out_says(reserve_in: int, reserve_out: int, amount: int) -> None:
    swap = pair(reserve_in, reserve_out).sell(A, amount)
    out = amount * 997 * reserve_out // (reserve_in * 1_000 + amount * 997)
    assert (swap.amount_in_raw, swap.amount_out_raw) == (amount, out)
    assert swap.exhausted == (out == 0)
    assert swap.after == pair(reserve_in + amount, reserve_out - out)


@given(reserve_in=reserves, reserve_out=st.integers(2, 2**100), part=st.integers(1, 999))
def test_buy__any_part__is_what_get_amount_in_says(reserve_in: int, reserve_out: int, part: int) -> None:
    amount = max(1, reserve_out * part // 1_000)
    swap = pair(reserve_in, reserve_out).buy(B, amount)
    cost = reserve_in * amount * 1_000 // ((reserve_out - amount) * 997) + 1
    if cost > MOST - reserve_in:
        assert swap.exhausted
        return
    assert (swap.amount_in_raw, swap.amount_out_raw, swap.exhausted) == (cost, amount, False)
    assert swap.after == pair(reserve_in + cost, reserve_out - amount)


@given(reserve_in=reserves, reserve_out=reserves, amount=amounts, fee_ppm=st.sampled_from((0, 2_500, 3_000)))
def test_sell__the_other_way_round__mirrors(
    reserve_in: int, reserve_out: int, amount: int, fee_ppm: int
) -> None:
    one = pair(reserve_in, reserve_out, fee_ppm=fee_ppm).sell(A, amount)
    other = pair(reserve_out, reserve_in, fee_ppm=fee_ppm).sell(B, amount)
    assert (one.amount_in_raw, one.amount_out_raw) == (other.amount_in_raw, other.amount_out_raw)


@given(
    reserve_in=st.integers(10**6, 2**90), reserve_out=st.integers(10**6, 2**90), amount=st.integers(1, 2**80)
)
def test_buy__what_a_sale_gives__never_costs_more_than_the_sale_took(
    reserve_in: int, reserve_out: int, amount: int
) -> None:
    there = pair(reserve_in, reserve_out)
    sold = there.sell(A, amount)
    if sold.amount_out_raw:
        bought = there.buy(B, sold.amount_out_raw)
        assert bought.amount_in_raw <= amount + 1  # the library adds one even where nothing is left over
        assert there.sell(A, bought.amount_in_raw).amount_out_raw >= sold.amount_out_raw


@settings(max_examples=50)
@given(
    reserve_in=st.integers(10**9, 2**90), reserve_out=st.integers(10**9, 2**90), part=st.floats(0.0001, 10)
)
def test_segments__sold_through__gives_what_the_swap_gives(
    reserve_in: int, reserve_out: int, part: float
) -> None:
    there = pair(reserve_in, reserve_out)
    (segment,) = there.segments(A)
    amount = int(reserve_in * part) + 1
    assert segment.capacity_in == MOST - reserve_in
    out = segment.a * amount // (segment.b + segment.c * amount)
    assert out == there.sell(A, amount).amount_out_raw


@pytest.mark.parametrize(("reserve0_raw", "reserve1_raw"), [(0, 0), (10, 0), (0, 10)])
def test_swaps__empty_pair__are_exhausted(reserve0_raw: int, reserve1_raw: int) -> None:
    empty = pair(reserve0_raw, reserve1_raw)
    assert list(empty.segments(A)) == []
    bought = empty.buy(B, 5)
    assert bought.exhausted and bought.amount_out_raw == 0
    assert empty.buy(B, 5).after == empty
    if not reserve1_raw:
        assert empty.sell(A, 5).exhausted


def test_swaps__over_what_the_pair_can_keep__fill_it_up_and_are_exhausted() -> None:
    full = pair(MOST - 10, 10**30)
    sold = full.sell(A, 11)
    assert sold.exhausted and sold.amount_in_raw == 10
    bought = full.buy(B, 10**29)
    assert bought.exhausted and bought.amount_in_raw <= 10
    assert bought.after.sell(A, 1).exhausted


def test_swaps__whole_reserve__is_not_to_be_had() -> None:
    swap = pair(1_000, 1_000).buy(A, 1_000)
    assert swap.exhausted and swap.amount_out_raw < 1_000


def test_swaps__token_of_no_side__raises() -> None:
    for swap in (pair(1, 1).sell, pair(1, 1).buy):
        with pytest.raises(ValueError, match="no token of the pair"):
            swap(C, 1)


def test_tier__pair__there_is_one_of_two_tokens() -> None:
    assert pair(1, 1).tier is None
    assert replace(pair(1, 1), venue="sushi-v2").venue == "sushi-v2"
