"""Uniswap V2 and its forks: pairs as exact depth, how they are read, and how the router is called.

Mirrors @uniswap/v2-core 1.0.1 and UniswapV2Router02 of @uniswap/v2-periphery 1.1.0-beta.0. A fork is the same
with another factory, another router, and perhaps another fee. Read in this order: ``pool`` (depth),
``venue`` (what the chain is asked, and what the executor calls).
"""

from keeper.venues.uniswap_v2.pool import V2Pool
from keeper.venues.uniswap_v2.venue import UniswapV2

__all__ = ["UniswapV2", "V2Pool"]
