"""Several borrowers in one transaction: what that saves is what each costs before it does anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

from keeper.domain.observation import Observation
from keeper.domain.plan import Draft
from keeper.planner.drafting import Drafted
from keeper.planner.planner import Planner
from keeper.planner.proposal import Chosen

_MOST_GAS = 11_000_000
"""Of one transaction, for its gas limit, half as much again, to stay below 2**24 (EIP-7825)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Drafts that come first in an order, and the one that does what they do."""

    parts: tuple[Draft, ...]
    joined: Drafted

    def is_head_of(self, in_order: Sequence[Draft]) -> bool:
        """Return whether these very drafts still come first."""
        return tuple(in_order[: len(self.parts)]) == self.parts


def batch(
    seen: Observation, planner: Planner, chosen: Sequence[Chosen], gas_used: Mapping[Draft, int]
) -> Batch | None:
    """Return the first drafts of an order as one: as many as there is gas for, and as the options allow.

    `gas_used` is what each uses by itself. None where one alone is left.
    """
    running = [one for one in chosen if isinstance(one.drafted, Drafted)]
    running = list(takewhile(_earns, running))[: planner.options.most_joined]
    parts = tuple(one.drafted.draft for one in running if isinstance(one.drafted, Drafted))
    parts = parts[: fitting(gas_used[draft] for draft in parts)]
    if len(parts) < 2:
        return None
    joined = planner.joined(seen, running[: len(parts)], [gas_used[draft] for draft in parts])
    return Batch(parts=parts, joined=joined)


def _earns(one: Chosen) -> bool:
    """Return whether it earns something in its transaction: what is carried has a floor of nothing."""
    return isinstance(one.drafted, Drafted) and one.drafted.draft.carry is None


def fitting(gas_used: Iterable[int]) -> int:
    """Return how many of these, in their order, one transaction has gas for."""
    return sum(so_far <= _MOST_GAS for so_far in accumulate(gas_used))
