"""A sweep on tape by two workers against one; the cluster's start is not counted."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _bench.benchmark import Benchmark, Sample

_BLOCKS, _BORROWERS, _STEP_BLOCKS, _PARTS = 48, 48, 5, 4
_SWEPT = ("KEEPER_MIN_PROFIT_WEI=1e15,1e16", "KEEPER_OBJECTIVE=max_profit,max_close")


def _samples() -> Iterator[Sample]:
    from keeper.app.sweeping import Terms, sweep
    from keeper.backtest.inclusion import Model
    from keeper.backtest.sweep import Report, combinations, parts
    from keeper.devnet.history import Plan, make
    from keeper.devnet.history.prices import from_seed

    with tempfile.TemporaryDirectory() as name, _cluster(1) as one, _cluster(2) as two:
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
            began_s = time.perf_counter()
            by_one = swept(on=one)
            one_s = time.perf_counter() - began_s
            began_s = time.perf_counter()
            by_two = swept(on=two)
            two_s = time.perf_counter() - began_s
            assert by_one == by_two == recorded
            yield Sample(len(recorded.rows) * _PARTS / two_s, one_s / two_s)


@contextmanager
def _cluster(workers: int) -> Iterator[str]:
    """Yield the address of a cluster of so many workers, each a process of one thread."""
    from importlib import import_module

    distributed: Any = import_module("distributed")
    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs="ERROR"
    ) as cluster:
        yield str(cluster.scheduler_address)


BENCHMARK = Benchmark(
    name="sweep",
    measures=f"runs of a sweep over {_BLOCKS} blocks on tape, by two workers against one",
    unit="runs/s",
    must=1.6,
    samples=_samples,
)
