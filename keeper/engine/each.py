"""Computing one by one, with time for others in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


async def each(ones: Iterable[T | None], *, of: int) -> tuple[T, ...]:
    """Return all of what is computed one by one, and let others go on in between: heads, answers, a stop.

    None is a step on the way to one. `of` is how many there are: after the last there is no need to.
    """
    found: list[T] = []
    for one in ones:
        if one is not None:
            found.append(one)
        if len(found) < of:
            await asyncio.sleep(0)
    return tuple(found)
