"""scripts/bench: run the benchmarks that are named, or all, and print what they measured."""

from __future__ import annotations

import argparse
import json
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

import _bench
from _bench._synthetic import SHAPE
from _bench.benchmark import Benchmark, Result, measure


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 where every ratio is reached, 1 where one is not, 2 where no benchmark has a given name."""
    known = benchmarks()
    arguments = _parser(known).parse_args(argv)
    if unknown := [name for name in arguments.names if name not in known]:
        print(f"bench: there is no {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    if arguments.rounds < 1:
        print("bench: --rounds: expected 1 or more", file=sys.stderr)
        return 2
    show = _json_line if arguments.json else _table_line
    if not arguments.json:
        print(_HEADER)
    results = []
    for name in dict.fromkeys(arguments.names or known):
        result = measure(known[name], rounds=arguments.rounds)
        print(show(result), flush=True)
        results.append(result)
    return 0 if all(result.ok for result in results) else 1


def benchmarks() -> Mapping[str, Benchmark]:
    """Return every benchmark of this package by its name."""
    names = [found.name for found in pkgutil.iter_modules(_bench.__path__) if not found.name.startswith("_")]
    modules = [import_module(f"_bench.{name}") for name in names]
    found = [module.BENCHMARK for module in modules if hasattr(module, "BENCHMARK")]
    return {benchmark.name: benchmark for benchmark in sorted(found, key=lambda one: one.name)}


def _parser(known: Mapping[str, Benchmark]) -> argparse.ArgumentParser:
    listed = "\n".join(f"  {one.name:18}{one.measures}" for one in known.values())
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures what the keeper must be fast at, against a plain baseline in the same run.",
        epilog=f"benchmarks:\n{listed}\n\n{_READING}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which to run (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line instead")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often (default: 5)")
    return parser


_READING = f"""\
what is told of each: the figure itself, and its ratio to the baseline of the same round, both as medians over
the rounds; the ratio of the worst round; what it must reach. It is ok where even the worst round's does. Each
round asserts that both gave the same answer.

The accounts of rescan, rescan-1m and memory: {SHAPE}.

exit code: 0 all are ok, 1 one is not, 2 no such benchmark"""

# --- what is printed ----------------------------------------------------------------------------------------

_HEADER = f"{'':18}{'measured':>22}{'ratio':>10}{'worst':>10}{'must':>10}"


def _table_line(result: Result) -> str:
    benchmark = result.benchmark
    value = (
        f"{result.value:,.3g} {benchmark.unit}"
        if result.value < 1e3
        else f"{result.value:,.0f} {benchmark.unit}"
    )
    must = f"{'≥' if benchmark.at_least else '≤'} {benchmark.must:g}"
    ratios = f"{result.ratio:>10.4g}{result.ratio_worst:>10.4g}"
    return f"{benchmark.name:18}{value:>22}{ratios}{must:>10}  {'ok' if result.ok else 'NOT REACHED'}"


def _json_line(result: Result) -> str:
    return json.dumps(
        {
            "name": result.benchmark.name,
            "value": result.value,
            "unit": result.benchmark.unit,
            "ratio": result.ratio,
            "ratio_worst": result.ratio_worst,
            "must": result.benchmark.must,
            "ok": result.ok,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
