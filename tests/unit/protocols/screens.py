"""Whether a position passes the watcher's screen: what the properties of every protocol's weights need."""

from __future__ import annotations

from typing import Any

from keeper.domain.fixed_point import WAD
from keeper.domain.position import PositionId
from keeper.ports import LendingProtocol
from keeper.watcher.columns import Columns


def passes(
    protocol: LendingProtocol[Any, Any],
    market: Any,
    position: PositionId,
    row: Any,
    *,
    below_wad: int,
    at_s: int,
) -> bool:
    """Return whether the screen lets the position through; its row comes out of the columns as it went in."""
    held: Columns[Any] = Columns(pack=protocol.pack, unpack=protocol.unpack)
    held.put({position: row})
    assert held[position] == row
    weights = protocol.weights(market, held.slots, at_s=at_s)
    return position in held.screen(weights, below=below_wad / WAD)
