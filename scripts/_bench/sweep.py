"""A sweep on tape by two workers against one; the cluster's start is not counted."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from _bench.benchmark import Benchmark, Sample

_BLOCKS, _BORROWERS, _STEP_BLOCKS, _PARTS = 48, 48, 5, 4
_TURNS = 2
"""Of each the quicker one counts: two cores must be free at once for two workers to be twice as fast."""
_SWEPT = ("KEEPER_MIN_PROFIT_WEI=1e15,1e16", "KEEPER_OBJECTIVE=max_profit,max_close")


def _samples() -> Iterator[Sample]:
    from keeper.app.sweeping import Terms, local_cluster, sweep
    from keeper.backtest.inclusion import Model
    from keeper.backtest.sweep import Report, combinations, parts
    from keeper.devnet.history import Plan, make
    from keeper.devnet.history.prices import from_seed

    with tempfile.TemporaryDirectory() as name, local_cluster(1) as one, local_cluster(2) as two:
        env_file, tape = Path(name) / "history.env", Path(name) / "history.tape"
        plan = Plan(
            blocks=_BLOCKS,
            borrowers=_BORROWERS,
            seed=1,
            prices=from_seed(1, steps=-(-_BLOCKS // _STEP_BLOCKS)),
        )

        def swept(*, on: str | None, from_tape: bool = True) -> Report:
            return sweep(
                combinations(_SWEPT),
                parts(first, last, count=_PARTS),
                Terms(
                    model=Model(),
                    over={},
                    env_file=env_file,
                    tape=tape if from_tape else None,
                    needs=("KEEPER_MARKETS",),
                ),
                scheduler=on,
                workers=None,
                notes=None,
                record=None if from_tape else tape,
            )

        with make(plan) as history:
            first, last = history.first_block - 1, history.last_block
            env_file.write_text("".join(f"{name}={value}\n" for name, value in history.variables().items()))
            recorded = swept(on=None, from_tape=False)
        for address in (one, two):  # its workers import the package, and that is the cluster's start still
            assert swept(on=address) == recorded
        while True:
            one_s, two_s = [], []
            for _ in range(_TURNS):
                for address, took_s in ((one, one_s), (two, two_s)):
                    began_s = time.perf_counter()
                    told = swept(on=address)
                    took_s.append(time.perf_counter() - began_s)
                    assert told == recorded
            yield Sample(len(recorded.rows) * _PARTS / min(two_s), min(one_s) / min(two_s))


BENCHMARK = Benchmark(
    name="sweep",
    measures=f"runs of a sweep over {_BLOCKS} blocks on tape, by two workers against one",
    unit="runs/s",
    must=1.6,
    samples=_samples,
)
