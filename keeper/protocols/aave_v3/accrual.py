"""A market's indices at one block time, worked out once however much is computed with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from keeper.protocols.aave_v3.revision import Indices
from keeper.protocols.aave_v3.state import Market

_REMEMBERED = 4
"""A few markets at a head, and of each the state that was and the one that is."""


@lru_cache(maxsize=_REMEMBERED)
def accrued(accrue: Callable[..., Indices], market: Market, *, at_s: int) -> Mapping[int, Indices]:
    """Return each reserve's indices at `at_s` by a revision's formula, by its id.

    A market never changes: another state of it is another market.
    """
    return {id_: accrue(reserve, at_s=at_s) for id_, reserve in market.reserves.items()}
