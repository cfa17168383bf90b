"""Blocks passed in which nothing can be liquidated, against a fork at each and a call for each borrower."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from _bench.benchmark import Benchmark, Sample

_BLOCKS, _BORROWERS, _FORKED = 400, 300, 5
_STRETCHES = 2
"""About as long as a fork takes; of either the quickest counts, as other work may slow any of them."""


def _samples() -> Iterator[Sample]:
    from keeper.abi import load
    from keeper.app import backtesting
    from keeper.backtest.inclusion import Model
    from keeper.backtest.ledger import Ledger
    from keeper.config import load as settings_of
    from keeper.devnet.history import Plan, make
    from keeper.domain.events import Event, Observed
    from keeper.node.anvil import Anvil

    function = load("aave_v3_pool").function("getUserAccountData")
    os.environ.pop("KEEPER_RPC_URLS", None)
    with make(Plan(blocks=_BLOCKS, borrowers=_BORROWERS, seed=1, prices=())) as history:
        with tempfile.NamedTemporaryFile(suffix=".env") as empty:
            settings = settings_of(env_file=Path(empty.name), environ=history.variables())
        pool = f"0x{history.devnet.addresses.pool.hex()}"

        def below(number: int) -> int:
            """Return how many are below health 1 after a block, by a fork of it."""
            with Anvil(fork_url=history.devnet.anvil.url, fork_block=number) as fork:
                found = 0
                for borrower in history.devnet.addresses.borrowers:
                    call = {"to": pool, "data": f"0x{function.encode(borrower).hex()}"}
                    answer = fork.rpc("eth_call", call, "latest")
                    found += function.decode(bytes.fromhex(answer[2:]))[5] < 10**18
                return found

        while True:
            unhealthy: dict[int, int] = {}
            passed_at_s: list[float] = []  # the first comes when the market was read whole

            def hear(event: Event, told: dict[int, int] = unhealthy) -> None:
                if isinstance(event, Observed):
                    told[event.head.number] = event.unhealthy

            def passed(ledger: Ledger, at_s: list[float] = passed_at_s) -> None:
                at_s.append(time.perf_counter())

            asyncio.run(
                backtesting.backtest(
                    settings,
                    first=history.first_block,
                    last=history.last_block,
                    model=Model(),
                    tell=passed,
                    listener=hear,
                )
            )
            stretch = (_BLOCKS - 1) // _STRETCHES
            ends_s = passed_at_s[::stretch]
            a_second = stretch / min(last_s - first_s for first_s, last_s in pairwise(ends_s))
            forked, took_s = {}, []
            for number in [history.first_block + n * (_BLOCKS // _FORKED) for n in range(_FORKED)]:
                began_s = time.perf_counter()
                forked[number] = below(number)
                took_s.append(time.perf_counter() - began_s)
            assert forked == {number: unhealthy[number] for number in forked}
            yield Sample(a_second, a_second * min(took_s))


BENCHMARK = Benchmark(
    name="backtest",
    measures=f"quiet blocks a second, {_BORROWERS} borrowers, against a fork and a call for each borrower",
    unit="blocks/s",
    must=200,
    samples=_samples,
)
