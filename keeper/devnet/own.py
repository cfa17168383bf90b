"""The devnet's own contracts: what the real ones need and nobody publishes. See ``contracts/devnet``."""

from __future__ import annotations

from functools import cache

from keeper.devnet.compile import CHECKOUT, Compiled, compile_sources

SOURCES = tuple(
    f"contracts/devnet/{name}.sol"
    for name in (
        *("FeedProxy", "LinearRate", "MinimalPreLiquidation", "RatioOracle"),
        *("SettableAggregator", "SilentToken"),
    )
)


@cache
def compile_own() -> Compiled:
    """Return them, compiled."""
    return compile_sources({name: (CHECKOUT / name).read_text() for name in SOURCES})
