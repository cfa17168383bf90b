"""Each rung is the best size once the pools have moved, and brings its floor then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.domain.plan import Fees, Plan, Waterfall
from keeper.domain.token import TokenAmount
from keeper.planner.ladder import ladder, second_choices
from keeper.planner.sizing import Evaluation, Trade, evaluate, max_profit
from tests.unit.planner.linear_terms import LinearTerms
from tests.unit.planner.test_sizing import evaluated, small_trade


def moved(trade: Trade, by_bps: float) -> Trade:
    """Return the trade after a move against it: as if the bonus were so much smaller."""
    assert isinstance(trade.terms, LinearTerms)
    return replace(trade, terms=replace(trade.terms, bonus_bps=round(trade.terms.bonus_bps - by_bps)))


def test_ladder__pools_that_move__each_rung_becomes_the_best_size_and_brings_its_floor() -> None:
    trade = small_trade(owed_raw=10**12, depth_raw=10**13)
    best = evaluated(max_profit(trade))
    steps = list(ladder(trade, best, rungs=2))
    assert [step.evaluation.repay_raw for step in steps] == [best.repay_raw // 2, best.repay_raw // 4]
    for step in steps:
        # the move that takes from every unit what the size's last unit brings
        by_bps = (step.evaluation.profit_wei - step.moved_profit_wei) * 10_000 / step.evaluation.repay_raw
        after = moved(trade, by_bps)
        assert evaluated(max_profit(after)).repay_raw == pytest.approx(step.evaluation.repay_raw, rel=0.03)
        brought = evaluated(evaluate(after, step.evaluation.repay_raw))
        assert brought.profit_wei == pytest.approx(step.moved_profit_wei, rel=0.03)
        assert evaluated(evaluate(after, best.repay_raw)).profit_wei < best.profit_wei * 95 // 100
    first, second = (step.moved_profit_wei for step in steps)
    assert best.profit_wei > first > second > 0


def test_ladder__shares_that_may_not_be_repaid__are_left_out() -> None:
    trade = small_trade(owed_raw=10**6, depth_raw=10**12, dust_raw=600_000)
    best = evaluated(max_profit(trade))
    assert best.repay_raw == 10**6
    steps = list(ladder(trade, best, rungs=2))
    assert [step.evaluation.repay_raw for step in steps] == [250_000]


def test_ladder__amounts__are_those_of_the_size_itself() -> None:
    trade = small_trade(owed_raw=10**9, depth_raw=10**10)
    best = evaluated(max_profit(trade))
    for step in ladder(trade, best, rungs=2):
        assert isinstance(step.evaluation, Evaluation)
        assert step.evaluation == evaluate(trade, step.evaluation.repay_raw)
        assert TokenAmount(token=trade.terms.debt, raw=step.evaluation.repay_raw) < TokenAmount(
            token=trade.terms.debt, raw=best.repay_raw
        )


def plan(*, tip_wei: int, gas_used: int = 500_000, wei_a_gas: int = 100) -> Plan:
    draft: Any = None  # nothing of it decides
    return Plan(
        draft=draft,
        gas_used=gas_used,
        waterfall=Waterfall(bonus_wei=0, price_impact_wei=0, flash_fee_wei=0, gas_wei=0, tip_wei=tip_wei),
        fees=Fees(gas_limit=1, max_fee_per_gas_wei=200, max_priority_fee_per_gas_wei=wei_a_gas),
    )


def test_second_choices__while_the_plan_holds__each_pays_less_than_the_one_before() -> None:
    found = second_choices(plan(tip_wei=0), [plan(tip_wei=0), plan(tip_wei=0)])
    assert [one.fees.max_priority_fee_per_gas_wei for one in found] == [99, 98]
    assert {one.fees.max_fee_per_gas_wei for one in found} == {200}


def test_second_choices__that_would_pay_as_much__are_left_out() -> None:
    top = plan(tip_wei=10**9)
    in_all = plan(tip_wei=10**9, gas_used=600_000)
    for_its_gas = plan(tip_wei=10**9 - 1, gas_used=400_000)
    assert second_choices(top, [in_all, for_its_gas]) == ()
    assert len(second_choices(top, [in_all, plan(tip_wei=10**8)])) == 1
    free = plan(tip_wei=0, wei_a_gas=0)
    assert second_choices(free, [free]) == (), "neither would be taken, or either"
