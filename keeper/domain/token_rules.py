"""What may be done with which token: the operator's word on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.address import Address


class TokenClass(StrEnum):
    """What may become of a token that is seized, repaid, or passed through."""

    ATOMIC = "atomic"
    """It is sold, unwrapped or redeemed within the transaction, whole."""
    CARRY = "carry"
    """Where that can't be, it may stay in the vault, paid for by the vault, as far as its owner allows."""
    NEVER = "never"
    """It is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """The class of each token: those that are named, and all others."""

    named: frozenset[tuple[Address, TokenClass]] = frozenset()
    others: TokenClass = TokenClass.ATOMIC

    def never(self, tokens: Iterable[Address]) -> frozenset[Address]:
        """Return which of the tokens are left alone."""
        classes = dict(self.named)
        return frozenset(one for one in tokens if classes.get(one, self.others) is TokenClass.NEVER)

    @property
    def carried(self) -> tuple[Address, ...]:
        """Return the tokens that may stay in the vault, in the order of their addresses."""
        return tuple(sorted(one for one, kind in self.named if kind is TokenClass.CARRY))


ALL_ATOMIC = TokenRules()
