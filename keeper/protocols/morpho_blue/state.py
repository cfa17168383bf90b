"""Markets and positions as the chain stores them, and what their oracles and rate models answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from keeper.domain.address import Address, Hash32
from keeper.domain.token import Token


class Totals(NamedTuple):
    """What a market stores of all its positions together: nothing accrued since `updated_at_s`."""

    supply_assets: int
    supply_shares: int
    borrow_assets: int
    borrow_shares: int
    updated_at_s: int
    """0 where the market was never created."""
    fee_wad: int
    """The protocol's share of the interest."""


_NOTHING = Totals(0, 0, 0, 0, 0, 0)


class Position(NamedTuple):
    """What a market stores of one borrower, as far as a liquidation bears on it."""

    borrow_shares: int
    collateral: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a market is made of; it never changes. Its id is the keccak of it."""

    id: Hash32
    loan: Token
    collateral: Token
    oracle: Address
    irm: Address
    """The rate model; the zero address where no interest is paid."""
    lltv_wad: int
    fault: str | None
    """Why nothing of the market is liquidated by us, None where all is well."""

    @property
    def params(self) -> tuple[Address, Address, Address, Address, int]:
        """Return what every call names the market by."""
        return (self.loan.address, self.collateral.address, self.oracle, self.irm, self.lltv_wad)


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedMarket:
    """One market at one state."""

    listing: Listing
    totals: Totals
    rate_wad: int | None
    """Per second, as the rate model answers for these totals; None where it reverts, and calls with it."""
    price: int | None
    """Loan token for one collateral token, raw for raw, times 1e36; None where the oracle reverts."""
    priced_at_s: int | None
    """The time of the state at which this price was first seen."""

    @classmethod
    def listed(cls, listing: Listing) -> Self:
        """Return a market of which no more is known than its listing."""
        return cls(listing=listing, totals=_NOTHING, rate_wad=None, price=None, priced_at_s=None)

    @property
    def is_created(self) -> bool:
        """Return whether the market exists at this state."""
        return self.totals.updated_at_s > 0

    @property
    def is_live(self) -> bool:
        """Return whether anybody owes anything."""
        return self.totals.borrow_shares > 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Markets:
    """Every market of one Morpho that is watched, by its name. Compared by identity: it is large."""

    by_name: Mapping[str, IsolatedMarket]


class Row(NamedTuple):
    """A borrower in one market."""

    market: str
    position: Position
