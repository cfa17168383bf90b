"""The curve: what each size of a pair would bring, for a person to look at. Decides nothing.

Every point is evaluated exactly, through the routes and on the funding that the pair was sized with. What is
taken off beside its own costs is the gas of the size that was simulated: the others' is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from keeper.domain.declined import Declined
from keeper.domain.position import Interval
from keeper.domain.report import Curve, CurvePoint
from keeper.planner.pairs import Pair
from keeper.planner.sizing import Evaluation, evaluate, restore_health

_POINTS = 240
"""Over all that may be repaid."""


def curve(
    pair: Pair,
    *,
    gas_wei: int | None,
    target_wad: int,
    chosen: Evaluation | None,
    tip_wei: Callable[[int], int],
) -> Curve:
    """Return a pair's curve. `chosen` is the size that is to be sent, `tip_wei` what a profit pays of tip.

    Without `gas_wei`, which no simulation told, all of it is before gas.
    """
    terms = pair.terms

    def point(size: Evaluation) -> CurvePoint:
        net_wei = size.profit_wei - tip_wei(max(size.profit_wei, 0)) - (gas_wei or 0)
        return CurvePoint(repay_raw=size.repay_raw, net_wei=net_wei)

    def at(repay_raw: int) -> CurvePoint | None:
        if not any(one.least_raw <= repay_raw <= one.most_raw for one in terms.feasible):
            return None
        size = evaluate(pair.trade, repay_raw)
        return None if isinstance(size, Declined) else point(size)

    best = point(pair.best)
    restored = restore_health(pair.trade, target_wad=target_wad)
    return Curve(
        collateral=terms.collateral,
        debt=terms.debt,
        owed_raw=terms.owed_raw,
        funding=pair.funding.name,
        feasible=terms.feasible,
        stretches=tuple(
            tuple(found for raw in raws if (found := at(raw)) is not None)
            for raws in _sizes(terms.feasible, pair.best.repay_raw)
        ),
        gas_wei=gas_wei,
        best=best,
        chosen=None if chosen is None else point(chosen),
        break_even=tuple(_break_even(terms.feasible, best, at)),
        restore_health=point(restored) if isinstance(restored, Evaluation) else None,
        half=at(terms.owed_raw // 2),
    )


def _sizes(feasible: tuple[Interval, ...], best_raw: int) -> Iterator[list[int]]:
    """Yield for each interval the sizes to look at, evenly, its ends and the best one among them."""
    whole_raw = max(sum(one.most_raw - one.least_raw for one in feasible), 1)
    for one in feasible:
        width = one.most_raw - one.least_raw
        steps = max(_POINTS * width // whole_raw, 1)
        sizes = {one.least_raw + width * step // steps for step in range(steps + 1)}
        yield sorted(sizes | ({best_raw} if one.least_raw <= best_raw <= one.most_raw else set()))


def _break_even(
    feasible: tuple[Interval, ...], best: CurvePoint, at: Callable[[int], CurvePoint | None]
) -> Iterator[CurvePoint]:
    """Yield the smallest size that pays, and the largest: up to the best the profit rises, then it falls.

    One is left out where beyond it nothing may be repaid, or sold, any more: there nothing breaks even.
    """
    if best.net_wei <= 0:
        return
    smaller = [(min(one.most_raw, best.repay_raw), one.least_raw) for one in feasible]
    larger = [(max(one.least_raw, best.repay_raw), one.most_raw) for one in reversed(feasible)]
    yield from _edge([(near, far) for near, far in smaller if near >= far], at)
    yield from _edge([(near, far) for near, far in larger if near <= far], at)


def _edge(ways: Sequence[tuple[int, int]], at: Callable[[int], CurvePoint | None]) -> Iterator[CurvePoint]:
    """Yield the last size that pays on the first of the ways, from near to far, that begins with one."""
    for near, far in ways:
        edge = at(near)
        if edge is None or edge.net_wei < 0:
            continue
        beyond = at(far)
        if beyond is not None and beyond.net_wei >= 0:
            return
        while abs(far - near) > 1:
            middle = (near + far) // 2
            found = at(middle)
            if found is not None and found.net_wei >= 0:
                edge, near = found, middle
            else:
                beyond, far = found, middle
        if beyond is not None:
            yield edge
        return
