"""Routes: what passes through pools in a row, and at what price.

Amounts are exact and come from the pools themselves; segments and mid prices are real numbers that
guide a choice. Knows no venue: any :class:`keeper.domain.depth.Pool` will do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

from keeper.domain.address import Address
from keeper.domain.depth import Flow, Pool, Route, Segment

_PPM = 1_000_000
_BITS_KEPT = 256
"""Of the least coefficient of a segment: far more than an amount can tell apart."""


class Passage(NamedTuple):
    """What passed through parallel routes, and the pools on them as that leaves them.

    Where `exhausted` it can't be carried out: a pool ran out on the way, or was reached by nothing, which
    no pool swaps.
    """

    flows: tuple[Flow, ...]
    after: Mapping[Address, Pool]
    exhausted: bool

    @property
    def amount_in_raw(self) -> int:
        return sum(flow.amount_in_raw for flow in self.flows)

    @property
    def amount_out_raw(self) -> int:
        return sum(flow.amount_out_raw for flow in self.flows)


# --- what passes through them, exactly ----------------------------------------------------------------------


def sell_through(pools: Mapping[Address, Pool], route: Route, amount_in_raw: int) -> Passage:
    """Return the exact-input sale of `amount_in_raw` along `route`, as the venues make it."""
    amounts_raw, exhausted = [amount_in_raw], False
    after: dict[Address, Pool] = {}
    for hop in route.hops:
        swap = pools[hop.pool].sell(hop.token_in, amounts_raw[-1])
        exhausted |= swap.exhausted or amounts_raw[-1] == 0
        after[hop.pool] = swap.after
        amounts_raw.append(swap.amount_out_raw)
    flow = Flow(route=route, amounts_raw=tuple(amounts_raw))
    return Passage((flow,), after, exhausted)


def buy_through(pools: Mapping[Address, Pool], route: Route, amount_out_raw: int) -> Passage:
    """Return the exact-output purchase of `amount_out_raw` along `route`: from its last pool back."""
    amounts_raw, exhausted = [amount_out_raw], False
    after: dict[Address, Pool] = {}
    for hop in reversed(route.hops):
        swap = pools[hop.pool].buy(hop.token_out, amounts_raw[-1])
        exhausted |= swap.exhausted or amounts_raw[-1] == 0
        after[hop.pool] = swap.after
        amounts_raw.append(swap.amount_in_raw)
    flow = Flow(route=route, amounts_raw=tuple(reversed(amounts_raw)))
    return Passage((flow,), after, exhausted)


# --- at what price, about -----------------------------------------------------------------------------------


def mid_price(pools: Mapping[Address, Pool], route: Route) -> Fraction | None:
    """Return what a first unit in gives, in raw units, were there no fees; None where a pool is empty."""
    gives = takes = 1
    for hop in route.hops:
        pool = pools[hop.pool]
        first = next(iter(pool.segments(hop.token_in)), None)
        if first is None:
            return None
        gives *= first.a * _PPM
        takes *= first.b * (_PPM - pool.fee_ppm)
    return Fraction(gives, takes)


def route_segments(pools: Mapping[Address, Pool], route: Route) -> Iterator[Segment]:
    """Yield a route's depth, best price first, fees included. The route must have a hop."""
    first, *others = route.hops
    segments = pools[first.pool].segments(first.token_in)
    for hop in others:
        segments = _composed(segments, pools[hop.pool].segments(hop.token_in))
    return segments


def _composed(first: Iterator[Segment], second: Iterator[Segment]) -> Iterator[Segment]:
    """Yield the depth of two pools in a row: what comes out of `first` goes into `second`.

    A segment ends where either's does. A Möbius map of a Möbius map is one.
    """
    into = next(second, None)
    for segment in first:
        rest = segment
        while into is not None:
            out = rest.a * rest.capacity_in  # times 1 / whole
            whole = rest.b + rest.c * rest.capacity_in
            if out < into.capacity_in * whole:
                yield _product(rest, into, rest.capacity_in)
                into = _rest(into, out, whole)
                break
            split = rest.b * into.capacity_in // (rest.a - rest.c * into.capacity_in)
            if split:
                yield _product(rest, into, split)
            into = next(second, None)
            if split >= rest.capacity_in:
                break
            rest = _rest(rest, split, 1)
        if into is None:
            return


def _product(first: Segment, second: Segment, capacity_in: int) -> Segment:
    return scaled(
        first.a * second.a,
        first.b * second.b,
        first.c * second.b + first.a * second.c,
        capacity_in,
    )


def _rest(segment: Segment, used: int, per: int) -> Segment:
    """Return what is left of a segment after `used` / `per` has gone in, seen from there."""
    here = segment.b * per + segment.c * used
    return scaled(
        segment.a * segment.b * per * per,
        here * here,
        here * segment.c * per,
        segment.capacity_in - used // per,
    )


def scaled(a: int, b: int, c: int, capacity_in: int) -> Segment:
    """Return the segment with its coefficients cut to a length that arithmetic is quick at."""
    shift = max(min(a, b, c or a).bit_length() - _BITS_KEPT, 0)  # a straight line's c stays 0
    return Segment(a=a >> shift, b=b >> shift, c=c >> shift, capacity_in=capacity_in)
