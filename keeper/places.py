"""Venues and lenders by name: how the operator and the tables of chains speak of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from keeper.domain.address import Address, checksum

_FACTORY_AND_ROUTER = ("factory", "router")

VENUES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "uniswap-v2": _FACTORY_AND_ROUTER,
        "uniswap-v3": _FACTORY_AND_ROUTER,
        "sushi-v2": _FACTORY_AND_ROUTER,
        "sushi-v3": _FACTORY_AND_ROUTER,
        "pancake-v2": _FACTORY_AND_ROUTER,
        "pancake-v3": _FACTORY_AND_ROUTER,
        "slipstream": _FACTORY_AND_ROUTER,
        "erc4626": (),
        "wsteth": ("wstETH",),
        "erc20-wrapper": ("wrapper",),
    }
)
"""The kinds of venue, each with the contracts that it is told by."""

LENDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "aave-v3": ("pool",),
        "balancer-v2": ("vault",),
        "morpho": ("Morpho",),
        "pancake-v3": ("factory",),
        "uniswap-v3": ("factory",),
        "vault": (),
    }
)
"""The kinds of flash lender, each with the contracts that it is told by; ``vault`` is the operator's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A venue or a lender: its kind, and its contracts in the order in which the kind names them."""

    kind: str
    addresses: tuple[Address, ...] = ()

    def __str__(self) -> str:
        return ":".join((self.kind, *map(checksum, self.addresses)))
