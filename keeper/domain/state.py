"""Which state of the chain something was read at. Never a bare ``latest``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from keeper.domain.address import Address, Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """The state after a mined block, named by its hash."""

    hash: Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """The state after a mined block, but for some words of some contracts' storage.

    Calls and simulations see these words; logs and accounts are the block's own.
    """

    base: Mined
    storage: Mapping[Address, Mapping[Hash32, Hash32]]
    """Word by slot, by contract. Never empty: that is the block's own state."""

    @property
    def hash(self) -> Hash32:
        """Return the mined block's hash."""
        return self.base.hash


# Flashblocks (Preconf) will be a further member.
StateRef: TypeAlias = Mined | Overlay
