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
from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple

from keeper.domain.depth import Segment

IDENTITY = Segment(a=1, b=1, c=0, capacity_in=1 << 255)
"""A token for itself: no pool on the way. The one segment whose `c` is 0."""

_ROOT_BITS = 256
"""How many bits more than they need the roots are taken with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
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

    def reaches(line: Line, amount: int) -> int:
        return (amount - line.first) * span // line.rise

    width, at = most - least, 0  # sizes are counted from `least` on
    given_from = cost_from = 0
    given, cost = next(gives, None), next(costs, None)
    if given is None or cost is None:
        return least
    given_to, cost_to = given.capacity_in, _capacity_out(cost)
    given_end, cost_end = reaches(seized, given_to), reaches(owed, cost_to)
    while True:
        end = min(given_end, cost_end, width)
        if end > at:
            balance = _Balance(
                seized.rise * given.a * given.b,
                owed.rise * cost.a * cost.b,
                span * (given.b + given.c * (seized.first - given_from)),
                given.c * seized.rise,
                span * (cost.a - cost.c * (owed.first - cost_from)),
                cost.c * owed.rise,
            )
            if not balance.rises_at(end):
                return least + min(max(balance.root(), at), end)
            at = end
        if end == width:
            return most
        if given_end <= cost_end:
            given, given_from = next(gives, None), given_to
            if given is None:
                return least + at
            given_to += given.capacity_in
            given_end = reaches(seized, given_to)
        else:
            cost, cost_from = next(costs, None), cost_to
            if cost is None:
                return least + at
            cost_to += _capacity_out(cost)
            cost_end = reaches(owed, cost_to)


class _Balance(NamedTuple):
    """The sign of Z' along one pair of segments, t into the interval.

    Z' > 0 where sqrt(gain) * (cost_0 - cost_1 * t) > sqrt(price) * (give_0 + give_1 * t); all terms are
    multiplied by the span.
    """

    gain: int
    price: int
    give_0: int
    give_1: int
    cost_0: int
    cost_1: int

    def rises_at(self, t: int) -> bool:
        cost, give = self.cost_0 - self.cost_1 * t, self.give_0 + self.give_1 * t
        return self.gain * cost * cost > self.price * give * give

    def root(self) -> int:
        """Return the t of no slope, floored; 0 where the slope is the same everywhere."""
        gain, price = isqrt(self.gain << _ROOT_BITS), isqrt(self.price << _ROOT_BITS)
        falls = gain * self.cost_1 + price * self.give_1
        return (gain * self.cost_0 - price * self.give_0) // falls if falls else 0


def _capacity_out(segment: Segment) -> int:
    return segment.a * segment.capacity_in // (segment.b + segment.c * segment.capacity_in)
