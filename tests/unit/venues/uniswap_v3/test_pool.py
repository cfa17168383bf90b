from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.domain.depth import Pool
from keeper.venues.uniswap_v3.tick_math import sqrt_ratio_at_tick
from tests.unit.venues.uniswap_v3.pools import pool, random_pool

SEEDS = st.integers(0, 2**32)
TOKENS = st.sampled_from([Address(b"\x01" * 20), Address(b"\x02" * 20)])


def other(v3_pool: Pool, token: Address) -> Address:
    token0, token1 = v3_pool.tokens
    return token1 if token == token0 else token0


def rounding(v3_pool: Pool, token_in: Address) -> int:
    """Return the most that rounding may take: a step rounds amount and fee in, and the amount out."""
    segments = list(v3_pool.segments(token_in))
    return (len(segments) + 1) * (3 + 3 * segments[0].a // segments[0].b)


@settings(max_examples=200, deadline=None)
@given(SEEDS, TOKENS, st.integers(1, 10**26))
def test_buy__what_a_sale_gave__costs_no_more_than_was_sold(seed: int, token: Address, amount: int) -> None:
    drawn = random_pool(seed)
    sold = drawn.sell(token, amount)
    assume(sold.amount_out_raw > 0)
    bought = drawn.buy(other(drawn, token), sold.amount_out_raw)
    assert not bought.exhausted
    assert bought.amount_out_raw == sold.amount_out_raw
    assert bought.amount_in_raw <= sold.amount_in_raw


@settings(max_examples=200, deadline=None)
@given(SEEDS, TOKENS, st.integers(1, 10**26))
def test_sell__what_a_purchase_cost__gives_it_but_for_a_unit_a_step(
    seed: int, token: Address, amount: int
) -> None:
    drawn = random_pool(seed)
    bought = drawn.buy(other(drawn, token), amount)
    assume(not bought.exhausted)
    sold = drawn.sell(token, bought.amount_in_raw)
    assert abs(sold.amount_out_raw - amount) <= rounding(drawn, token)


@settings(max_examples=200, deadline=None)
@given(SEEDS, TOKENS, st.integers(1, 10**25), st.integers(1, 10**25))
def test_sell__more__gives_no_less_at_no_better_a_price(
    seed: int, token: Address, amount: int, more: int
) -> None:
    drawn = random_pool(seed)
    less, greater = drawn.sell(token, amount), drawn.sell(token, amount + more)
    assert greater.amount_out_raw >= less.amount_out_raw
    slack = rounding(drawn, token)
    assert less.amount_in_raw * (greater.amount_out_raw - slack) <= greater.amount_in_raw * (
        less.amount_out_raw + slack
    )


@settings(max_examples=200, deadline=None)
@given(SEEDS, TOKENS, st.integers(1, 10**26))
def test_segments__summed_up__bound_the_exact_sale(seed: int, token: Address, amount: int) -> None:
    drawn = random_pool(seed)
    remaining, out = amount, Fraction(0)
    last_price: Fraction | None = None
    for segment in drawn.segments(token):
        assert segment.a > 0 and segment.b > 0 and segment.c > 0 and segment.capacity_in > 0
        price = Fraction(segment.a, segment.b)
        assert last_price is None or price <= last_price
        last_price = price
        x = min(remaining, segment.capacity_in)
        out += Fraction(segment.a * x, segment.b + segment.c * x)
        remaining -= x
        if not remaining:
            break
    sold = drawn.sell(token, amount)
    assert sold.amount_in_raw == amount - remaining
    assert sold.exhausted == (remaining > 0)
    assert sold.amount_out_raw <= out
    assert sold.amount_out_raw > out - rounding(drawn, token)


@settings(deadline=None)
@given(SEEDS, TOKENS)
def test_sell__without_end__is_exhausted_and_leaves_nothing_to_sell_into(seed: int, token: Address) -> None:
    drawn = random_pool(seed)
    emptied = drawn.sell(token, 10**45)
    assert emptied.exhausted
    assert emptied.amount_in_raw < 10**45
    again = emptied.after.sell(token, 1)
    assert again.exhausted and again.amount_out_raw == 0
    short = drawn.buy(other(drawn, token), emptied.amount_out_raw + 1)
    assert short.exhausted
    assert short.amount_out_raw == emptied.amount_out_raw
    assert short.after == emptied.after


@settings(deadline=None)
@given(SEEDS, TOKENS, st.integers(1, 10**24))
def test_sell__any_amount__leaves_the_pool_it_was_asked_of_unchanged(
    seed: int, token: Address, amount: int
) -> None:
    drawn, same = random_pool(seed), random_pool(seed)
    first = drawn.sell(token, amount)
    assert drawn == same
    for again in (drawn.sell(token, amount), same.sell(token, amount)):
        assert again[:3] == first[:3]
        assert again.after == first.after


def test_sell__token_of_no_side__raises() -> None:
    with pytest.raises(ValueError, match="no token of the pool"):
        random_pool(1).sell(Address(b"\x09" * 20), 1)


def test_segments__price_of_one__has_the_fee_in_its_first_price() -> None:
    flat = pool([(-600, 600, 10**18)], fee_ppm=3_000, sqrt_price_x96=sqrt_ratio_at_tick(0))
    for token in flat.tokens:
        first = next(flat.segments(token))
        assert Fraction(first.a, first.b) == Fraction(997, 1000)
