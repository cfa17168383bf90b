"""Which state of the chain something was read at. Never a bare ``latest``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from keeper.domain.address import Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """The state after a mined block, named by its hash."""

    hash: Hash32


# Flashblocks (Preconf) and prices that are not on chain yet (Overlay) will be further members.
StateRef: TypeAlias = Mined
