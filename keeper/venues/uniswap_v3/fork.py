"""What Uniswap V3 and its forks differ in: data. Their pools compute alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """One kind of deployment."""

    name: str
    tiers: tuple[int, ...]
    """The tiers that pools are looked for in: fees in ppm, or tick spacings."""
    by_tick_spacing: bool = False
    """Whether factory and router tell pools apart by their tick spacing; else by their fee."""
    changing_fee: bool = False
    """Whether a pool's fee may change without a log of the pool's own: it is read at each head."""
    routers_deadline: bool = False
    """Whether the router is Uniswap's first SwapRouter, whose calls have a deadline; else SwapRouter02."""


UNISWAP = Fork(name="uniswap-v3", tiers=(100, 500, 3_000, 10_000))
SUSHI = Fork(name="sushi-v3", tiers=(100, 500, 3_000, 10_000), routers_deadline=True)
PANCAKE = Fork(name="pancake-v3", tiers=(100, 500, 2_500, 10_000))
"""Its callbacks have other names, which concern its router alone: SmartRouter, called as SwapRouter02 is."""
SLIPSTREAM = Fork(
    name="slipstream",
    tiers=(1, 50, 100, 200, 2_000),
    by_tick_spacing=True,
    changing_fee=True,
    routers_deadline=True,
)
"""Velodrome's and Aerodrome's: a fee module says at each moment what a pool takes."""
