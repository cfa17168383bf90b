"""Plans: what is to be closed, through what, for how much; first without its gas, then with it.

A *draft* is everything that local arithmetic can tell. Only the simulation of its very transaction knows
the gas; with it a draft becomes a *plan*, or is declined.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from keeper.domain.address import Address
from keeper.domain.carriage import Carry
from keeper.domain.declined import Declined
from keeper.domain.depth import Flow
from keeper.domain.position import PositionId
from keeper.domain.token import TokenAmount


class Objective(StrEnum):
    """Which of the three sizes is sent."""

    MAX_PROFIT = "max_profit"
    MAX_CLOSE = "max_close"
    RESTORE_HEALTH = "restore_health"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """How a liquidation's profit comes about, in wei of the wrapped native token.

    bonus - price impact - flash fee - tip - gas = net, exactly. The bonus is what was seized less what was
    repaid, both at the pools' prices before the sale; price impact holds the pools' fees too.
    """

    bonus_wei: int
    price_impact_wei: int
    flash_fee_wei: int
    gas_wei: int
    tip_wei: int = 0
    """To the block's builder, out of the measured profit."""

    def __add__(self, other: Waterfall) -> Waterfall:
        return Waterfall(
            bonus_wei=self.bonus_wei + other.bonus_wei,
            price_impact_wei=self.price_impact_wei + other.price_impact_wei,
            flash_fee_wei=self.flash_fee_wei + other.flash_fee_wei,
            gas_wei=self.gas_wei + other.gas_wei,
            tip_wei=self.tip_wei + other.tip_wei,
        )

    @property
    def vault_wei(self) -> int:
        """Return what reaches the vault: everything but the gas, which the operator pays."""
        return self.bonus_wei - self.price_impact_wei - self.flash_fee_wei - self.tip_wei

    @property
    def net_wei(self) -> int:
        """Return what is earned in the end."""
        return self.vault_wei - self.gas_wei


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """One size of one pair, through its best routes: amounts predicted to the wei."""

    repaid: TokenAmount
    seized: TokenAmount
    owed: TokenAmount
    """All that the borrower owes of this debt."""
    buys: tuple[Flow, ...]
    """Collateral to debt token, through parallel routes: they buy exactly what must be paid back."""
    sells: tuple[Flow, ...]
    """What is left, into the wrapped native token. None where it is that already."""
    flash_fee: TokenAmount
    waterfall: Waterfall
    health_factor_after_wad: int

    @property
    def close_factor_bps(self) -> int:
        """Return the share of this debt that is closed, in bps, floored."""
        return self.repaid.raw * 10_000 // self.owed.raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What the operator's key is asked to sign, but for nonce and fees."""

    to: Address
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is worth simulating of one borrower: its transaction, its floor, and what it counts on."""

    market: str
    borrower: Address
    health_factor_wad: int
    objective: Objective
    closes: tuple[Close, ...]
    """One after the other, each of the position as the one before leaves it; as a rule there is one."""
    funding: str
    """The flash sources' names, in the order of the closes."""
    waterfall: Waterfall
    """Of all closes together, the gas left at 0."""
    pools: frozenset[Address]
    """The pools whose depth it uses up."""
    floor_wei: int
    deadline_s: int
    transaction: Transaction
    caveat: str = ""
    """What it rests on that was never verified, where the operator allows that; else empty."""
    others: tuple[PositionId, ...] = ()
    """Whom else its one transaction closes, in their order."""
    carry: Carry | None = None
    """What the vault pays for and keeps, where that is so: then nothing is earned in the transaction."""
    parts: tuple[Draft, ...] = ()
    """What it joins, each by itself on what those before it leave; none where it closes one position."""

    def __hash__(self) -> int:
        """Return a hash of what would be sent: all the rest is in that."""
        return hash(self.transaction.data)

    @property
    def close(self) -> Close:
        """Return the first close."""
        return self.closes[0]

    @property
    def worth_wei(self) -> int:
        """Return what it is worth before gas: what reaches the vault, or what is booked over what is paid."""
        return self.waterfall.vault_wei + self.carried_wei

    @property
    def carried_wei(self) -> int:
        """Return by how much what is carried is booked over what is paid for it; 0 where nothing is."""
        return self.carry.gain_wei if self.carry else 0

    @property
    def position(self) -> PositionId:
        """Return which position it closes."""
        return PositionId(self.market, self.borrower)

    @property
    def positions(self) -> tuple[PositionId, ...]:
        """Return every position that it closes."""
        return (self.position, *self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """EIP-1559 fees and the gas limit of one transaction."""

    gas_limit: int
    max_fee_per_gas_wei: int
    max_priority_fee_per_gas_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """What is offered for a place in a block: a share of a profit, in bps, and what it is a share of."""

    share_bps: int
    of_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A draft whose gas is known and whose profit clears every minimum: ready to be signed."""

    draft: Draft
    gas_used: int
    """What the simulation used."""
    waterfall: Waterfall
    fees: Fees
    ladder: tuple[Plan, ...] = ()
    """Smaller sizes, the largest first, for when the pools have moved before it runs.

    The floor of each is what it brings once they have moved so far that it is the best size. All share a
    nonce: at most one lands.
    """
    bid: Bid | None = None
    """Learned from how earlier ones came out; None where bids are not learned."""

    @property
    def worth_wei(self) -> int:
        """Return what it is worth after gas, whether it is earned at once or carried."""
        return self.waterfall.net_wei + self.draft.carried_wei


Decision: TypeAlias = Plan | Declined
