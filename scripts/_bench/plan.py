"""A block's planning, against planning each borrower alone by golden section on local quotes."""

from __future__ import annotations

from collections.abc import Iterator

from _bench.benchmark import Benchmark, Sample, fastest

_BORROWERS = 50


def _samples() -> Iterator[Sample]:
    from _bench._liquidations import block, golden_wei, planned_wei

    borrowers = block(_BORROWERS, seed=1)

    def plan() -> list[int]:
        borrowers[0].forget()  # the pools are theirs together: their steps are taken once
        return planned_wei(borrowers)

    while True:
        planned_s, planned = fastest(plan, times=2)
        golden_s, golden = fastest(lambda: [golden_wei(one) for one in borrowers])
        for ours, theirs in zip(planned, golden, strict=True):
            assert ours >= theirs - max(theirs, 0) // 10_000, (ours, theirs)
        yield Sample(value=planned_s * 1e3, ratio=golden_s / planned_s)


BENCHMARK = Benchmark(
    name="plan",
    measures=f"{_BORROWERS} borrowers and 10 pools, against golden section on step-wise quotes",
    unit="ms",
    must=10,
    samples=_samples,
)
