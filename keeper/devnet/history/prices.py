"""Prices for a history: a real crash's minutes where there is a file of them, else a crash from a seed."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

from keeper.devnet.compile import CHECKOUT
from keeper.devnet.scenario import crash
from keeper.devnet.tokens import TOKENS

RECORDED = (
    CHECKOUT.parent / "shared" / "data" / "crash_2023-08-17_demeter" / "price_weth_usdc_0813_0817.csv.gz"
)
"""Minutes of Ether's price around the 17 August 2023. Not part of the repository."""

_BITCOIN_FALLS_BY = 0.8
"""Of what Ether falls by."""
_FEWEST = 4

Prices = Mapping[str, int]
"""USD by symbol, eight decimals, of those that move."""


class PriceError(ValueError):
    """A file tells no prices; the message says what was expected."""


def from_seed(seed: int, *, steps: int) -> tuple[Prices, ...]:
    """Return the devnet's crash, in so many steps."""
    path = crash(seed, steps=max(steps, _FEWEST))
    return tuple(step.prices_base for step in path[:steps])


def from_csv(path: Path, *, steps: int) -> tuple[Prices, ...]:
    """Return so many steps out of a CSV: those in which Ether falls most.

    Where it is shorter it is stretched. Its first row names a column WETH; what that holds counts as ratios
    of its first. Gzipped where the name ends in ``.gz``. Raises PriceError.
    """
    ratios = _worst(_ratios(path), steps)
    return tuple(
        {
            "WETH": int(TOKENS["WETH"].price_base * ratio),
            "WBTC": int(TOKENS["WBTC"].price_base * (1 + _BITCOIN_FALLS_BY * (ratio - 1))),
            "wstETH": int(TOKENS["wstETH"].price_base * ratio),
        }
        for ratio in ratios
    )


def _ratios(path: Path) -> list[float]:
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else open(path, newline="") as file:
            rows = csv.DictReader(file)
            if "WETH" not in (rows.fieldnames or ()):
                raise PriceError(f"{path}: no column WETH in its first row")
            prices = [float(row["WETH"]) for row in rows if row["WETH"]]
    except (OSError, ValueError) as error:
        raise PriceError(f"{path}: {error}") from None
    if len(prices) < 2 or min(prices) <= 0:
        raise PriceError(f"{path}: expected at least two prices, all above 0")
    return prices


def _worst(prices: Sequence[float], steps: int) -> list[float]:
    """Return `steps` ratios: of the stretch whose last quarter is lowest against its start."""
    if len(prices) <= steps:
        stretched = [prices[index * len(prices) // steps] for index in range(steps)]
        return [price / stretched[0] for price in stretched]
    after = steps // 4
    start = min(
        range(len(prices) - steps + 1),
        key=lambda at: min(prices[at + steps - 1 - after : at + steps]) / prices[at],
    )
    return [price / prices[start] for price in prices[start : start + steps]]
