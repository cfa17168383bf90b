"""Uniswap V3 and its forks: pools as exact depth, how they are read, and how the router is called.

Mirrors @uniswap/v3-core 1.0.1 and SwapRouter02 of @uniswap/swap-router-contracts 1.3.1. Read in this order:
``walk`` (a swap, step by step), ``pool`` (depth), ``fork`` (what forks differ in), ``queries`` (what the
chain is asked), ``calls`` (what the executor calls), ``venue`` (all of it as a :class:`keeper.ports.Venue`).
"""

from keeper.venues.uniswap_v3.fork import PANCAKE, SLIPSTREAM, SUSHI, UNISWAP, Fork
from keeper.venues.uniswap_v3.pool import PoolKey, V3Pool
from keeper.venues.uniswap_v3.venue import UniswapV3
from keeper.venues.uniswap_v3.walk import State, Ticks, Walk

__all__ = [
    "PANCAKE",
    "SLIPSTREAM",
    "SUSHI",
    "UNISWAP",
    "Fork",
    "PoolKey",
    "State",
    "Ticks",
    "UniswapV3",
    "V3Pool",
    "Walk",
]
