"""The chain as it was followed: its last blocks by their hashes, and what each of them touched.

Where a head is not the child of the last one, the blocks that are kept tell where its branch left ours: what
was touched since then, on either branch, is to be read again. Knows neither what a touch is nor how anything
is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from keeper.domain.head import Head
from keeper.domain.observation import Rejoined
from keeper.ports import Link, T
from keeper.query import Query, block_hashes

_FIRST_LOOK = 4
"""Blocks whose hashes are asked for at once to begin with: few branches are left deeper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain(Generic[T]):
    """The last blocks followed, oldest first; each an ancestor of the next one."""

    depth: int
    """How many blocks may be taken back and their branch still be known."""
    links: tuple[Link[T], ...] = ()

    def grown(self, head: Head, touched: T) -> Chain[T]:
        """Return the chain with `head` on top. Raises ValueError where it is not above the last block."""
        if self.links and head.number <= self.links[-1].number:
            raise ValueError(f"block {head.number} is not above block {self.links[-1].number}")
        oldest = head.number - self.depth
        below = next((n for n, link in enumerate(self.links) if link.number > oldest), len(self.links))
        kept = self.links[max(below - 1, 0) :]  # one at or below it, for a branch to be told to leave above
        return Chain(
            depth=self.depth,
            links=(*kept, Link(number=head.number, hash=head.hash, touched=touched)),
        )

    def cut(self, kept: int) -> Chain[T]:
        """Return the chain's first `kept` links."""
        return Chain(depth=self.depth, links=self.links[:kept])

    def shared(self, head: Head) -> Query[int]:
        """Return how many links are on the branch of `head`: all, and without a question, of its parent's.

        The link of `head` itself counts. 0 where that branch left ours before the oldest link.
        """
        for place in range(len(self.links), 0, -1):
            if self.links[place - 1].hash in (head.hash, head.parent):
                return place
        below = [place for place, link in enumerate(self.links) if link.number < head.number]
        for places in (below[-_FIRST_LOOK:], below[:-_FIRST_LOOK]):
            if kept := (yield from self._shared_of(places, head)):
                return kept
        return 0

    def _shared_of(self, places: Sequence[int], head: Head) -> Query[int]:
        """Return how many links are shared, as far as these places tell; 0 where none of them is."""
        if not places:
            return 0
        numbers = [self.links[place].number for place in places]
        hashes = yield from block_hashes(numbers, head=head)
        return max(
            (
                place + 1
                for place, theirs in zip(places, hashes, strict=True)
                if self.links[place].hash == theirs
            ),
            default=0,
        )


def rejoined(source: str, head: Head, last: Head, chain: Chain[T], *, kept: int) -> Rejoined | None:
    """Return how `head` goes on from `last`, whose `chain` it shares `kept` links of; None from its child."""
    base = chain.links[kept - 1].number if kept else chain.links[0].number - 1
    abandoned, missed = last.number - base, max(head.number - base - 1, 0)
    if kept and not abandoned and not missed:
        return None
    return Rejoined(source=source, abandoned_blocks=abandoned, missed_blocks=missed, whole=kept == 0)
