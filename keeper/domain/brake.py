"""Brakes: what landed and is counted, the brake that came on by it, and the release."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.position import PositionId


class Brake(StrEnum):
    """What was too much."""

    GAS = "gas"
    REVERTS = "reverts"
    LOSS = "loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What one transaction did on the chain, and when that was written down."""

    at_s: int
    positions: tuple[PositionId, ...]
    """Whom it was to close."""
    reverted: bool
    gas_wei: int
    profit_wei: int
    """After gas; below 0 where it cost more than it brought."""
    left_out: tuple[PositionId, ...] = ()
    """Those of them whose part failed, though it landed."""
    is_liquidation: bool = True
    """Else it only freed a nonce: its gas counts, and nothing was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripped:
    """A brake that came on, and the figures that led to it, in words for a person."""

    at_s: int
    brake: Brake
    detail: str

    def __str__(self) -> str:
        return f"the brake on {self.brake.value} is on: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """Somebody released whatever brake was on."""

    at_s: int
