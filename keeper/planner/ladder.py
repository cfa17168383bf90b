"""A ladder: smaller sizes of a close, for when the pools have moved before it runs.

Arbitrage moves the pools towards the oracle's new price ahead of a liquidation. What that takes of every unit
sold it takes of the most profitable size as well: a smaller one is then the best. Each rung is the best size
after some such move, and its floor is what it brings then: so it runs where the one above would fail its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keeper.domain.fixed_point import BPS
from keeper.planner.sizing import Evaluation, Trade, evaluate

_STEP_BPS = 10
"""How much larger a size is looked at to learn what its last unit brings, in bps of the size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A smaller size, and what it brings once the pools have moved so far that it is the best one."""

    evaluation: Evaluation
    moved_profit_wei: int
    """Before gas and tip."""


def ladder(trade: Trade, top: Evaluation, *, shares_bps: tuple[int, ...]) -> Iterator[Step]:
    """Yield smaller sizes of a close, at these shares of the top one's repay; what may not be repaid is not.

    A move that takes m of every unit repaid makes that size the best whose last unit brings m now: it then
    brings its profit less m for each of its units.
    """
    for share_bps in shares_bps:
        repay_raw = top.repay_raw * share_bps // BPS
        larger_raw = repay_raw + max(repay_raw * _STEP_BPS // BPS, 1)
        if not any(one.least_raw <= repay_raw and larger_raw <= one.most_raw for one in trade.terms.feasible):
            continue
        size, larger = evaluate(trade, repay_raw), evaluate(trade, larger_raw)
        if not isinstance(size, Evaluation) or not isinstance(larger, Evaluation):
            continue
        rise_wei = max(larger.profit_wei - size.profit_wei, 0)
        lost_wei = rise_wei * repay_raw // (larger_raw - repay_raw)
        yield Step(evaluation=size, moved_profit_wei=size.profit_wei - lost_wei)
