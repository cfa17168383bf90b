"""What a benchmark is: figures of one kind, each beside a baseline that was measured in the same round."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from statistics import median
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from keeper.devnet import Devnet

T = TypeVar("T")
U = TypeVar("U")


class Sample(NamedTuple):
    """What one round measured."""

    value: float
    """In the benchmark's unit."""
    ratio: float
    """Against the baseline of the same round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One figure that must hold."""

    name: str
    measures: str
    """What against what, and on which synthetic data, in a few words."""
    unit: str
    must: float
    at_least: bool = True
    """Whether the ratio must be `must` or more; else `must` or less."""
    samples: Callable[[], Iterator[Sample]]
    """Sets itself up, then yields a sample a round, for as long as it is asked. Raises AssertionError where
    the baseline's answer is another."""

    def reached(self, ratio: float) -> bool:
        """Return whether a ratio is good enough."""
        return ratio >= self.must if self.at_least else ratio <= self.must


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The medians over all rounds; it is well when even the worst round was."""

    benchmark: Benchmark
    value: float
    ratio: float
    ratio_worst: float

    @property
    def ok(self) -> bool:
        return self.benchmark.reached(self.ratio_worst)


def measure(benchmark: Benchmark, *, rounds: int) -> Result:
    """Return what a benchmark measures over so many rounds."""
    samples = list(islice(benchmark.samples(), rounds))
    ratios = [sample.ratio for sample in samples]
    return Result(
        benchmark=benchmark,
        value=median(sample.value for sample in samples),
        ratio=median(ratios),
        ratio_worst=min(ratios) if benchmark.at_least else max(ratios),
    )


def on_devnet(rounds: Callable[[Devnet], AsyncGenerator[Sample, None]]) -> Iterator[Sample]:
    """Yield the samples of rounds that are played on a devnet of their own; they mine its blocks."""
    from keeper.devnet import Devnet

    with Devnet.start(automine=False) as devnet, asyncio.Runner() as runner:
        samples = rounds(devnet)
        try:
            while True:
                yield runner.run(anext(samples))
        finally:
            runner.run(samples.aclose())


class Timed(NamedTuple, Generic[T]):
    """How long a job took, and what it returned."""

    seconds: float
    answer: T


def fastest(job: Callable[[], T], *, times: int = 1) -> Timed[T]:
    """Return the processor's seconds of the fastest of so many runs, and what the job returned.

    The processor's, not the wall's: other work on the machine then counts for neither side. Nor does the
    garbage collector's, as in ``timeit``: how much there is of it depends on what else was imported.
    """
    best_s = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(times):
            began_s = time.process_time()
            answer = job()
            best_s = min(best_s, time.process_time() - began_s)
    finally:
        gc.enable()
    return Timed(best_s, answer)


def in_turns(
    ours: Callable[[], T], plain: Callable[[], U], *, turns: int = 3, ours_times: int, plain_times: int = 1
) -> tuple[Timed[T], Timed[U]]:
    """Return what `fastest` tells of both, by turns: what slows the machine for a while then slows both.

    Let each take about as long in a turn as the other does: neither then finds a quiet moment more easily.
    """
    mine, theirs = fastest(ours, times=ours_times), fastest(plain, times=plain_times)
    for _ in range(turns - 1):
        mine = min(mine, fastest(ours, times=ours_times), key=attrgetter("seconds"))
        theirs = min(theirs, fastest(plain, times=plain_times), key=attrgetter("seconds"))
    return mine, theirs
