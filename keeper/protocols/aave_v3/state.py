"""A market's and a borrower's state, as the chain stores it: nothing accrued, nothing derived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from keeper.domain.address import Address
from keeper.domain.token import Token

_UNITS_RAW: tuple[int, ...] = tuple(10**decimals for decimals in range(2**8))


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A reserve's configuration, as its bitmap packs it. Bits that bear on no liquidation are left out."""

    ltv_bps: int
    liquidation_threshold_bps: int
    liquidation_bonus_bps: int
    """10500 where the liquidator gets 5 % on top."""
    decimals: int
    active: bool
    paused: bool
    protocol_fee_bps: int
    """The protocol's share of the bonus."""

    @classmethod
    def unpack(cls, bitmap: int) -> Configuration:
        """Return the configuration. Mirrors ``ReserveConfiguration``."""
        return cls(
            ltv_bps=bitmap & 0xFFFF,
            liquidation_threshold_bps=bitmap >> 16 & 0xFFFF,
            liquidation_bonus_bps=bitmap >> 32 & 0xFFFF,
            decimals=bitmap >> 48 & 0xFF,
            active=bool(bitmap >> 56 & 1),
            paused=bool(bitmap >> 60 & 1),
            protocol_fee_bps=bitmap >> 152 & 0xFFFF,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """One token of the market."""

    id: int
    token: Token
    a_token: Address
    debt_token: Address
    configuration: Configuration
    liquidity_index_ray: int
    liquidity_rate_ray: int
    debt_index_ray: int
    debt_rate_ray: int
    updated_at_s: int
    """When the indices were stored; they grow at the rates from then on."""
    grace_until_s: int
    """Up to and including this time nothing of the reserve is liquidated."""
    cash_raw: int
    """The virtual underlying balance: what can be withdrawn, seized or lent."""
    price_base: int
    """The oracle's price of a whole token; 0 where it gives none."""
    priced: bool
    """Whether the oracle answers at all: where it reverts, so does whatever of the pool asks it."""
    fault: str | None
    """Why nothing of this token is liquidated by us, though the market goes on; None where all is well."""

    @property
    def unit_raw(self) -> int:
        """Return a whole token in raw units, by the market's own count of its decimals."""
        return _UNITS_RAW[self.configuration.decimals]


@dataclass(frozen=True, slots=True, kw_only=True)
class EMode:
    """An e-mode: for the collateral in its bitmap it overrules what the reserve says."""

    id: int
    ltv_bps: int
    liquidation_threshold_bps: int
    liquidation_bonus_bps: int
    collateral_bitmap: int
    ltv_zero_bitmap: int

    def covers(self, reserve_id: int) -> bool:
        """Return whether the reserve's collateral is under this e-mode."""
        return bool(self.collateral_bitmap >> reserve_id & 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Market:
    """What all borrowers of a pool have in common, at one state. Compared by identity: it is large."""

    revision: int
    provider: Address
    configurator: Address
    oracle: Address
    sentinel: Address | None
    sentinel_allows: bool
    """True where there is no sentinel."""
    reserves: Mapping[int, Reserve]
    e_modes: Mapping[int, EMode]

    def threshold_bps(self, reserve: Reserve, e_mode_id: int) -> int:
        """Return the threshold of the reserve's collateral, for borrowers in an e-mode; 0 is none."""
        e_mode = self.e_modes.get(e_mode_id)
        if e_mode is not None and e_mode.covers(reserve.id):
            return e_mode.liquidation_threshold_bps
        return reserve.configuration.liquidation_threshold_bps


class Scaled(NamedTuple):
    """A scaled balance of one reserve."""

    reserve_id: int
    scaled: int


class Row(NamedTuple):
    """A borrower, as stored: presence in `collaterals` or `debts` is the flag in the user's bitmap.

    What was supplied but is not used as collateral backs nothing and is not here.
    """

    e_mode: int
    collaterals: tuple[Scaled, ...]
    debts: tuple[Scaled, ...]
