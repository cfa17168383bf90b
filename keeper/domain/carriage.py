"""What the vault's owner lets be carried: money is spent on a token, which stays in the vault for a while."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keeper.domain.address import Address
from keeper.domain.fixed_point import mul_div_up
from keeper.domain.token import TokenAmount


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriage:
    """How one token of the vault's may be spent on another that is carried, at one state."""

    spent: Address
    carried: Address
    left_raw: int
    """How much the owner still lets be spent."""
    stock_raw: int
    """How much of it the vault has."""
    least_wad: int
    """How many units must come for each that is spent; where an oracle is asked, after its prices."""
    by_oracle: bool
    """Whether the vault asks an oracle what both are worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """What a close spends of the vault's money, and what the vault gets for it and keeps."""

    vault: Address
    paid: TokenAmount
    received: TokenAmount
    paid_wei: int
    """What it costs to buy what is paid, in wrapped native coin."""
    booked_wei: int
    """What is received is worth, at the lower of the oracle's price and of what pools pay for it now."""

    @property
    def gain_wei(self) -> int:
        """Return what it is worth more than it costs: earned when the owner has redeemed it, not before."""
        return self.booked_wei - self.paid_wei

    def at(self, *, paid_raw: int, received_raw: int) -> Carry:
        """Return the same of other amounts, valued alike: what is paid rounds up, what is kept down."""
        return replace(
            self,
            paid=replace(self.paid, raw=paid_raw),
            received=replace(self.received, raw=received_raw),
            paid_wei=mul_div_up(self.paid_wei, paid_raw, max(self.paid.raw, 1)),
            booked_wei=self.booked_wei * received_raw // max(self.received.raw, 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What the vault said of one carry that is in a block."""

    spent: Address
    carried: Address
    paid_raw: int
    received_raw: int
