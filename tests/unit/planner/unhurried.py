"""What takes long to work out, worked out at once."""

from __future__ import annotations

from typing import TypeVar

from keeper.planner.selection import Unhurried

T = TypeVar("T")


def at_once(work: Unhurried[T]) -> T:
    """Return what it comes to, with no time for anything else in between."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            result: T = ended.value
            return result
