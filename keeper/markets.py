"""The markets that are known by name: data that ships with the keeper, made by ``scripts/build-markets``.

Any other market works too, given by its address; what is known of one is on which chain it is, and a block
from which its borrowers can be looked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from keeper.domain.address import Address, parse_address


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMarket:
    """One market: its name is its own among those of its protocol."""

    name: str
    protocol: str
    chain_id: int
    chain: str
    address: Address
    from_block: int
    """Not later than its deployment; 0 where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """All known markets, by chain and name."""

    source: str
    """The package, with its version, that Aave's are from."""
    markets: tuple[KnownMarket, ...]

    def named(self, protocol: str, name: str) -> KnownMarket | None:
        """Return the market of that name."""
        found = (one for one in self.markets if (one.protocol, one.name) == (protocol, name))
        return next(found, None)

    def names(self, protocol: str) -> tuple[str, ...]:
        """Return the names of a protocol's markets."""
        return tuple(one.name for one in self.markets if one.protocol == protocol)

    def at(self, protocol: str, address: Address) -> tuple[KnownMarket, ...]:
        """Return the markets at an address: on several chains there may be one each."""
        return tuple(one for one in self.markets if (one.protocol, one.address) == (protocol, address))

    def chain(self, chain_id: int) -> str | None:
        """Return what a chain with markets on it is called."""
        return next((one.chain for one in self.markets if one.chain_id == chain_id), None)


@cache
def directory() -> Directory:
    """Return what ships with the keeper."""
    told = json.loads((files("keeper") / "data" / "markets.json").read_text("utf-8"))
    return Directory(source=told["source"], markets=tuple(map(_market, told["markets"])))


def _market(told: dict[str, Any]) -> KnownMarket:
    return KnownMarket(**{**told, "address": parse_address(told["address"])})
