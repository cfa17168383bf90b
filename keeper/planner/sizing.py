"""How much of a debt is worth closing: the three sizes, each over real depth and to the wei.

The optimum comes from :mod:`keeper.planner.closed_form`. The collateral buys back what was borrowed, and the
surplus becomes wrapped native. Both sales may begin with the same pools: as swaps of one direction add
up, all that is seized goes through that common beginning (H), and what is maximised is what comes out of
it less what the rest of the purchase (T) takes there; the rest of the surplus' sale only grows with that.

Rounding makes neighbouring amounts uneven by a unit or two: the optimum's own is evaluated exactly, and its
neighbours are not. The dust rules make holes in what may be repaid: each interval has its own best, but where
the profit still rises from one end of a hole to the other, only the far one counts. Where both sales meet
again in a pool the optimum is climbed from there, over exact evaluations; where terms are not linear an
integer search takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from math import ceil

from keeper.domain.declined import Declined, Reason
from keeper.domain.depth import Hop, Route, Segment
from keeper.domain.fixed_point import BPS, mul_div_up
from keeper.domain.position import Interval, Settlement
from keeper.planner.closed_form import IDENTITY, Line, Optimum, optimal_size
from keeper.planner.evaluation import Evaluation, Trade, evaluate, value_wei, waterfall
from keeper.planner.parallel import parallel_segments
from keeper.planner.routing import mid_price

__all__ = [
    "Evaluation",
    "Trade",
    "evaluate",
    "max_close",
    "max_profit",
    "restore_health",
    "value_wei",
    "waterfall",
]

_FIRST_STEP_BITS = 4
"""A climb begins with a sixteenth of the size."""
_CUT_OFF_BITS = 6
"""Close to a size is a sixty-fourth of the side."""
_NOTHING_BITS = 20
"""A millionth is next to nothing."""
_CLEARLY_BITS = 10
"""Clearly is by more than a thousandth."""
_LOWEST_WEI = -(1 << 256)
"""Less than any profit: what can't be carried out."""
_ROUNDING_RAW = 8
"""How far rounding may move a seizure off its line, in units of the coarser token: a protocol rounds some
three times on the way."""


def _profit_wei(size: Evaluation) -> int:
    return size.profit_wei


def max_profit(trade: Trade, *, beat_wei: int | None = None) -> Evaluation | Declined:
    """Return the most profitable size, be it at a loss; Declined where no size can be carried out.

    What can't bring more than `beat_wei` need not be the most profitable to the wei.
    """
    bests: list[Evaluation | Declined] = []
    turned: Evaluation | None = None
    """The size from which on profit falls, once it is found."""
    behind: Settlement | None = None
    """Of the first size of the next interval."""
    feasible = trade.terms.feasible
    for at, interval in enumerate(feasible, start=1):
        first, behind = behind, trade.terms.settle(feasible[at].least_raw) if at < len(feasible) else None
        if turned is not None and first is not None and not _pays_more(first, turned):
            continue
        if bests and isinstance(bests[-1], Evaluation) and bests[-1].repay_raw == interval.most_raw:
            continue  # it is a single size, and was found to bring more than those before it
        found = _best_within(trade, interval, behind, beat_wei=_LOWEST_WEI if beat_wei is None else beat_wei)
        bests.append(found)
        if isinstance(found, Evaluation) and _ends_clearly_after(interval, found.repay_raw):
            turned = found
    if len(bests) == 1:
        return bests[0]
    best = _most_profitable(bests)
    if best is not None:
        return best
    declined = [one for one in bests if isinstance(one, Declined)]
    return declined[0] if declined else Declined(reason=Reason.DUST, detail="no amount may be repaid")


