"""Which market to watch, as the operator names it."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.address import Address, checksum
from keeper.markets import KnownMarket, directory


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSetting:
    """A market's protocol and address, and a block to look for borrowers from, where one was given."""

    protocol: str
    address: Address
    from_block: int | None
    known: KnownMarket | None = None
    """Which of those at this address was meant, where one was named: it is on one chain."""

    def __str__(self) -> str:
        return f"{self.protocol}:{self.known.name if self.known else checksum(self.address)}"

    @property
    def may_be_on(self) -> tuple[KnownMarket, ...]:
        """Return what is known by this name or address, on each chain; empty where nothing is."""
        return (self.known,) if self.known else directory().at(self.protocol, self.address)
