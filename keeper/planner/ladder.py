"""A ladder: smaller sizes of a close, for when the pools have moved before it runs. They exclude each other.

Arbitrage moves the pools towards the oracle's new price ahead of a liquidation. What that takes of every unit
sold it takes of the most profitable size as well: a smaller one is then the best. Each rung is the best size
after some such move, and its floor is what it brings then: so it runs where the one above would fail its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from keeper.domain.fixed_point import BPS
from keeper.domain.plan import Plan
from keeper.planner.sizing import Evaluation, Trade, evaluate

_STEP_BPS = 10
"""How much larger a size is looked at to learn what its last unit brings, in bps of the size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A smaller size, and what it brings once the pools have moved so far that it is the best one."""

    evaluation: Evaluation
    moved_profit_wei: int
    """Before gas and tip."""


def ladder(trade: Trade, top: Evaluation, *, rungs: int) -> Iterator[Step]:
    """Yield so many smaller sizes of a close, each of half the repay of the one before.

    What may not be repaid is left out.

    A move that takes m of every unit repaid makes that size the best whose last unit brings m now: it then
    brings its profit less m for each of its units.
    """
    for rung in range(1, rungs + 1):
        repay_raw = top.repay_raw >> rung
        larger_raw = repay_raw + max(repay_raw * _STEP_BPS // BPS, 1)
        if not any(one.least_raw <= repay_raw and larger_raw <= one.most_raw for one in trade.terms.feasible):
            continue
        size, larger = evaluate(trade, repay_raw), evaluate(trade, larger_raw)
        if not isinstance(size, Evaluation) or not isinstance(larger, Evaluation):
            continue
        rise_wei = max(larger.profit_wei - size.profit_wei, 0)
        lost_wei = rise_wei * repay_raw // (larger_raw - repay_raw)
        yield Step(evaluation=size, moved_profit_wei=size.profit_wei - lost_wei)


def second_choices(plan: Plan, smaller: Iterable[Plan]) -> tuple[Plan, ...]:
    """Return those that whoever builds the block takes only where the plan itself fails.

    Both are valid as long as nothing has moved: so each offers a wei less for a unit of gas than the one
    before, and what would pay as much as the plan, in all or for its gas, is left out.
    """
    found: list[Plan] = []
    for one in smaller:
        wei_a_gas = max(one.fees.max_priority_fee_per_gas_wei - len(found) - 1, 0)
        cheaper = replace(one, fees=replace(one.fees, max_priority_fee_per_gas_wei=wei_a_gas))
        pays_wei, plan_pays_wei = _pays_wei(cheaper), _pays_wei(plan)
        if pays_wei < plan_pays_wei and pays_wei * plan.gas_used < plan_pays_wei * one.gas_used:
            found.append(cheaper)
    return tuple(found)


def _pays_wei(plan: Plan) -> int:
    """Return what whoever builds the block has of a plan."""
    return plan.waterfall.tip_wei + plan.gas_used * plan.fees.max_priority_fee_per_gas_wei
