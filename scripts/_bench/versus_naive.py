"""What the planner earns, against always the full close factor through the best single pool.

Both know the same pools and terms, and both leave alone what does not pay after gas. The naive one repays all
that the close factor allows, funds it with Aave's flash loan, and sells through the one pool that gives most.
Positions are log-uniform from $1k to $5M; each pool is 0.5 to 50 times as deep as the position, log-uniform.
"""

from __future__ import annotations

from collections.abc import Iterator

from _bench.benchmark import Benchmark, Sample, fastest

_LIQUIDATIONS = 500


def _samples() -> Iterator[Sample]:
    from _bench._liquidations import Liquidation, naive_wei, planned_wei, random_liquidation

    liquidations: list[Liquidation] = [random_liquidation(seed) for seed in range(_LIQUIDATIONS)]
    while True:
        _, planned = fastest(lambda: [wei for one in liquidations for wei in planned_wei([one])])
        naive = [naive_wei(one) for one in liquidations]
        assert all(ours >= theirs for ours, theirs in zip(planned, naive, strict=True))
        yield Sample(value=sum(planned) / 1e18, ratio=sum(planned) / sum(naive))


BENCHMARK = Benchmark(
    name="versus-naive",
    measures=f"net profit over {_LIQUIDATIONS} liquidations, against full closes through the best pool",
    unit="WETH",
    must=1.3,
    samples=_samples,
)
