"""The most profitable close in closed form. Knows neither tokens nor rounding: real numbers, carried in ints.

A close of size r seizes and owes amounts that are linear in r. What is seized gives H(seized) of some token,
and what is owed costs T(owed) of the same, so that::

    Z(r) = H(seized(r)) - T(owed(r))

is to be greatest. H is concave and T convex, each a chain of constant-product segments: a segment
out(x) = a x / (b + c x) has the slope a b / (b + c x)^2, and its inverse in(y) = b y / (a - c y) has the
slope a b / (a - c y)^2. Where Z' = 0 both slopes are squares but for a constant factor: with the roots
taken, the equation is linear in r. So the segments are walked once, and one equation solved.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import NamedTuple

from keeper.domain.depth import Segment

IDENTITY = Segment(a=1, b=1, c=0, capacity_in=1 << 255)
"""A token for itself: no pool on the way. The one segment whose `c` is 0."""

_ROOT_BITS = 256
"""How many bits more than they need the roots are taken with."""


class Line(NamedTuple):
    """An amount linear in r: `first` at the beginning of the interval, and `rise` more a span later."""

    first: int
    rise: int


def optimal_size(
    gives: Iterator[Segment],
    costs: Iterator[Segment],
    *,
    seized: Line,
    owed: Line,
    span: int,
    least: int,
    most: int,
) -> int:
    """Return the r from `least` to `most` where Z is greatest; if depth ends before, where it ends.

    `gives` is H, `costs` the depth whose inverse is T, each best price first. Both lines must rise.
    """
    seized_first, seized_rise = seized.first, seized.rise
    owed_first, owed_rise = owed.first, owed.rise
    width, at = most - least, 0  # sizes are counted from `least` on
    given, cost = next(gives, None), next(costs, None)
    if given is None or cost is None:
        return least
    given_to, cost_to = given.capacity_in, _capacity_out(cost)
    given_end = (given_to - seized_first) * span // seized_rise
    cost_end = (cost_to - owed_first) * span // owed_rise
    # Z' > 0 at t where sqrt(gain) * (cost_0 - cost_1 * t) > sqrt(price) * (give_0 + give_1 * t)
    gain, give_0, give_1 = _given(given, seized_first, seized_rise, span)
    price, cost_0, cost_1 = _cost(cost, owed_first, owed_rise, span)
    while True:
        end = min(given_end, cost_end, width)
        if end > at:
            give, paid = give_0 + give_1 * end, cost_0 - cost_1 * end
            if gain * paid * paid <= price * give * give:
                gain, price = isqrt(gain << _ROOT_BITS), isqrt(price << _ROOT_BITS)
                falls = gain * cost_1 + price * give_1
                root = (gain * cost_0 - price * give_0) // falls if falls else 0
                return least + min(max(root, at), end)
            at = end
        if end == width:
            return most
        if given_end <= cost_end:
            given = next(gives, None)
            if given is None:
                return least + at
            gain, give_0, give_1 = _given(given, seized_first - given_to, seized_rise, span)
            given_to += given.capacity_in
            given_end = (given_to - seized_first) * span // seized_rise
        else:
            cost = next(costs, None)
            if cost is None:
                return least + at
            price, cost_0, cost_1 = _cost(cost, owed_first - cost_to, owed_rise, span)
            cost_to += _capacity_out(cost)
            cost_end = (cost_to - owed_first) * span // owed_rise


def _given(segment: Segment, first: int, rise: int, span: int) -> tuple[int, int, int]:
    """Return the gain, and the line b + c x, over a segment that is entered with `first`; times the span."""
    a, b, c, _ = segment
    return rise * a * b, span * (b + c * first), c * rise


def _cost(segment: Segment, first: int, rise: int, span: int) -> tuple[int, int, int]:
    """Return the price, and the line a - c y, over a segment that is entered with `first`."""
    a, b, c, _ = segment
    return rise * a * b, span * (a - c * first), c * rise


def _capacity_out(segment: Segment) -> int:
    return segment.a * segment.capacity_in // (segment.b + segment.c * segment.capacity_in)
