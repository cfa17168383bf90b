"""The devnet's own contracts: what the real ones need and nobody publishes. See ``contracts/devnet``."""

from __future__ import annotations

from functools import cache

from keeper.devnet.compile import CHECKOUT, Compiled, compile_sources, with_imports

SOURCES = tuple(
    f"contracts/devnet/{name}.sol"
    for name in (
        *("DualAggregator", "FeedProxy", "LinearRate", "MinimalPreLiquidation", "PancakeDeployer"),
        *(
            "PriceAdapters",
            "RatioOracle",
            "RollupFees",
            "SettableAggregator",
            "ShareVault",
            "SilentToken",
            "StakedEther",
        ),
    )
)


@cache
def compile_own() -> Compiled:
    """Return them, compiled."""
    return compile_sources(with_imports({name: (CHECKOUT / name).read_text() for name in SOURCES}))
