"""Computing one by one, with time for others in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


async def each(ones: Iterable[T]) -> tuple[T, ...]:
    """Return all of what is computed one by one, and let others go on in between: heads, answers, a stop."""
    found: list[T] = []
    for one in ones:
        found.append(one)
        await asyncio.sleep(0)
    return tuple(found)
