"""Which market to watch, as the operator names it."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.address import Address, checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSetting:
    """A market's protocol and address, and the block to look for borrowers from, where one was given."""

    protocol: str
    address: Address
    from_block: int | None

    def __str__(self) -> str:
        return f"{self.protocol}:{checksum(self.address)}"
