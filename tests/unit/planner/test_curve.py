"""The curve shows what the sizes are worth, and points at those that matter."""

from __future__ import annotations

from dataclasses import replace

from keeper.domain.report import Curve, CurvePoint
from keeper.planner.curve import curve
from keeper.planner.funding import OwnCallback
from keeper.planner.pairs import Pair
from keeper.planner.sizing import Evaluation, Trade, evaluate, max_profit
from tests.unit.planner.test_sizing import evaluated, small_trade
from tests.unit.planner.trades import Shape, random_trade

TARGET_WAD = 1_050_000_000_000_000_000


def drawn(trade: Trade, *, gas_wei: int | None = 0, tip_bps: int = 0) -> Curve:
    best = evaluated(max_profit(trade))
    return curve(
        Pair(terms=trade.terms, funding=OwnCallback(), trade=trade, best=best),
        gas_wei=gas_wei,
        target_wad=TARGET_WAD,
        chosen=best,
        tip_wei=lambda profit_wei: profit_wei * tip_bps // 10_000,
    )


def points(one: Curve) -> list[CurvePoint]:
    return [point for stretch in one.stretches for point in stretch]


def test_curve__random_closes__its_points_are_the_sizes_and_none_is_above_the_best() -> None:
    with_hole = 0
    for seed in range(24):
        trade = random_trade(seed, Shape.THROUGH_NATIVE)
        one = drawn(trade, gas_wei=10**15, tip_bps=100)
        assert len(one.stretches) == len(trade.terms.feasible)
        for interval, stretch in zip(one.feasible, one.stretches, strict=True):
            assert [point.repay_raw for point in stretch] == sorted({point.repay_raw for point in stretch})
            assert all(interval.least_raw <= point.repay_raw <= interval.most_raw for point in stretch)
        for point in points(one)[::40]:
            size = evaluated(evaluate(trade, point.repay_raw))
            tip_wei = max(size.profit_wei, 0) // 100
            assert point.net_wei == size.profit_wei - tip_wei - 10**15
        assert one.best in points(one) and one.chosen == one.best
        slack_wei = abs(one.best.net_wei) // 10**6 + 10**13
        assert max(point.net_wei for point in points(one)) <= one.best.net_wei + slack_wei
        with_hole += len(one.stretches) > 1
    assert with_hole >= 3


def test_curve__gas_and_a_bonus_that_runs_out__breaks_even_on_both_sides() -> None:
    trade = small_trade(owed_raw=400_000)
    best = evaluated(max_profit(trade))
    one = drawn(trade, gas_wei=best.profit_wei // 2)
    low, high = one.break_even
    assert low.repay_raw < best.repay_raw < high.repay_raw
    for edge, beyond in ((low, low.repay_raw - 1), (high, high.repay_raw + 1)):
        outside = evaluated(evaluate(trade, beyond))
        assert outside.profit_wei - best.profit_wei // 2 < 0 <= edge.net_wei


def test_curve__a_loss_at_best__breaks_even_nowhere() -> None:
    trade = small_trade(owed_raw=40_000)
    assert drawn(trade, gas_wei=10**18).break_even == ()


def test_curve__depth_ends_while_it_pays__does_not_break_even_there() -> None:
    trade = small_trade(owed_raw=10**9, depth_raw=10**7, width=60)
    one = drawn(trade, gas_wei=1_000)
    (low,) = one.break_even
    assert low.repay_raw < one.best.repay_raw
    assert points(one)[-1].repay_raw < trade.terms.feasible[-1].most_raw


def test_curve__half_in_a_hole__is_not_pointed_out() -> None:
    trade = small_trade(owed_raw=10**6, depth_raw=10**12, dust_raw=600_000)
    assert drawn(trade).half is None
    plain = drawn(small_trade(owed_raw=10**6, depth_raw=10**12))
    assert plain.half is not None and plain.half.repay_raw == 500_000


def test_curve__no_gas_known__is_before_gas() -> None:
    trade = small_trade(owed_raw=40_000)
    one = drawn(trade, gas_wei=None)
    assert one.gas_wei is None
    assert isinstance(max_profit(trade), Evaluation)
    assert one.best.net_wei == evaluated(max_profit(replace(trade, gas=7))).profit_wei
