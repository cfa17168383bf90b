"""Prices as formulas: a feed that moves, or what an adapter makes of others' prices.

A formula is computed from answers by call, so a price that is not on the chain yet is the same formula with
another answer of a feed's.
"""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.address import Address
from keeper.oracles.rules import Rule
from keeper.ports import Feed, Formula, Prices
from keeper.query import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A feed: its answer is whatever was reported last."""

    feed: Feed

    @property
    def feeds(self) -> tuple[Feed, ...]:
        return (self.feed,)

    @property
    def reads(self) -> tuple[Call, ...]:
        return (self.feed.call,)

    @property
    def contracts(self) -> frozenset[Address]:
        return frozenset((self.feed.address, self.feed.reporter))

    def value(self, answers: Prices, *, at_s: int) -> int | None:
        word = answers.get(self.feed.call)
        return None if word is None else _signed(word)


@dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """What counts as 1, since nothing is named in its place."""

    @property
    def feeds(self) -> tuple[Feed, ...]:
        return ()

    @property
    def reads(self) -> tuple[Call, ...]:
        return ()

    @property
    def contracts(self) -> frozenset[Address]:
        return frozenset()

    def value(self, answers: Prices, *, at_s: int) -> int | None:
        return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """An adapter's answer."""

    address: Address
    parts: tuple[Formula, ...]
    constants: tuple[int, ...]
    own: tuple[Call | None, ...]
    """What else it reads, in its rule's order; None for what counts as 1."""
    rule: Rule

    @property
    def feeds(self) -> tuple[Feed, ...]:
        return tuple(dict.fromkeys(feed for part in self.parts for feed in part.feeds))

    @property
    def reads(self) -> tuple[Call, ...]:
        own = (call for call in self.own if call is not None)
        return tuple(dict.fromkeys((*own, *(call for part in self.parts for call in part.reads))))

    @property
    def contracts(self) -> frozenset[Address]:
        return frozenset((self.address,)).union(*(part.contracts for part in self.parts))

    def value(self, answers: Prices, *, at_s: int) -> int | None:
        parts = [part.value(answers, at_s=at_s) for part in self.parts]
        own = [1 if call is None else answers.get(call) for call in self.own]
        known_parts = [one for one in parts if one is not None]
        known_own = [one for one in own if one is not None]
        if len(known_parts) < len(parts) or len(known_own) < len(own):
            return None
        try:
            return self.rule(known_parts, self.constants, known_own, at_s)
        except ArithmeticError:  # a contract that says its unit is 0
            return None


def _signed(word: int) -> int:
    return word - 2**256 if word >> 255 else word
