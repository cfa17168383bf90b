"""What the keeper changed in a past that does not know it: words of storage, carried from block to block.

A word that the keeper's transaction wrote stays until the real chain writes the same slot: a pool that was
sold into is back at its price once somebody has traded it there. The words of a position that was closed are
*its own*: a rival's later liquidation of it, which could not have happened, does not bring them back; only
what its borrower does lets go of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keeper.backtest.past import Laid, Slot, Written
from keeper.domain.address import Address, Hash32
from keeper.domain.state import Mined, Overlay, StateRef


@dataclass(slots=True)
class _Word:
    word: bytes
    chain: bytes
    """What the real chain had in the slot when it was last looked at."""
    borrower: Address | None = None
    """Whose position it is part of."""


class Carried:
    """The words that lie over the chain."""

    def __init__(self) -> None:
        self._words: dict[Slot, _Word] = {}

    def __len__(self) -> int:
        return len(self._words)

    @property
    def contracts(self) -> frozenset[Address]:
        """Return whose storage it is."""
        return frozenset(Address(slot.contract) for slot in self._words)

    def laid(self) -> tuple[Laid, ...]:
        """Return each word and where it lies."""
        return tuple(Laid(at=slot, word=held.word) for slot, held in sorted(self._words.items()))

    def state(self, base: Mined) -> StateRef:
        """Return a block's state with the words over it."""
        if not self._words:
            return base
        storage: dict[Address, dict[Hash32, Hash32]] = {}
        for slot, held in self._words.items():
            storage.setdefault(Address(slot.contract), {})[Hash32(slot.slot)] = Hash32(held.word)
        return Overlay(base=base, storage=storage)

    def carry(self, written: Iterable[Written]) -> None:
        """Lay what a transaction wrote over the chain."""
        for one in written:
            held = self._words.get(one.at)
            if held is None:
                self._words[one.at] = _Word(word=one.after, chain=one.before)
            else:
                held.word = one.after

    def own(self, slots: Iterable[Slot], borrower: Address) -> None:
        """Say which of the words are part of a borrower's position."""
        for slot in slots:
            if (held := self._words.get(slot)) is not None:
                held.borrower = borrower

    def slots(self, *, emitters: frozenset[Address], named: frozenset[Address]) -> tuple[Slot, ...]:
        """Return which slots a block may have written, by its logs' emitters and whom they name.

        A contract that writes what others rely on emits something in the same block.
        """
        return tuple(
            slot
            for slot, held in sorted(self._words.items())
            if (Address(slot.contract) in emitters if held.borrower is None else held.borrower in named)
        )

    def follow(self, chain: Mapping[Slot, bytes], *, liquidated: frozenset[Address]) -> frozenset[Address]:
        """Let go of what the real chain has written since, and return whose positions were let go of.

        `liquidated` are those whose positions a rival closed in the block: that is no act of theirs.
        """
        acted = frozenset(
            held.borrower
            for slot, word in chain.items()
            if (held := self._words[slot]).borrower is not None
            and word != held.chain
            and held.borrower not in liquidated
        )
        for slot, word in chain.items():
            held = self._words[slot]
            if held.borrower is None and word != held.chain:
                del self._words[slot]
            else:
                held.chain = word
        self._words = {slot: held for slot, held in self._words.items() if held.borrower not in acted}
        return acted
