"""Parallel routes as one depth: an amount is split so that the marginal prices meet, fees included.

Along a segment out(x) = a x / (b + c x) the root of the marginal price is s = sqrt(a b) / (b + c x), so
that x = sqrt(a b) / c * (1 / s - 1 / s_start): the form of Uniswap's liquidity L = sqrt(a b) / c between two
square roots of a price. Where several segments meet at one marginal price their liquidities add up: parallel
depth is again a chain of constant-product segments, which the closed form takes like any other.

Roots are ints, scaled. They guide a split; the amounts then pass through the pools exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isqrt
from typing import NamedTuple

from keeper.domain.address import Address
from keeper.domain.depth import Pool, Route, Segment
from keeper.planner.routing import Passage, buy_through, route_segments, scaled, sell_through

_BITS = 192
"""The fraction bits of a root."""


def sell_split(pools: Mapping[Address, Pool], routes: Sequence[Route], amount_in_raw: int) -> Passage:
    """Return the exact-input sale of an amount along routes that share no pool, the largest part last."""
    if len(routes) == 1:
        return sell_through(pools, routes[0], amount_in_raw)
    shares = _shares(pools, routes, amount_in_raw, of_input=True)
    return _joined(pools, [sell_through(pools, route, share) for route, share in shares])


def buy_split(pools: Mapping[Address, Pool], routes: Sequence[Route], amount_out_raw: int) -> Passage:
    """Return the exact-output purchase of an amount along routes that share no pool, largest part last."""
    if len(routes) == 1:
        return buy_through(pools, routes[0], amount_out_raw)
    shares = _shares(pools, routes, amount_out_raw, of_input=False)
    return _joined(pools, [buy_through(pools, route, share) for route, share in shares])


def parallel_segments(pools: Mapping[Address, Pool], routes: Sequence[Route]) -> Iterator[Segment]:
    """Yield the depth of parallel routes, best price first, fees included. There must be a route."""
    if len(routes) == 1:
        return route_segments(pools, routes[0])
    return (stretch.segment() for stretch in _stretches(_lanes(pools, routes)))


def _joined(pools: Mapping[Address, Pool], passages: Sequence[Passage]) -> Passage:
    """Return passages side by side: as they share no pool, each leaves its own as if it were alone."""
    after = dict(pools)
    for passage in passages:
        for flow in passage.flows:
            after.update({hop.pool: passage.pools[hop.pool] for hop in flow.route.hops})
    flows = tuple(flow for passage in passages for flow in passage.flows)
    return Passage(flows, after, any(passage.exhausted for passage in passages))


def _shares(
    pools: Mapping[Address, Pool], routes: Sequence[Route], amount_raw: int, *, of_input: bool
) -> list[tuple[Route, int]]:
    """Return what each route takes of an amount, the largest part last; those that take nothing are left out.

    What rounding leaves goes to the largest part, and so does what the depth does not hold: it fails there.
    """
    lanes = _lanes(pools, routes)
    parts = [0] * len(lanes)
    passed = 0
    for stretch in _stretches(lanes):
        moves = stretch.capacity(of_input=of_input)
        if passed + moves >= amount_raw:
            parts = stretch.parts(lanes, amount_raw - passed, of_input=of_input)
            break
        passed += moves
    else:
        parts = [lane.taken(of_input=of_input) for lane in lanes]
    largest = max(range(len(parts)), key=parts.__getitem__)
    parts[largest] += amount_raw - sum(parts)
    shares = [(route, part) for route, part in zip(routes, parts, strict=True) if part > 0]
    return sorted(shares, key=lambda share: share[1])


# --- lanes --------------------------------------------------------------------------------------------------


class _Lane:
    """One route's segments, of which one is current: from the root of the price at its start to its end's."""

    __slots__ = ("_ins", "_outs", "_rest", "_root", "_seen", "end", "liquidity", "segment", "start")

    def __init__(self, segments: Iterator[Segment]) -> None:
        self._rest = segments
        self._seen: int | None = None
        self._ins = self._outs = 0
        self._advance()

    def _advance(self) -> None:
        self.segment = next(self._rest, None)
        if self.segment is None:
            return
        a, b, c, capacity = self.segment.a, self.segment.b, self.segment.c, self.segment.capacity_in
        self._root = isqrt(a * b << 2 * _BITS)
        start = self._root // b
        self.start = start if self._seen is None else min(start, self._seen)  # a price never rises again
        self.end = min(self._root // (b + c * capacity), self.start) if c else self.start
        self.liquidity = self._root // c if c else 0
        self._seen = self.end

    def pass_on(self) -> None:
        """Take the whole of the current segment, and go on to the next."""
        assert self.segment is not None
        self._ins += self.segment.capacity_in
        self._outs += _out(self.segment, self.segment.capacity_in)
        self._advance()

    def taken(self, *, of_input: bool) -> int:
        """Return what the segments before the current one took, or gave."""
        return self._ins if of_input else self._outs

    def at(self, root: int, *, of_input: bool) -> int:
        """Return what has been taken, or given, where the marginal price has the root `root`."""
        segment = self.segment
        if segment is None or segment.c == 0 or root >= self.start:
            return self.taken(of_input=of_input)
        used = min(max((self._root - segment.b * root) // (segment.c * root), 0), segment.capacity_in)
        return self.taken(of_input=of_input) + (used if of_input else _out(segment, used))


def _lanes(pools: Mapping[Address, Pool], routes: Sequence[Route]) -> list[_Lane]:
    return [_Lane(route_segments(pools, route)) for route in routes]


def _out(segment: Segment, amount_in: int) -> int:
    return segment.a * amount_in // (segment.b + segment.c * amount_in)


# --- stretches ----------------------------------------------------------------------------------------------


class _Stretch(NamedTuple):
    """The depth between two roots of a marginal price, all that is current there together.

    Where one lane's price stays the same however much it takes, that segment is a stretch of its own.
    """

    start: int
    end: int
    liquidity: int
    flat: _Lane | None = None

    def capacity(self, *, of_input: bool) -> int:
        """Return what it takes, or gives, floored."""
        if self.flat is not None and self.flat.segment is not None:
            whole = self.flat.segment.capacity_in
            return whole if of_input else _out(self.flat.segment, whole)
        falls = self.liquidity * (self.start - self.end)
        return falls // (self.start * self.end) if of_input else falls >> 2 * _BITS

    def segment(self) -> Segment:
        """Return it as a segment."""
        if self.flat is not None and self.flat.segment is not None:
            return self.flat.segment
        return scaled(
            self.liquidity * self.start * self.start,
            self.liquidity << 2 * _BITS,
            self.start << 2 * _BITS,
            self.capacity(of_input=True),
        )

    def parts(self, lanes: Sequence[_Lane], amount_raw: int, *, of_input: bool) -> list[int]:
        """Return what each lane has taken, or given, once `amount_raw` of this stretch has passed."""
        if self.flat is not None:
            root = self.start
        elif of_input:
            root = self.liquidity * self.start // (self.liquidity + amount_raw * self.start)
        else:
            root = self.start - (amount_raw << 2 * _BITS) // self.liquidity
        parts = [lane.at(max(root, 1), of_input=of_input) for lane in lanes]
        return [
            part + (amount_raw if lane is self.flat else 0) for lane, part in zip(lanes, parts, strict=True)
        ]


def _stretches(lanes: Sequence[_Lane]) -> Iterator[_Stretch]:
    """Yield what the lanes are together, best price first; meanwhile they stand at the stretch's start."""
    at: int | None = None
    while True:
        for lane in lanes:
            while at is not None and lane.segment is not None and lane.segment.c and lane.end >= at:
                lane.pass_on()
        live = [lane for lane in lanes if lane.segment is not None]
        if not live:
            return
        best = max(lane.start for lane in live)
        at = best if at is None else min(at, best)
        flat = next(
            (lane for lane in live if lane.segment and lane.segment.c == 0 and lane.start >= at), None
        )
        if flat is not None:
            yield _Stretch(at, at, 0, flat)
            flat.pass_on()
            continue
        end = max(lane.end if lane.start >= at else lane.start for lane in live)
        if end < at:
            yield _Stretch(at, end, sum(lane.liquidity for lane in live if lane.start >= at))
        at = end
