"""Parallel routes as one depth: an amount is split so that the marginal prices meet, fees included.

Along a segment out(x) = a x / (b + c x) the root of the marginal price is s = sqrt(a b) / (b + c x), so
that x = sqrt(a b) / c * (1 / s - 1 / s_start): the form of Uniswap's liquidity L = sqrt(a b) / c between two
square roots of a price. Where several segments meet at one marginal price their liquidities add up: parallel
depth is again a chain of constant-product segments, which the closed form takes like any other.

Roots are ints, scaled. They guide a split; the amounts then pass through the pools exactly. They are taken
once for each route at one state of its pools: many amounts are split there before one is chosen.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from math import isqrt
from typing import NamedTuple, TypeAlias

from keeper.domain.address import Address
from keeper.domain.depth import Pool, Route, Segment
from keeper.planner.routing import Passage, buy_through, mid_price, route_segments, scaled, sell_through

_BITS = 192
"""The fraction bits of a root."""


_Key: TypeAlias = tuple[tuple[Address, Address], ...]
"""A route by what tells it from others: its pools, and what is sold into each."""


class Depth(dict[Address, Pool]):
    """Pools at one state. It remembers what was walked of the routes that something was split over."""

    __slots__ = ("_changed", "_courses", "_earlier", "_first_prices", "_mid_prices", "_parallels")

    def __init__(self, pools: Mapping[Address, Pool]) -> None:
        super().__init__(pools)
        self._courses: dict[_Key, _Course] = {}
        self._parallels: dict[tuple[_Key, ...], _Parallel] = {}
        self._first_prices: dict[tuple[Address, Address], float] = {}
        self._mid_prices: dict[_Key, Fraction | None] = {}
        self._earlier: Depth | None = None
        self._changed: Collection[Address] = ()

    @classmethod
    def of(cls, pools: Mapping[Address, Pool]) -> Depth:
        """Return pools as depth; the same where they are that already."""
        return pools if isinstance(pools, cls) else cls(pools)

    def after(self, changed: Mapping[Address, Pool]) -> Depth:
        """Return the state in which some pools are others: what is known of the rest stays known."""
        depth = Depth(self)
        depth.update(changed)
        depth._earlier, depth._changed = self, changed.keys()
        return depth

    def parallel(self, routes: Sequence[Route]) -> _Parallel:
        """Return routes that share no pool as one."""
        keys = tuple(map(_key, routes))
        found = self._parallels.get(keys)
        if found is None:
            courses = [self._course(key, route) for key, route in zip(keys, routes, strict=True)]
            found = self._parallels[keys] = _Parallel(courses)
        return found

    def first_price(self, pool: Address, token_in: Address) -> float:
        """Return what a pool gives for the first unit of a token, its fee paid; 0 where it is empty."""
        found = self._first_prices.get((pool, token_in))
        if found is None:
            if self._earlier is not None and pool not in self._changed:
                return self._earlier.first_price(pool, token_in)
            first = next(self[pool].segments(token_in), None)
            found = self._first_prices[pool, token_in] = first.a / first.b if first else 0.0
        return found

    def mid_price(self, route: Route) -> Fraction | None:
        """Return what :func:`keeper.planner.routing.mid_price` does."""
        key = _key(route)
        if key not in self._mid_prices:
            self._mid_prices[key] = mid_price(self, route)
        return self._mid_prices[key]

    def _course(self, key: _Key, route: Route) -> _Course:
        found = self._courses.get(key)
        if found is None:
            earlier = self._earlier
            if earlier is not None and not any(pool in self._changed for pool, _ in key):
                return earlier._course(key, route)
            found = self._courses[key] = _Course(route_segments(self, route))
        return found


def _key(route: Route) -> _Key:
    return tuple([(hop.pool, hop.token_in) for hop in route.hops])


def sell_split(pools: Mapping[Address, Pool], routes: Sequence[Route], amount_in_raw: int) -> Passage:
    """Return the exact-input sale of an amount along routes that share no pool, the largest part last."""
    if len(routes) == 1:
        return sell_through(pools, routes[0], amount_in_raw)
    shares = _shares(pools, routes, amount_in_raw, of_input=True)
    return _joined([sell_through(pools, route, share) for route, share in shares])


def buy_split(pools: Mapping[Address, Pool], routes: Sequence[Route], amount_out_raw: int) -> Passage:
    """Return the exact-output purchase of an amount along routes that share no pool, largest part last."""
    if len(routes) == 1:
        return buy_through(pools, routes[0], amount_out_raw)
    shares = _shares(pools, routes, amount_out_raw, of_input=False)
    return _joined([buy_through(pools, route, share) for route, share in shares])


def parallel_segments(pools: Mapping[Address, Pool], routes: Sequence[Route]) -> Iterator[Segment]:
    """Yield the depth of parallel routes, best price first, fees included. There must be a route."""
    if len(routes) == 1:
        return route_segments(pools, routes[0])
    return Depth.of(pools).parallel(routes).segments()


def _joined(passages: Sequence[Passage]) -> Passage:
    """Return passages side by side: as they share no pool, each leaves its own as if it were alone."""
    after: dict[Address, Pool] = {}
    for passage in passages:
        after.update(passage.after)
    flows = tuple([flow for passage in passages for flow in passage.flows])
    return Passage(flows, after, any(passage.exhausted for passage in passages))


def _shares(
    pools: Mapping[Address, Pool], routes: Sequence[Route], amount_raw: int, *, of_input: bool
) -> list[tuple[Route, int]]:
    """Return what each route takes of an amount, the largest part last; those that take nothing are left out.

    What rounding leaves goes to the largest part, and so does what the depth does not hold: it fails there.
    """
    parts = Depth.of(pools).parallel(routes).parts(amount_raw, of_input=of_input)
    parts[parts.index(max(parts))] += amount_raw - sum(parts)
    shares = [(route, part) for route, part in zip(routes, parts, strict=True) if part > 0]
    return sorted(shares, key=lambda share: share[1])


class _Parallel:
    """Parallel routes as one: their stretches, best price first, walked as far as was ever asked."""

    __slots__ = ("_ins", "_lanes", "_outs", "_rest", "_stretches")

    def __init__(self, courses: Sequence[_Course]) -> None:
        self._lanes = [_Lane(course) for course in courses]
        self._rest = _stretches(self._lanes)
        self._stretches: list[_Stretch] = []
        self._ins = [0]
        self._outs = [0]

    def parts(self, amount_raw: int, *, of_input: bool) -> list[int]:
        """Return about what each route takes of an amount, or gives: all it has where that is too much."""
        passed = self._ins if of_input else self._outs
        while passed[-1] < amount_raw and self._go_on():
            pass
        at = max(bisect_left(passed, amount_raw), 1)
        if at == len(passed):
            return [lane.reach.taken(of_input=of_input) for lane in self._lanes]
        return self._stretches[at - 1].parts(amount_raw - passed[at - 1], of_input=of_input)

    def segments(self) -> Iterator[Segment]:
        """Yield the stretches as segments."""
        at = 0
        while at < len(self._stretches) or self._go_on():
            yield self._stretches[at].segment()
            at += 1

    def _go_on(self) -> bool:
        """Walk one more stretch, and return whether there was one."""
        stretch = next(self._rest, None)
        if stretch is None:
            return False
        self._stretches.append(stretch)
        self._ins.append(self._ins[-1] + stretch.capacity(of_input=True))
        self._outs.append(self._outs[-1] + stretch.capacity(of_input=False))
        return True


# --- lanes --------------------------------------------------------------------------------------------------


class _Reach(NamedTuple):
    """A segment of a route between two roots of its marginal price, and what passed before it.

    The last reach of a route has no segment: what is there has passed.
    """

    segment: Segment | None
    start: int
    end: int
    root: int
    """Of a * b: what the roots of all its prices are parts of."""
    liquidity: int
    before_in: int
    before_out: int

    def taken(self, *, of_input: bool) -> int:
        """Return what the segments before it take, or give."""
        return self.before_in if of_input else self.before_out

    def at(self, root: int, *, of_input: bool) -> int:
        """Return what has been taken, or given, where the marginal price has the root `root`."""
        segment = self.segment
        if segment is None or segment.c == 0 or root >= self.start:
            return self.taken(of_input=of_input)
        used = min(max((self.root - segment.b * root) // (segment.c * root), 0), segment.capacity_in)
        return self.taken(of_input=of_input) + (used if of_input else _out(segment, used))


class _Course:
    """A route's reaches, one after the other, walked as far as was ever asked."""

    __slots__ = ("_reaches", "_rest")

    def __init__(self, segments: Iterator[Segment]) -> None:
        self._rest = segments
        self._reaches: list[_Reach] = []

    def reach(self, place: int) -> _Reach:
        """Return the reach at a place; there must be one before it that has a segment."""
        if place == len(self._reaches):
            self._reaches.append(self._next())
        return self._reaches[place]

    def _next(self) -> _Reach:
        before = self._reaches[-1] if self._reaches else None
        ins = outs = 0
        if before is not None and before.segment is not None:
            ins = before.before_in + before.segment.capacity_in
            outs = before.before_out + _out(before.segment, before.segment.capacity_in)
        segment = next(self._rest, None)
        if segment is None:
            return _Reach(None, 0, 0, 0, 0, ins, outs)
        a, b, c, capacity = segment
        root = isqrt(a * b << 2 * _BITS)
        start = root // b if before is None else min(root // b, before.end)  # a price never rises again
        end = min(root // (b + c * capacity), start) if c else start
        return _Reach(segment, start, end, root, root // c if c else 0, ins, outs)


class _Lane:
    """One route of several that are passed through together, at the reach where it stands."""

    __slots__ = ("_course", "_place", "reach")

    def __init__(self, course: _Course) -> None:
        self._course, self._place = course, 0
        self.reach = course.reach(0)

    def pass_on(self) -> None:
        """Go on to the next reach."""
        self._place += 1
        self.reach = self._course.reach(self._place)


def _out(segment: Segment, amount_in: int) -> int:
    return segment.a * amount_in // (segment.b + segment.c * amount_in)


# --- stretches ----------------------------------------------------------------------------------------------


class _Stretch(NamedTuple):
    """The depth between two roots of a marginal price, all that is current there together.

    Where one route's price stays the same however much it takes, that segment is a stretch of its own.
    """

    start: int
    end: int
    liquidity: int
    reaches: Sequence[_Reach]
    """Where each route stands."""
    flat: Segment | None = None

    def capacity(self, *, of_input: bool) -> int:
        """Return what it takes, or gives, floored."""
        if self.flat is not None:
            whole = self.flat.capacity_in
            return whole if of_input else _out(self.flat, whole)
        falls = self.liquidity * (self.start - self.end)
        return falls // (self.start * self.end) if of_input else falls >> 2 * _BITS

    def segment(self) -> Segment:
        """Return it as a segment."""
        if self.flat is not None:
            return self.flat
        return scaled(
            self.liquidity * self.start * self.start,
            self.liquidity << 2 * _BITS,
            self.start << 2 * _BITS,
            self.capacity(of_input=True),
        )

    def parts(self, amount_raw: int, *, of_input: bool) -> list[int]:
        """Return what each route has taken, or given, once `amount_raw` of this stretch has passed."""
        if self.flat is not None:
            root = self.start
        elif of_input:
            root = self.liquidity * self.start // (self.liquidity + amount_raw * self.start)
        else:
            root = self.start - (amount_raw << 2 * _BITS) // self.liquidity
        return [
            reach.at(max(root, 1), of_input=of_input)
            + (amount_raw if self.flat is not None and reach.segment is self.flat else 0)
            for reach in self.reaches
        ]


def _stretches(lanes: Sequence[_Lane]) -> Iterator[_Stretch]:
    """Yield what the lanes are together, best price first."""
    at: int | None = None
    while True:
        live: list[_Lane] = []
        flat: _Lane | None = None
        best = 0
        for lane in lanes:
            reach = lane.reach
            while at is not None and reach.liquidity and reach.end >= at:
                lane.pass_on()
                reach = lane.reach
            if reach.segment is not None:
                live.append(lane)
                best = max(best, reach.start)
        if not live:
            return
        at = best if at is None else min(at, best)
        reaches = [lane.reach for lane in lanes]
        flat = next((lane for lane in live if not lane.reach.liquidity and lane.reach.start >= at), None)
        if flat is not None:
            yield _Stretch(at, at, 0, reaches, flat.reach.segment)
            flat.pass_on()
            continue
        end = liquidity = 0
        for lane in live:
            reach = lane.reach
            if reach.start >= at:
                end, liquidity = max(end, reach.end), liquidity + reach.liquidity
            else:
                end = max(end, reach.start)
        if end < at:
            yield _Stretch(at, end, liquidity, reaches)
        at = end
