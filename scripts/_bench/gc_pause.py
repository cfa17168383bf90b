"""The garbage collector's longest pause while heads are taken in and decided upon, as the daemon has it run.

What was loaded is frozen before the first head, by the daemon's own function: a full collection would go
through it all. A pause is the processor's time from a collection's start to its end.
"""

from __future__ import annotations

import gc
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from _bench.benchmark import Benchmark, Sample, on_devnet

if TYPE_CHECKING:
    from keeper.devnet import Devnet

_ACCOUNTS = 100_000
_HEADS = 40


async def _rounds(devnet: Devnet) -> AsyncGenerator[Sample, None]:
    from _bench._heads import heads
    from keeper.app.running import freeze_loaded

    async with heads(devnet, accounts=_ACCOUNTS) as stage:
        freeze_loaded()
        try:
            while True:
                with _pauses() as pauses_s:
                    for number in range(_HEADS):
                        await stage.take_in(await stage.next(somebody_falls=number % 2 == 1))
                    gc.collect()  # the fullest that may happen: whatever these heads left
                yield Sample(max(pauses_s) * 1e3, max(pauses_s) * 1e3)
        finally:
            gc.unfreeze()


@contextmanager
def _pauses() -> Iterator[list[float]]:
    """Yield a list that each collection's processor seconds are added to."""
    pauses_s: list[float] = []
    began_s = 0.0

    def hear(phase: str, _: object) -> None:
        nonlocal began_s
        if phase == "start":
            began_s = time.process_time()
        else:
            pauses_s.append(time.process_time() - began_s)

    gc.callbacks.append(hear)
    try:
        yield pauses_s
    finally:
        gc.callbacks.remove(hear)


BENCHMARK = Benchmark(
    name="gc-pause",
    measures=f"the collector's longest pause over {_HEADS} heads, 100,000 accounts (the ratio is the figure)",
    unit="ms",
    must=5,
    at_least=False,
    samples=lambda: on_devnet(_rounds),
)