def clearing(
    trade: Trade, best: Evaluation, *, spare_wei: Callable[[Evaluation], int], most_spare_wei: int
) -> Evaluation | Declined:
    """Return the most profitable size that clears the minimums; Declined where none does.

    `best` is what :func:`max_profit` returned for this trade. `spare_wei` says by how much a size clears the
    minimums: where they grow with the repay, a smaller one may clear them though the best does not. None
    clears them by more than `most_spare_wei`: where that is below zero, none is looked for.
    """
    if spare_wei(best) >= 0:
        return best
    roomiest = best
    smaller = trade.terms.feasible if most_spare_wei >= 0 else ()
    for interval in smaller:
        if interval.least_raw < best.repay_raw:
            most_raw = min(interval.most_raw, best.repay_raw)
            found = _searched(trade, interval.least_raw, most_raw, worth_wei=spare_wei)
            if isinstance(found, Evaluation) and spare_wei(found) >= spare_wei(roomiest):
                roomiest = found
    if (missing_wei := -spare_wei(roomiest)) > 0:
        return _too_little(best, missing_wei)
    # up to the best size the profit only rises: the largest that clears them is the most profitable
    most_raw = next(
        min(one.most_raw, best.repay_raw)
        for one in reversed(trade.terms.feasible)
        if one.least_raw <= roomiest.repay_raw
    )
    return _largest_paying(trade, roomiest, most_raw, spare_wei)


def max_close(
    trade: Trade, best: Evaluation, *, spare_wei: Callable[[Evaluation], int], keep_bps: int
) -> Evaluation | Declined:
    """Return the largest size that clears the minimums and keeps `keep_bps` of the maximal profit.

    `best` is what :func:`max_profit` returned for this trade; `spare_wei` says by how much a size clears the
    minimums, and is below zero where it does not. It must not grow as profit falls and the repay rises.
    """
    kept_wei = mul_div_up(best.profit_wei, keep_bps, BPS)

    def margin_wei(size: Evaluation) -> int:
        return min(spare_wei(size), size.profit_wei - kept_wei)

    if (missing_wei := -margin_wei(best)) > 0:
        return _too_little(best, missing_wei)
    for interval in reversed(trade.terms.feasible):
        # Beyond the best size the profit only falls: an interval pays up to somewhere, or not at all.
        first = best if interval.least_raw <= best.repay_raw else evaluate(trade, interval.least_raw)
        if isinstance(first, Evaluation) and margin_wei(first) >= 0:
            return _largest_paying(trade, first, interval.most_raw, margin_wei)
    return best


def restore_health(trade: Trade, *, target_wad: int) -> Evaluation | Declined | None:
    """Return the smallest size that brings the position to a health factor of `target_wad`.

    Declined where that size can't be carried out, None where no feasible repay reaches the target.
    """
    repay_raw = trade.terms.repay_for_health(target_wad)
    return None if repay_raw is None else evaluate(trade, repay_raw)


def _too_little(best: Evaluation, missing_wei: int) -> Declined:
    return Declined(
        reason=Reason.BELOW_MINIMUM,
        detail=f"{best.profit_wei / 1e18:.6f} at best is {missing_wei / 1e18:.6f} too little",
    )


# --- the most profitable of one interval --------------------------------------------------------------------


