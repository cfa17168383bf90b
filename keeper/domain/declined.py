"""Why something was left alone. No error: it is counted, journalled and shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """One word for why; `Declined.detail` has the figures."""

    # what the protocol's state rules out
    HEALTHY = "healthy"
    INACTIVE = "inactive"
    PAUSED = "paused"
    IN_GRACE = "in grace"
    SENTINEL = "sentinel"
    NO_CASH = "no cash"
    ZERO_PRICE = "zero price"
    DUST = "dust"
    BAD_DEBT = "bad debt"
    UNVERIFIED = "unverified"
    # what the operator rules out
    DENIED = "denied"
    BASE_FEE = "base fee"
    NO_GAS = "no gas"
    NO_COST = "no cost"
    DIVERGENCE = "divergence"
    STALE_ORACLE = "stale oracle"
    # what the market rules out
    CANT_BE_SOLD = "can't be sold"
    """No pool takes the collateral, or gives the debt for it, whatever the amount."""
    NO_ROUTE = "no route"
    """There are pools, and they do not hold enough."""
    NO_FUNDING = "no funding"
    UNPROFITABLE = "unprofitable"
    ORACLE_ONLY = "oracle only"
    """A profit at the oracle's price alone: no sale brings it."""
    BELOW_MINIMUM = "below minimum"
    ODDS = "odds"
    """It would be lost too often, for what it earns when it is won and what a lost race costs."""
    OUT_OF_REACH = "out of reach"
    NOT_CARRIED = "not carried"
    """It could be carried, and the vault's owner does not allow it, or no more of it."""
    NO_STOCK = "no stock"
    """It could be carried, and the vault has not the money."""
    # what the moment rules out
    IN_FLIGHT = "in flight"
    BLOCK_FULL = "block full"
    SIMULATION = "simulation"
    FEE_ON_TRANSFER = "fee on transfer"
    """A token that keeps a part of what is sent: the simulation has shown it."""
    STALE = "stale"
    """What was read of it is not of one state."""
    # what the brakes rule out
    HELD = "held"
    BACKING_OFF = "backing off"
    TOO_MANY = "too many in flight"
    TOO_LARGE = "too large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """A reason, with the figures that led to it, in words for a person."""

    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value
