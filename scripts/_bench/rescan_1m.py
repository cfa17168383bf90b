"""Rescan of 1,000,000 accounts, against the time it takes to read 30 bytes of each from memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from _bench import _synthetic as synthetic
from _bench.benchmark import Benchmark, Sample, fastest

_ACCOUNTS = 1_000_000
_BYTES_AN_ACCOUNT = 30


def _samples() -> Iterator[Sample]:
    import numpy as np

    from keeper.domain.fixed_point import WAD

    book = synthetic.book(_ACCOUNTS)
    expected = synthetic.plain_loop(
        dict(synthetic.accounts(_ACCOUNTS)), market=synthetic.market(), at_s=synthetic.NOW_S
    )
    memory = np.ones(_ACCOUNTS * _BYTES_AN_ACCOUNT // 8)
    while True:
        streamed_s, _ = fastest(memory.sum, times=10)
        ours_s, found = fastest(
            lambda: book.below(WAD, at_s=synthetic.NOW_S, market=replace(synthetic.market())), times=5
        )
        assert {position: health.health_factor_wad for position, _, health in found} == expected
        yield Sample(ours_s * 1e3, ours_s / streamed_s)


BENCHMARK = Benchmark(
    name="rescan-1m",
    measures="1,000,000 accounts, against reading 30 B of each from memory",
    unit="ms",
    must=12,
    at_least=False,
    samples=_samples,
)
