"""The most profitable size in closed form, against an integer ternary search over step-by-step swaps."""

from __future__ import annotations

from collections.abc import Iterator

from _bench.benchmark import Benchmark, Sample, in_turns

_TRADES = 24
_WITHIN_WEI = 2


def _samples() -> Iterator[Sample]:
    from random import Random

    from keeper.domain.declined import Declined
    from keeper.domain.position import Interval
    from keeper.planner.evaluation import Evaluation, Trade, evaluate
    from keeper.planner.sizing import max_profit
    from keeper.venues.uniswap_v3 import V3Pool
    from tests.unit.planner.trades import Shape, random_trade

    shapes = (Shape.KEEPS_COLLATERAL, Shape.OWES_NATIVE, Shape.APART)

    def forget(trade: Trade) -> None:
        """Forget the steps that were taken in its pools: what comes next takes them anew."""
        for pool in trade.pools.values():
            assert isinstance(pool, V3Pool)
            pool._walks.clear()

    def closed(trade: Trade) -> Evaluation | Declined:
        forget(trade)
        return max_profit(trade)

    def profit_wei(trade: Trade, repay_raw: int) -> int | None:
        forget(trade)
        one = evaluate(trade, repay_raw)
        return one.profit_wei if isinstance(one, Evaluation) else None

    def searched_wei(trade: Trade) -> int:
        return max(_best_wei(trade, interval) for interval in trade.terms.feasible)

    def _best_wei(trade: Trade, interval: Interval) -> int:
        low, high, best = interval.least_raw, interval.most_raw, -(2**255)
        while high - low > 2:
            third = (high - low) // 3
            lower, upper = profit_wei(trade, low + third), profit_wei(trade, high - third)
            best = max(best, lower or best, upper or best)
            rises = lower is not None and upper is not None and lower < upper
            low, high = (low + third, high) if rises else (low, high - third)
        return max(best, *(profit_wei(trade, raw) or best for raw in range(low, high + 1)))

    fine = ("DAI", "LINK", "stETH")
    trades = [
        random_trade(seed, shapes[seed % len(shapes)], collateral=collateral, debt=debt)
        for seed in range(_TRADES)
        for collateral, debt in (Random(seed).sample(fine, 2),)
    ]
    while True:
        (closed_s, found), (search_s, search) = in_turns(
            lambda: [closed(trade) for trade in trades],
            lambda: [searched_wei(trade) for trade in trades],
            ours_times=75,
        )
        for one, other_wei in zip(found, search, strict=True):
            assert isinstance(one, Evaluation)
            assert one.profit_wei >= other_wei - _WITHIN_WEI, (one.profit_wei, other_wei)
        yield Sample(value=closed_s / len(trades) * 1e6, ratio=search_s / closed_s)


BENCHMARK = Benchmark(
    name="sizing",
    measures=f"the best size of {_TRADES} random closes, against a ternary search on step-by-step swaps",
    unit="µs",
    must=100,
    samples=_samples,
)
