"""A market that moves: paths of prices, drawn from a seed or read from a CSV, and their playing on a devnet.

A step is two blocks. The market's: feeds report, pools are arbitraged along. Then the keeper's, 12 s later,
in which the market rests: what a keeper saw is what its transaction meets.

Paths are pure. In a CSV the first row names ``time`` (seconds) and symbols, prices in USD; a column
``base_fee_gwei`` may set the market's base fee. A price that is left empty stays::

    time,WETH,wstETH,base_fee_gwei
    0,3000,3660,8
    24,2910.5,3549,14
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import accumulate
from random import Random

from keeper.devnet.build import BLOCK_S
from keeper.devnet.devnet import Devnet
from keeper.devnet.tokens import TOKENS

STEPS = 16
_STEP_S = 2 * BLOCK_S

# How far the seeded crash goes, as ratios of the starting prices.
_ETHER_FALLS_TO = 0.70
_BITCOIN_FALLS_TO = 0.78
_BEFORE_THE_JUMP = 0.995
_JUMP = 0.922
"""What staked Ether is worth after one block of panic: a position of health 1.02 is bad debt then."""
_AFTER_THE_JUMP = 0.962


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The market at a time: seconds from the first step, and what changes then."""

    at_s: int
    prices_base: Mapping[str, int]
    base_fee_wei: int | None = None


Path = tuple[Step, ...]


class PathError(ValueError):
    """A CSV is no path of prices; the message says in which row, and what was expected."""


def crash(seed: int, *, steps: int = STEPS) -> Path:
    """Return a crash: Ether and Bitcoin fall unevenly, staked Ether breaks from Ether, gas grows dear."""
    if steps < 4:
        raise ValueError(f"{steps} steps: a crash takes at least 4")
    random = Random(seed)
    ether = _fall(random, steps, to=_ETHER_FALLS_TO, plunges=(steps // 4, steps // 2))
    bitcoin = _fall(random, steps, to=_BITCOIN_FALLS_TO, plunges=(steps // 3, steps // 2))
    staked = _break(steps, at=steps * 5 // 8)
    fees_gwei = [
        random.uniform(8, 14) + 16 * math.exp(-(((i - steps / 2) / (steps / 6)) ** 2)) for i in range(steps)
    ]
    return tuple(
        Step(
            at_s=index * _STEP_S,
            prices_base={
                "WETH": int(TOKENS["WETH"].price_base * ether[index]),
                "WBTC": int(TOKENS["WBTC"].price_base * bitcoin[index]),
                "wstETH": int(TOKENS["wstETH"].price_base * ether[index] * staked[index]),
            },
            base_fee_wei=int(fees_gwei[index] * 1e9),
        )
        for index in range(steps)
    )


def read_csv(lines: Iterable[str]) -> Path:
    """Return the path that a CSV tells. Raises PathError."""
    rows = csv.DictReader(lines)
    columns = set(rows.fieldnames or ())
    unknown = columns - {"time", "base_fee_gwei", *TOKENS}
    if "time" not in columns or unknown:
        wrong = f"unknown columns {', '.join(sorted(unknown))}" if unknown else "no column time"
        raise PathError(f"{wrong}: expected time, base_fee_gwei and of {', '.join(TOKENS)}")
    path: list[Step] = []
    start: Decimal | None = None
    for number, row in enumerate(rows, start=2):
        told = {name: _number(number, name, text) for name, text in row.items() if text}
        if "time" not in told:
            raise PathError(f"row {number}: no time")
        start = told["time"] if start is None else start
        at_s = int(told["time"] - start)
        if path and at_s < path[-1].at_s + _STEP_S:
            raise PathError(f"row {number}: a step takes {_STEP_S} s, two blocks: this one comes sooner")
        fee_gwei = told.get("base_fee_gwei")
        path.append(
            Step(
                at_s=at_s,
                prices_base={symbol: int(told[symbol] * 10**8) for symbol in TOKENS if symbol in told},
                base_fee_wei=None if fee_gwei is None else int(fee_gwei * 10**9),
            )
        )
    if not path:
        raise PathError("no rows: expected at least one time with prices")
    return tuple(path)


def play(devnet: Devnet, path: Path, *, rest: Callable[[], object] = lambda: None) -> Iterator[Step]:
    """Yield each step when its market block is mined; when resumed, mine the keeper's block, and go on.

    `rest` is called between the keeper's block and the next step's.
    """
    start_s = devnet.now_s + BLOCK_S
    for step in path:
        at_s = start_s + step.at_s
        devnet.market_block(step.prices_base, base_fee_wei=step.base_fee_wei, at_s=at_s)
        yield step
        devnet.keeper_block(at_s=at_s + BLOCK_S)
        rest()


def _fall(random: Random, steps: int, *, to: float, plunges: tuple[int, int]) -> list[float]:
    """Return ratios that fall from near 1 to `to`, in strides, two plunges, and one small recovery."""
    strides = [random.uniform(0.25, 0.75) for _ in range(steps)]
    for plunge in plunges:
        strides[plunge] += random.uniform(1.6, 2.4)
    strides[steps * 3 // 4] = -0.4
    whole = sum(strides)
    return [math.exp(math.log(to) * gone / whole) for gone in accumulate(strides)]


def _break(steps: int, *, at: int) -> list[float]:
    """Return staked Ether's price over its fair one: it slips, breaks in the step `at`, and recovers half."""
    slip = [1 - (1 - _BEFORE_THE_JUMP) * index / at for index in range(at)]
    mending = steps - at
    return slip + [
        _JUMP + (_AFTER_THE_JUMP - _JUMP) * index / max(mending - 1, 1) for index in range(mending)
    ]


def _number(row: int, column: str, text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise PathError(f"row {row}: {column} is {text!r}, expected a number") from None
    if not number.is_finite() or number < 0:
        raise PathError(f"row {row}: {column} is {text!r}, expected 0 or more")
    return number
