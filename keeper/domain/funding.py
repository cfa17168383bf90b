"""What a flash source lends at one state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.domain.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Lendable:
    """A flash source's fee, and how much it has of each token, in raw units."""

    premium_bps: int
    half_up: bool = False
    """Whether the fee rounds half up; else it rounds up."""
    available_raw: Mapping[Address, int]
