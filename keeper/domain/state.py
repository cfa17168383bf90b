"""Which state of the chain something was read at. Never a bare ``latest``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from keeper.domain.address import Address, Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """The state after a mined block, named by its hash."""

    hash: Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """The state after a mined block, but for some words of some contracts' storage, or their code.

    Calls and simulations see these; logs and accounts are the block's own.
    """

    base: Mined
    storage: Mapping[Address, Mapping[Hash32, Hash32]]
    """Word by slot, by contract. Where there is none, and no code, it is the block's own state."""
    code: Mapping[Address, bytes] = field(default_factory=dict)

    @property
    def hash(self) -> Hash32:
        """Return the mined block's hash."""
        return self.base.hash


# Flashblocks (Preconf) will be a further member.
StateRef: TypeAlias = Mined | Overlay
