"""Head to decision: from a head's arrival to what is decided upon it, 100,000 accounts, against a plain loop.

The daemon's own engine takes in a head at which a price moved and a borrower fell below 1: it reads the head
over HTTP, screens, confirms, plans, simulates, decides. What counts is the processor's time, but for that
between a question to the endpoint and its answer. The baseline only tells who is below 1, from what was read
already.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator
from functools import partial
from typing import TYPE_CHECKING

from _bench import _synthetic as synthetic
from _bench.benchmark import Benchmark, Sample, fastest, on_devnet

if TYPE_CHECKING:
    from keeper.devnet import Devnet

_ACCOUNTS = 100_000
_TURNS, _HEADS = 3, 5
"""A round is so many turns, of so many heads at which somebody falls, and a plain loop."""


async def _rounds(devnet: Devnet) -> AsyncGenerator[Sample, None]:
    from _bench._heads import heads
    from keeper.devnet.devnet import BLOCK_S

    async with heads(devnet, accounts=_ACCOUNTS) as stage:
        held = {
            position: synthetic.Account(row.e_mode, row.collaterals, row.debts)
            for position, row in stage.book.rows.items()
        }
        while True:
            ours_s = plain_s = float("inf")
            for _ in range(_TURNS):
                for _ in range(_HEADS):
                    await stage.take_in(await stage.next(somebody_falls=False))
                    head = await stage.next(somebody_falls=True)
                    gc.collect()
                    gc.disable()  # as for the baseline; its pauses are another benchmark's
                    try:
                        ours_s = min(ours_s, await stage.take_in(head))
                    finally:
                        gc.enable()
                    assert stage.planned() == 1
                looped = partial(
                    synthetic.plain_loop, held, market=stage.book.market, at_s=head.timestamp_s + BLOCK_S
                )
                once_s, expected = fastest(looped)
                plain_s = min(plain_s, once_s)
                assert stage.unhealthy(head) == expected
            yield Sample(ours_s * 1e3, plain_s / ours_s)


BENCHMARK = Benchmark(
    name="head-to-decision",
    measures="100,000 accounts, one of them planned for, without the endpoint's time, against a plain loop",
    unit="ms",
    must=20,
    samples=lambda: on_devnet(_rounds),
)
