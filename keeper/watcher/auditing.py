"""The audit: a few positions at every head, held against what the protocol itself says of them there.

What the book knows is derived: from logs that were believed complete, by arithmetic that mirrors contracts.
Should either ever be wrong, this finds it: not at once, but of a thousand positions within hours. Which ones
is drawn from the head's hash, so that nobody knows them beforehand, and whoever replays it draws the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from keeper.domain.errors import Broken
from keeper.domain.head import Head
from keeper.domain.position import PositionId
from keeper.ports import Figures, LendingProtocol, Market, Row
from keeper.query import Query, settle
from keeper.watcher.columns import Columns

_NUMBER_BYTES = 8


def drawn(head: Head, rows: Columns[Any], *, count: int) -> tuple[PositionId, ...]:
    """Return `count` of the positions, or all where there are no more; each is as likely as any other."""
    if len(rows) <= count:
        return tuple(rows)
    places = (
        int.from_bytes(hashlib.sha256(head.hash + n.to_bytes(_NUMBER_BYTES)).digest()) % len(rows)
        for n in range(count)
    )
    return tuple(rows.at(place) for place in dict.fromkeys(places))


def views(
    protocol: LendingProtocol[Market, Row], market: Market, positions: Collection[PositionId]
) -> Query[Mapping[PositionId, Figures]]:
    """Return what the protocol says of these positions; nothing of those that it says nothing of.

    An audit that fails never keeps a head from being read.
    """
    asked = tuple(positions)
    (found,) = yield from settle([protocol.view(market, asked)])
    if isinstance(found, Broken):
        return {}
    return {one: view for one, view in zip(asked, found, strict=True) if view is not None}


def differing(
    protocol: LendingProtocol[Market, Row],
    market: Market,
    rows: Mapping[PositionId, Row],
    told: Mapping[PositionId, Figures],
    *,
    at_s: int,
) -> dict[PositionId, Mapping[str, tuple[int, int]]]:
    """Return the figures, ours and theirs, that differ in these rows at a block of time `at_s`."""
    found: dict[PositionId, Mapping[str, tuple[int, int]]] = {}
    for position, theirs in told.items():
        ours = protocol.figures(market, rows[position], at_s=at_s)
        if ours is not None and ours != theirs:
            found[position] = {
                name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]
            }
    return found
