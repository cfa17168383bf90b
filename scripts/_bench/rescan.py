"""Rescan: who is below health 1 among 100,000 accounts, to the last digit, against a plain loop over all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from _bench import _synthetic as synthetic
from _bench.benchmark import Benchmark, Sample, in_turns

_ACCOUNTS = 100_000


def _samples() -> Iterator[Sample]:
    from keeper.domain.fixed_point import WAD

    held = dict(synthetic.accounts(_ACCOUNTS))
    book = synthetic.book(_ACCOUNTS)
    while True:
        # as at each head, the market is another each time: nothing that was worked out of the last one holds
        (ours_s, found), (plain_s, expected) = in_turns(
            lambda: book.below(WAD, at_s=synthetic.NOW_S, market=replace(synthetic.market())),
            lambda: synthetic.plain_loop(held, market=synthetic.market(), at_s=synthetic.NOW_S),
            ours_times=100,
        )
        assert {position: health.health_factor_wad for position, _, health in found} == expected
        weights = book.protocol.weights(book.market, book.rows.slots, at_s=synthetic.NOW_S)
        assert len(list(book.rows.screen(weights, below=1.0))) <= 2 * len(expected)
        yield Sample(ours_s * 1e3, plain_s / ours_s)


BENCHMARK = Benchmark(
    name="rescan",
    measures="100,000 accounts, exact confirmation included, against a plain loop",
    unit="ms",
    must=120,
    samples=_samples,
)
