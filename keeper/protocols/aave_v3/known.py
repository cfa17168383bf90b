"""Which pool revisions are known: how to compute in each, and where it keeps things."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from keeper.domain.errors import Broken
from keeper.protocols.aave_v3 import revision_1, revision_7, revision_8, revision_10, revision_11
from keeper.protocols.aave_v3.layout import V3_0, V3_1, V3_2, V3_6, V3_7, Layout
from keeper.protocols.aave_v3.revision import Revision


class Known(NamedTuple):
    """A pool revision's arithmetic and layout."""

    revision: Revision
    layout: Layout


KNOWN: Mapping[int, Known] = MappingProxyType(
    {
        1: Known(revision_1, V3_0),
        3: Known(revision_1, V3_0),
        4: Known(revision_1, V3_1),
        6: Known(revision_1, V3_2),
        7: Known(revision_7, V3_2),
        8: Known(revision_8, V3_2),
        9: Known(revision_10, V3_2),
        10: Known(revision_10, V3_6),
        11: Known(revision_11, V3_7),
    }
)
"""By what the pool answers to ``POOL_REVISION``: those that cases were recorded of, or that sources name.

3, 4 and 6 are 3.0.2, 3.1 and 3.2, whose liquidations are 3.0's; 2 and 5 nothing is certain of.
"""


def _nearest(number: int) -> int:
    """Return the known revision that is next below another one, or the oldest."""
    return max((one for one in KNOWN if one <= number), default=min(KNOWN))


def known(number: int, *, allow_unverified: bool) -> Known:
    """Return what is known of a revision; of another one, if that is allowed, of the next below it.

    Raises Broken where the revision is not known.
    """
    if number in KNOWN:
        return KNOWN[number]
    if not allow_unverified:
        raise Broken(
            f"pool revision {number} is not known, {', '.join(map(str, KNOWN))} are: nothing is sent to it "
            "unless KEEPER_ALLOW_UNVERIFIED=true"
        )
    return KNOWN[_nearest(number)]


def caveat(number: int) -> str:
    """Return what has to be said of all that is computed for a revision; empty where it is known."""
    return (
        ""
        if number in KNOWN
        else f"pool revision {number} is not known: computed as revision {_nearest(number)}"
    )
