"""The most profitable close in closed form. Knows neither tokens nor rounding: real numbers, carried in ints.

A close of size r seizes and owes amounts that are linear in r. What is seized gives H(seized) of some token,
and what is owed costs T(owed) of the same, so that::

    Z(r) = H(seized(r)) - T(owed(r))

is to be greatest. H is concave and T convex, each a chain of constant-product segments: a segment
out(x) = a x / (b + c x) has the slope a b / (b + c x)^2, and its inverse in(y) = b y / (a - c y) has the
slope a b / (a - c y)^2. Where Z' = 0 both slopes are squares but for a constant factor: with the root of
that taken, the equation is linear in r. So the segments are walked once, and one equation solved.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import NamedTuple

from keeper.domain.depth import Segment

IDENTITY = Segment(a=1, b=1, c=0, capacity_in=1 << 255)
"""A token for itself: no pool on the way. The one segment whose `c` is 0."""

_ROOT_BITS = 192
"""How many bits the root is taken with at least: far more than an amount has."""


class Line(NamedTuple):
    """An amount linear in r: `first` at the beginning of the interval, and `rise` more a span later."""

    first: int
    rise: int

    @property
    def last(self) -> int:
        """Return the amount at the end of the span."""
        return self.first + self.rise

    def at(self, place: int, span: int) -> int:
        """Return the amount at a place that is counted from the beginning, floored."""
        return self.first + place * self.rise // span


class Optimum(NamedTuple):
    """Where Z is greatest; where that is at the end, the prices there, but for a common factor."""

    size: int
    gives: int = 0
    """What a unit that is seized gives."""
    costs: int = 0
    """What a unit that is owed costs."""


def optimal_size(
    gives: Iterator[Segment],
    costs: Iterator[Segment],
    *,
    seized: Line,
    owed: Line,
    span: int,
    least: int,
    most: int,
) -> Optimum:
    """Return the r from `least` to `most` where Z is greatest; if depth ends before, where it ends.

    `gives` is H, `costs` the depth whose inverse is T, each best price first. Both lines must rise, and
    `most` be more than `least`.
    """
    seized_first, seized_rise = seized
    owed_first, owed_rise = owed
    width, at = most - least, 0  # sizes are counted from `least` on
    given_to = given_end = cost_to = cost_end = 0
    # Z' > 0 at t where cost_0 - cost_1 * t > sqrt(price / gain) * (give_0 + give_1 * t)
    gain = give_0 = give_1 = price = cost_0 = cost_1 = 0
    while True:
        while given_end <= at:  # the next segment of H, which is entered at `given_to`
            segment = next(gives, None)
            if segment is None:
                return Optimum(least + at)
            a, b, c, capacity_in = segment
            gain, give_1 = seized_rise * a * b, c * seized_rise
            give_0 = span * (b + c * (seized_first - given_to))
            given_to += capacity_in
            given_end = (given_to - seized_first) * span // seized_rise
        while cost_end <= at:  # and of T
            segment = next(costs, None)
            if segment is None:
                return Optimum(least + at)
            a, b, c, capacity_in = segment
            price, cost_1 = owed_rise * a * b, c * owed_rise
            cost_0 = span * (a - c * (owed_first - cost_to))
            cost_to += a * capacity_in // (b + c * capacity_in)
            cost_end = (cost_to - owed_first) * span // owed_rise
        end = min(given_end, cost_end, width)
        give, paid = give_0 + give_1 * end, cost_0 - cost_1 * end
        up, down = gain * paid * paid, price * give * give
        if up <= down:
            bits = max(_ROOT_BITS + (gain.bit_length() - price.bit_length()) // 2, 0)
            root = isqrt((price << 2 * bits) // gain)
            falls = (cost_1 << bits) + root * give_1
            turns = ((cost_0 << bits) - root * give_0) // falls if falls else 0
            return Optimum(least + min(max(turns, at), end))
        if end == width:
            return Optimum(most, up * owed_rise, down * seized_rise)
        at = end
