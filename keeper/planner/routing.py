"""Routes: the ways from one token to another through pools, what passes through them, and at what price.

Amounts are exact and come from the pools themselves; segments and mid prices are real numbers that
guide a choice. Knows no venue: any :class:`keeper.domain.depth.Pool` will do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from keeper.domain.address import Address
from keeper.domain.depth import Hop, Pool, Route, Segment

_PPM = 1_000_000
_BITS_KEPT = 256
"""Of the least coefficient of a segment: far more than an amount can tell apart."""

NO_HOPS = Route(hops=())


class Passage(NamedTuple):
    """What passed through a route, and all pools as that leaves them.

    Where `exhausted` it can't be carried out: a pool ran out on the way, or was reached by nothing, which
    no pool swaps.
    """

    amount_in_raw: int
    amount_out_raw: int
    pools: Mapping[Address, Pool]
    exhausted: bool


# --- which ways there are -----------------------------------------------------------------------------------


def routes(
    pools: Mapping[Address, Pool],
    token_in: Address,
    token_out: Address,
    *,
    intermediates: Iterable[Address] = (),
) -> tuple[Route, ...]:
    """Return the routes through every pool of the pair, and with one hop through each intermediate.

    Only the route without hops where both are the same token.
    """
    if token_in == token_out:
        return (NO_HOPS,)
    by_pair: dict[frozenset[Address], list[Pool]] = {}
    for pool in pools.values():
        by_pair.setdefault(frozenset(pool.tokens), []).append(pool)

    def hops(sold: Address, bought: Address) -> list[Hop]:
        return [
            Hop(
                pool=pool.address,
                token_in=sold,
                token_out=bought,
                fee_ppm=pool.fee_ppm,
                tier=pool.tier,
            )
            for pool in by_pair.get(frozenset((sold, bought)), ())
        ]

    through = [token for token in dict.fromkeys(intermediates) if token not in (token_in, token_out)]
    return (
        *(Route(hops=(hop,)) for hop in hops(token_in, token_out)),
        *(
            Route(hops=(first, second))
            for token in through
            for first in hops(token_in, token)
            for second in hops(token, token_out)
        ),
    )


def best_sale(pools: Mapping[Address, Pool], among: Sequence[Route], amount_in_raw: int) -> Route | None:
    """Return the route that gives most for `amount_in_raw`; None where all are exhausted by it."""
    sold = [(route, sell_through(pools, route, amount_in_raw)) for route in among]
    filled = [(passage.amount_out_raw, route) for route, passage in sold if not passage.exhausted]
    return max(filled, key=lambda one: one[0])[1] if filled else None


def best_purchase(pools: Mapping[Address, Pool], among: Sequence[Route], amount_out_raw: int) -> Route | None:
    """Return the route that `amount_out_raw` costs least through; None where all are exhausted by it."""
    bought = [(route, buy_through(pools, route, amount_out_raw)) for route in among]
    filled = [(passage.amount_in_raw, route) for route, passage in bought if not passage.exhausted]
    return min(filled, key=lambda one: one[0])[1] if filled else None


# --- what passes through them, exactly ----------------------------------------------------------------------


def sell_through(pools: Mapping[Address, Pool], route: Route, amount_in_raw: int) -> Passage:
    """Return the exact-input sale of `amount_in_raw` along `route`, as the venue's router makes it."""
    amount_raw, exhausted = amount_in_raw, False
    after: dict[Address, Pool] = {}
    for hop in route.hops:
        swap = pools[hop.pool].sell(hop.token_in, amount_raw)
        exhausted |= swap.exhausted or amount_raw == 0
        after[hop.pool] = swap.after
        amount_raw = swap.amount_out_raw
    return Passage(amount_in_raw, amount_raw, {**pools, **after}, exhausted)


def buy_through(pools: Mapping[Address, Pool], route: Route, amount_out_raw: int) -> Passage:
    """Return the exact-output purchase of `amount_out_raw` along `route`: from its last pool back."""
    amount_raw, exhausted = amount_out_raw, False
    after: dict[Address, Pool] = {}
    for hop in reversed(route.hops):
        swap = pools[hop.pool].buy(hop.token_out, amount_raw)
        exhausted |= swap.exhausted or amount_raw == 0
        after[hop.pool] = swap.after
        amount_raw = swap.amount_in_raw
    return Passage(amount_raw, amount_out_raw, {**pools, **after}, exhausted)


# --- at what price, about -----------------------------------------------------------------------------------


def mid_price(pools: Mapping[Address, Pool], route: Route) -> Fraction | None:
    """Return what a first unit in gives, in raw units, were there no fees; None where a pool is empty."""
    price = Fraction(1)
    for hop in route.hops:
        pool = pools[hop.pool]
        first = next(iter(pool.segments(hop.token_in)), None)
        if first is None:
            return None
        price *= Fraction(first.a * _PPM, first.b * (_PPM - pool.fee_ppm))
    return price


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
    return _scaled(
        first.a * second.a,
        first.b * second.b,
        first.c * second.b + first.a * second.c,
        capacity_in,
    )


def _rest(segment: Segment, used: int, per: int) -> Segment:
    """Return what is left of a segment after `used` / `per` has gone in, seen from there."""
    here = segment.b * per + segment.c * used
    return _scaled(
        segment.a * segment.b * per * per,
        here * here,
        here * segment.c * per,
        segment.capacity_in - used // per,
    )


def _scaled(a: int, b: int, c: int, capacity_in: int) -> Segment:
    """Return the segment with its coefficients cut to a length that arithmetic is quick at."""
    shift = max(min(a, b, c).bit_length() - _BITS_KEPT, 0)
    return Segment(a=a >> shift, b=b >> shift, c=c >> shift, capacity_in=capacity_in)
