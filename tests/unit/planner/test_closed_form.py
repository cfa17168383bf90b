from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from keeper.domain.depth import Segment
from keeper.planner.closed_form import IDENTITY, Line, optimal_size


def reserves(x: int, y: int, *, fee_ppm: int = 3_000, capacity_in: int = 10**40) -> Segment:
    """Return a constant-product pool that holds x of what is sold and y of what is bought."""
    keeps = 10**6 - fee_ppm
    return Segment(a=keeps * y, b=10**6 * x, c=keeps, capacity_in=capacity_in)


def test_optimal_size__constant_product__is_the_textbook_optimum() -> None:
    # sell everything seized for the debt token: x* = (sqrt(g X Y / rho) - X) / g, here with rho = 0.95
    x, y, most = 10**24, 10**24, 10**24
    seized, owed = Line(first=0, rise=most), Line(first=0, rise=most * 95 // 100)
    found = optimal_size(
        iter([reserves(x, y)]), iter([IDENTITY]), seized=seized, owed=owed, span=most, least=0, most=most
    )
    keeps = 0.997
    assert found.size == pytest.approx(((keeps * x * y / 0.95) ** 0.5 - x) / keeps, rel=1e-12)


def test_optimal_size__both_amounts_kept__is_the_end_that_pays() -> None:
    for owed_rise, expected in ((9, 100), (11, 0)):
        found = optimal_size(
            iter([IDENTITY]),
            iter([IDENTITY]),
            seized=Line(first=0, rise=10),
            owed=Line(first=0, rise=owed_rise),
            span=100,
            least=0,
            most=100,
        )
        assert found.size == expected


def test_optimal_size__price_falls_at_once__is_where_it_falls() -> None:
    # pays on the first segment, loses on the second: the optimum is the kink between them
    deep, poor = reserves(10**30, 10**30, capacity_in=1_000_000), reserves(10**30, 10**29)
    found = optimal_size(
        iter([deep, poor]),
        iter([IDENTITY]),
        seized=Line(first=0, rise=10**9),
        owed=Line(first=0, rise=95 * 10**7),
        span=10**9,
        least=0,
        most=10**9,
    )
    assert found.size == 1_000_000


def test_optimal_size__depth_ends__is_where_it_ends() -> None:
    found = optimal_size(
        iter([reserves(10**30, 10**30, capacity_in=1_000)]),
        iter([IDENTITY]),
        seized=Line(first=0, rise=100),
        owed=Line(first=0, rise=50),
        span=100,
        least=0,
        most=10**6,
    )
    assert found.size == 1_000


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(10**4, 10**8), min_size=1, max_size=6),
    st.lists(st.integers(10**4, 10**8), min_size=0, max_size=6),
    st.integers(900, 1_100),
    st.integers(0, 10**5),
    st.integers(1, 10**7),
)
def test_optimal_size__random_segments__no_size_is_better(
    given_depth: list[int], cost_depth: list[int], owed_per_mille: int, least: int, width: int
) -> None:
    """Z is evaluated with fractions, at sizes all over the interval."""
    gives = [reserves(10**9 * (at + 10), 10**10, capacity_in=x) for at, x in enumerate(given_depth)]
    costs = [reserves(10**9 * (at + 10), 10**10, capacity_in=x) for at, x in enumerate(cost_depth)]
    costs = costs or [IDENTITY]
    most = least + width
    seized = Line(first=least, rise=width)
    owed = Line(first=least * owed_per_mille // 1_000, rise=max(width * owed_per_mille // 1_000, 1))
    optimum = optimal_size(
        iter(gives), iter(costs), seized=seized, owed=owed, span=width, least=least, most=most
    )
    found = optimum.size
    assert least <= found <= most

    def z(r: int) -> Fraction | None:
        u = seized.first + Fraction((r - least) * seized.rise, width)
        w = owed.first + Fraction((r - least) * owed.rise, width)
        given_out, cost_in = forward(gives, u), backward(costs, w)
        return None if given_out is None or cost_in is None else given_out - cost_in

    best = z(found)
    for r in {least, most, *(least + width * share // 64 for share in range(65))}:
        other = z(r)
        if other is None:
            continue  # beyond the depth
        if best is None:
            assert abs(found - r) <= 2 or r <= found + 2  # rounding put the end of the depth just beyond it
        else:
            assert other <= best + 2


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(10**4, 10**8), min_size=1, max_size=4),
    st.lists(st.integers(10**4, 10**8), min_size=1, max_size=4),
    st.integers(10**3, 10**7),
)
@example([10**6, 10**6], [10**6, 10**6], 1_500_000)  # each ends in its second segment
def test_optimal_size__rises_to_the_end__tells_the_prices_there(
    given_depth: list[int], cost_depth: list[int], width: int
) -> None:
    gives = [reserves(10**9 * (at + 10), 10**10, capacity_in=x) for at, x in enumerate(given_depth)]
    costs = [reserves(10**9 * (at + 10), 10**10, capacity_in=x) for at, x in enumerate(cost_depth)]
    owed = width // 10  # far less than is seized gives
    optimum = optimal_size(
        iter(gives),
        iter(costs),
        seized=Line(first=0, rise=width),
        owed=Line(first=0, rise=owed),
        span=width,
        least=0,
        most=width,
    )
    assume(optimum.size == width and sum(given_depth) > width + 2)
    given_out = [forward(gives, Fraction(width + by)) for by in (-2, 0, 2)]
    cost_in = [backward(costs, Fraction(owed + by)) for by in (-2, 0, 2)]
    give_before, give, give_after = [one for one in given_out if one is not None]
    cost_before, cost, cost_after = [one for one in cost_in if one is not None]
    least_price = (give_after - give) / (cost_after - cost)
    most_price = (give - give_before) / (cost - cost_before)
    assert least_price <= Fraction(optimum.gives, optimum.costs) <= most_price


def forward(segments: list[Segment], x: Fraction) -> Fraction | None:
    out = Fraction(0)
    for segment in segments:
        taken = min(x, Fraction(segment.capacity_in))
        out += Fraction(segment.a * taken, segment.b + segment.c * taken)
        x -= taken
        if x == 0:
            return out
    return None


def backward(segments: list[Segment], y: Fraction) -> Fraction | None:
    cost = Fraction(0)
    for segment in segments:
        whole = Fraction(segment.a * segment.capacity_in, segment.b + segment.c * segment.capacity_in)
        taken = min(y, whole)
        cost += Fraction(segment.b * taken, segment.a - segment.c * taken)
        y -= taken
        if y == 0:
            return cost
    return None
