"""The search for the smallest amount of which something holds. Knows no protocol."""

from __future__ import annotations

from collections.abc import Callable


def first_amount(least: int, most: int, holds: Callable[[int], bool]) -> int | None:
    """Return the first amount that `holds`, which holds for every larger one too; None where none does.

    Found by ever longer steps from `least`, then halves: most of what is looked for is next to it.
    """
    if holds(least):
        return least
    if not holds(most):
        return None
    step = 1
    while least + step < most:
        if holds(least + step):
            most = least + step
            break
        least += step
        step *= 2
    while most - least > 1:
        middle = (least + most) // 2
        if holds(middle):
            most = middle
        else:
            least = middle
    return most


def smallest(
    least: int, most: int, reaches: Callable[[int], bool], may_reach: Callable[[int, int], bool]
) -> int | None:
    """Return the smallest amount that `reaches`, skipping each range in which nothing `may_reach`."""
    ranges = [(least, most)]
    while ranges:
        low, high = ranges.pop()
        if reaches(low):
            return low
        if low < high and may_reach(low, high):
            middle = (low + high) // 2
            ranges.append((middle + 1, high))
            if low < middle:
                ranges.append((low + 1, middle))
    return None
