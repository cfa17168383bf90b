"""Memory: what the process grows by for 1,000,000 accounts, all in, index by address included."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from _bench.benchmark import Benchmark, Sample

_ACCOUNTS = 1_000_000


def _samples() -> Iterator[Sample]:
    while True:  # in a process of its own: what another benchmark left free would hide what this one takes
        done = subprocess.run([sys.executable, "-m", "_bench.memory"], capture_output=True, check=True)
        grown_bytes = json.loads(done.stdout) / _ACCOUNTS
        yield Sample(grown_bytes, grown_bytes)


def _measure() -> None:
    from _bench import _synthetic as synthetic

    assert len(synthetic.book(1_000).rows) == 1_000
    before = _resident_bytes()
    assert len(synthetic.book(_ACCOUNTS).rows) == _ACCOUNTS
    gc.collect()
    print(_resident_bytes() - before)


def _resident_bytes() -> int:
    status = Path("/proc/self/status").read_text("ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


BENCHMARK = Benchmark(
    name="memory",
    measures="bytes an account, all in, at 1,000,000 accounts (the ratio is the figure itself)",
    unit="B",
    must=350,
    at_least=False,
    samples=_samples,
)

if __name__ == "__main__":
    _measure()