def _best_within(
    trade: Trade, interval: Interval, behind: Settlement | None, *, beat_wei: int
) -> Evaluation | Declined:
    """Return the most profitable size of an interval; Declined where none of it can be carried out.

    Where the first size `behind` the hole after it is sure to bring more, it is that one.
    """
    least_raw, most_raw = interval.least_raw, interval.most_raw
    if not trade.borrows_collateral and trade.available_raw < most_raw:
        most_raw, behind = trade.available_raw, None
    if least_raw >= most_raw:
        return evaluate(trade, least_raw)
    # The very end may clear the debt, and then pulls what accrues up to the deadline as well.
    last_raw = max(most_raw - 1, least_raw + 1)
    seized, owed = _lines(trade, least_raw, last_raw)
    span = last_raw - least_raw
    if seized.rise <= 0 or owed.rise <= 0:
        return _searched(trade, least_raw, most_raw)

    def bends_at(raw: int, settlement: Settlement) -> bool:
        off_line_raw = abs(settlement.seized_raw - seized.at(raw - least_raw, span))
        return off_line_raw > _ROUNDING_RAW * max(seized.rise // span, 1)

    shared = _common(trade)
    meet_again = _meet_again(trade, shared)
    if meet_again or trade.borrows_collateral:
        behind = None
    # up to the deadline a little accrues
    reach_raw = most_raw if behind is None else behind.repaid_raw + (behind.repaid_raw >> _NOTHING_BITS)
    gives, costs = _depth(trade, shared)
    optimum = optimal_size(gives, costs, seized=seized, owed=owed, span=span, least=least_raw, most=reach_raw)
    guess_raw, middle_raw = min(optimum.size, most_raw), least_raw + span // 2
    if behind is not None and optimum.size == reach_raw:
        reach = seized.at(reach_raw - least_raw, span), owed.at(reach_raw - least_raw, span)
        if _pays_across(trade, (seized.last, owed.last), behind, reach, optimum):
            beyond = evaluate(trade, behind.repaid_raw, behind)
            if isinstance(beyond, Evaluation) and not bends_at(middle_raw, trade.terms.settle(middle_raw)):
                return beyond
    best = evaluate(trade, guess_raw)
    if isinstance(best, Declined):
        return _last_before(trade, least_raw, guess_raw)
    if meet_again or (trade.borrows_collateral and best.flash_fee_raw):
        return _climbed(trade, best, least_raw, most_raw, beat_wei=beat_wei)
    between, settlement = best.repay_raw, best.settlement
    if between in (least_raw, most_raw):  # both are on the line, whatever is between them
        between, settlement = middle_raw, trade.terms.settle(middle_raw)
    return _searched(trade, least_raw, most_raw) if bends_at(between, settlement) else best


def _pays_across(
    trade: Trade, near: tuple[int, int], far: Settlement, reach: tuple[int, int], optimum: Optimum
) -> bool:
    """Return whether the far end of a hole surely brings more than the near one: two of (seized, owed).

    As H is concave and T convex, what is seized more there is worth no less than at the prices at `reach`,
    and what is owed more costs no more, where both reach so far. It must pay clearly, and be more than some
    units: amounts are rounded.
    """
    far_seized_raw, far_owed_raw = far.seized_raw, trade.to_buy_raw(far.repaid_limit_raw)
    if far_seized_raw > reach[0] or far_owed_raw > reach[1]:
        return False
    seized_raw, owed_raw = far_seized_raw - near[0], far_owed_raw - near[1]
    if min(seized_raw, owed_raw) < max(1 << _NOTHING_BITS, far.repaid_raw >> _NOTHING_BITS):
        return False
    return optimum.gives * seized_raw > optimum.costs * (owed_raw + (owed_raw >> _CLEARLY_BITS))


def _ends_clearly_after(interval: Interval, repay_raw: int) -> bool:
    """Return whether an interval goes on for long enough to tell a profit that falls from one that rounds."""
    return interval.most_raw - repay_raw > (interval.most_raw - interval.least_raw) >> _CLEARLY_BITS


def _pays_more(first: Settlement, turned: Evaluation) -> bool:
    """Return whether a size seizes more for each unit owed than a smaller one from which on profit falls.

    Where it does not it can't bring more: what is sold last brings least.
    """
    before = turned.settlement
    return (first.seized_raw - _ROUNDING_RAW) * before.repaid_limit_raw > (
        before.seized_raw * first.repaid_limit_raw
    )


def _lines(trade: Trade, least_raw: int, last_raw: int) -> tuple[Line, Line]:
    """Return what is seized and what is owed as lines through two sizes.

    Where the smaller one is next to nothing the lines begin at nothing, which seizes and owes nothing.
    """

    last = trade.terms.settle(last_raw)
    seized_raw, owed_raw = last.seized_raw, trade.to_buy_raw(last.repaid_limit_raw)
    if least_raw << _NOTHING_BITS <= last_raw:
        seized_first_raw = seized_raw * least_raw // last_raw
        owed_first_raw = owed_raw * least_raw // last_raw
    else:
        first = trade.terms.settle(least_raw)
        seized_first_raw, owed_first_raw = first.seized_raw, trade.to_buy_raw(first.repaid_limit_raw)
    return Line(seized_first_raw, seized_raw - seized_first_raw), Line(
        owed_first_raw, owed_raw - owed_first_raw
    )


def _depth(trade: Trade, shared: int) -> tuple[Iterator[Segment], Iterator[Segment]]:
    """Return H, which all that is seized goes through, and the depth that the rest of the purchase takes."""
    if trade.owes_native:
        return _segments(trade, trade.sells), _segments(trade, ())
    if not shared:
        return _segments(trade, ()), _segments(trade, trade.buys)
    (buy,) = trade.buys
    rest = (Route(hops=buy.hops[shared:]),) if buy.hops[shared:] else ()
    return _segments(trade, (Route(hops=buy.hops[:shared]),)), _segments(trade, rest)


def _segments(trade: Trade, routes: Sequence[Route]) -> Iterator[Segment]:
    return parallel_segments(trade.pools, routes) if routes else iter((IDENTITY,))


def _common(trade: Trade) -> int:
    """Return how many hops both sales have in common at their beginning, where neither is split."""
    if len(trade.buys) != 1 or len(trade.sells) != 1:
        return 0
    shared = 0
    for one, other in zip(trade.buys[0].hops, trade.sells[0].hops, strict=False):
        if one.pool != other.pool or one.token_in != other.token_in:
            break
        shared += 1
    return shared


def _meet_again(trade: Trade, shared: int) -> bool:
    """Return whether the two sales share a pool after they have parted."""
    if not trade.buys or not trade.sells:
        return False
    bought_in = [hop.pool for route in trade.buys for hop in route.hops[shared:]]
    return any(hop.pool in bought_in for route in trade.sells for hop in route.hops[shared:])


def _most_profitable(
    evaluations: Iterable[Evaluation | Declined], worth_wei: Callable[[Evaluation], int] = _profit_wei
) -> Evaluation | None:
    """Return the one worth most; of equals the smallest, which borrows least."""
    carried_out = [one for one in evaluations if isinstance(one, Evaluation)]
    if len(carried_out) == 1:
        return carried_out[0]
    return max(carried_out, key=lambda one: (worth_wei(one), -one.repay_raw), default=None)


def _last_before(trade: Trade, least_raw: int, beyond_raw: int) -> Evaluation | Declined:
    """Return the largest size below `beyond_raw`, which can't be carried out, that can.

    It steps back by ever longer steps, then bisects. Declined where not even `least_raw` can be.
    """
    step = 1
    while True:
        low = evaluate(trade, max(beyond_raw - step, least_raw))
        if isinstance(low, Evaluation):
            break
        if beyond_raw - step <= least_raw:
            return low
        beyond_raw -= step
        step *= 2
    while beyond_raw - low.repay_raw > 1:
        middle_raw = (low.repay_raw + beyond_raw) // 2
        middle = evaluate(trade, middle_raw)
        if isinstance(middle, Evaluation):
            low = middle
        else:
            beyond_raw = middle_raw
    return low


def _climbed(trade: Trade, start: Evaluation, least_raw: int, most_raw: int, *, beat_wei: int) -> Evaluation:
    """Return the best size near `start`, which was found as if the two sales did not meet.

    Three sizes are moved uphill by ever longer steps until the middle one is the best of them; then they are
    drawn together around the top, until what lies between them can't be worth more.
    """
    seen = {start.repay_raw: start}

    def height(raw: int) -> int:
        size = seen.get(raw) or evaluate(trade, raw)
        if isinstance(size, Declined):
            return _LOWEST_WEI
        seen[raw] = size
        return size.profit_wei

    step = max(start.repay_raw >> _FIRST_STEP_BITS, 1)
    middle = start.repay_raw
    low, high = max(middle - step, least_raw), min(middle + step, most_raw)
    while height(low) > height(middle) and low > least_raw:
        step *= 2
        low, middle, high = max(low - step, least_raw), low, middle
    while height(high) > height(middle) and high < most_raw:
        step *= 2
        low, middle, high = middle, high, min(high + step, most_raw)
    rounding_wei = _coarsest_unit_wei(trade)
    _draw_together(low, middle, high, height, rounding_wei=rounding_wei, beat_wei=beat_wei)
    return max(seen.values(), key=lambda one: (one.profit_wei, -one.repay_raw))


def _draw_together(
    low: int,
    middle: int,
    high: int,
    height: Callable[[int], int],
    *,
    rounding_wei: int,
    beat_wei: int,
) -> None:
    """Ask for heights between three sizes until none can be above what was seen by more than rounding.

    Nor do they go on where none can be above `beat_wei`.

    The top of the parabola through the three takes the place of one; where two such steps have not halved the
    whole, as at a kink between two ranges of a pool, the middle of the longer side does.
    """
    before = earlier = 2 * (high - low)
    while (width := high - low) > 2 and _may_rise_wei(low, middle, high, height) > max(
        rounding_wei, beat_wei - height(middle)
    ):
        if 2 * width > earlier:
            tried = (middle + high) // 2 if high - middle > middle - low else (low + middle) // 2
        else:
            tried = _beside(low, middle, high, _top(low, middle, high, height))
        earlier, before = before, width
        lower, upper = sorted((tried, middle))
        if height(lower) >= height(upper):
            middle, high = lower, upper
        else:
            low, middle = lower, upper


def _beside(low: int, middle: int, high: int, top: int) -> int:
    """Return `top`; where it is one of the three a size close to it, on the longer side of the middle."""
    left, right = middle - low, high - middle
    if top == low and left > 1:
        return low + max(left >> _CUT_OFF_BITS, 1)
    if top == high and right > 1:
        return high - max(right >> _CUT_OFF_BITS, 1)
    if top not in (low, middle, high):
        return top
    near = max(min(left, right), max(left, right) >> _CUT_OFF_BITS, 1)
    return middle + near if right > left else middle - near


def _may_rise_wei(low: int, middle: int, high: int, height: Callable[[int], int]) -> int:
    """Return by how much, at most, a size between the outer two may beat the best of the three.

    What is concave stays, on either side of the middle, under the line through the middle and the other side.
    """
    left, right = middle - low, high - middle
    rise, fall = height(middle) - height(low), height(middle) - height(high)
    if not left or not right:
        return -_LOWEST_WEI
    return max(rise * right // left, fall * left // right) + min(0, rise, fall)


def _coarsest_unit_wei(trade: Trade) -> int:
    """Return what a unit of the coarsest token on the way is worth, rounded up: so much rounding may move."""

    def price(hops: Sequence[Hop]) -> Fraction:
        return mid_price(trade.pools, Route(hops=tuple(hops))) or Fraction(0)

    sold = [price(route.hops[at:]) for route in trade.sells for at in range(len(route.hops))]
    collateral_wei = sold[0] if sold else Fraction(1)
    prices = [price(route.hops[: at + 1]) for route in trade.buys for at in range(len(route.hops))]
    return ceil(max(Fraction(1), collateral_wei, *sold, *(collateral_wei / each for each in prices if each)))


def _top(low: int, middle: int, high: int, height: Callable[[int], int]) -> int:
    """Return where the parabola through three sizes is highest, floored, kept within them."""
    left, right = middle - low, high - middle
    rise, fall = height(middle) - height(low), height(middle) - height(high)
    below = 2 * (left * fall + right * rise)
    if below <= 0:
        return middle
    return min(max(middle - (left * left * fall - right * right * rise) // below, low), high)


def _searched(
    trade: Trade,
    least_raw: int,
    most_raw: int,
    worth_wei: Callable[[Evaluation], int] = _profit_wei,
) -> Evaluation | Declined:
    """Return the size worth most by a ternary search; what can't be carried out counts as too large."""
    seen: list[Evaluation | Declined] = []
    while most_raw - least_raw > 2:
        third = (most_raw - least_raw) // 3
        lower, upper = evaluate(trade, least_raw + third), evaluate(trade, most_raw - third)
        seen += (lower, upper)
        rises = (
            isinstance(lower, Evaluation)
            and isinstance(upper, Evaluation)
            and worth_wei(lower) < worth_wei(upper)
        )
        if rises:
            least_raw += third
        else:
            most_raw -= third
    seen += (evaluate(trade, raw) for raw in range(least_raw, most_raw + 1))
    return _most_profitable(seen, worth_wei) or seen[0]


# --- the largest that pays ----------------------------------------------------------------------------------


def _largest_paying(
    trade: Trade, low: Evaluation, most_raw: int, margin_wei: Callable[[Evaluation], int]
) -> Evaluation:
    """Return the largest size up to `most_raw` whose margin is not below zero, given that `low`'s is not.

    Secants and bisections take turns: the profit falls like a parabola, and from somewhere on the size
    may not be carried out at all.
    """
    high = low if low.repay_raw == most_raw else evaluate(trade, most_raw)
    high_raw, bisect = most_raw, False
    if isinstance(high, Evaluation) and margin_wei(high) >= 0:
        return high
    while (width := high_raw - low.repay_raw) > 1:
        ahead = width // 2
        if isinstance(high, Evaluation) and not bisect:
            over, under = margin_wei(low), -margin_wei(high)
            ahead = min(max(width * over // (over + under), 1), width - 1)
        bisect = not bisect
        tried = evaluate(trade, low.repay_raw + ahead)
        if isinstance(tried, Evaluation) and margin_wei(tried) >= 0:
            low = tried
        else:
            high, high_raw = tried, low.repay_raw + ahead
    return low
