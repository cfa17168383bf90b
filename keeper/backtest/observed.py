"""Liquidations that really happened: any protocol's, by their events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from keeper.abi import Event, load
from keeper.domain.address import Address, Hash32
from keeper.domain.position import PositionId
from keeper.ports import AnyProtocol
from keeper.query import Log


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One liquidation by somebody, where it stands in the chain."""

    position: PositionId
    block_number: int
    transaction: Hash32
    log_index: int
    repaid_raw: int
    seized_raw: int
    debt: Address | None
    """The token repaid, where the event says so."""
    collateral: Address | None


@dataclass(frozen=True, slots=True)
class _Kind:
    event: Event
    borrower: str
    repaid: str
    seized: str
    debt: str | None = None
    collateral: str | None = None


_KINDS: Mapping[Hash32, _Kind] = {
    kind.event.topic: kind
    for kind in (
        _Kind(
            load("aave_v3_pool").event("LiquidationCall"),
            borrower="user",
            repaid="debtToCover",
            seized="liquidatedCollateralAmount",
            debt="debtAsset",
            collateral="collateralAsset",
        ),
        _Kind(
            load("morpho_blue").event("Liquidate"),
            borrower="borrower",
            repaid="repaidAssets",
            seized="seizedAssets",
        ),
    )
}

TOPICS = tuple(_KINDS)
"""The first topics of the events that tell of a liquidation."""


def is_liquidation(log: Log) -> bool:
    """Return whether a log tells of a liquidation."""
    return bool(log.topics) and log.topics[0] in _KINDS


def observed(logs: Iterable[Log], protocols: Sequence[tuple[AnyProtocol, object]]) -> Iterator[Observed]:
    """Yield the liquidations among these logs: of the markets given, each with what is known of it."""
    for log in logs:
        kind = _KINDS.get(log.topics[0]) if log.topics else None
        if kind is None:
            continue
        told = kind.event.decode(log.topics, log.data)
        for protocol, market in protocols:
            for position in sorted(protocol.touched(market, [log]).positions):
                if position.borrower != told[kind.borrower]:
                    continue
                yield Observed(
                    position=position,
                    block_number=log.block_number,
                    transaction=log.transaction,
                    log_index=log.log_index,
                    repaid_raw=told[kind.repaid],
                    seized_raw=told[kind.seized],
                    debt=told[kind.debt] if kind.debt else None,
                    collateral=told[kind.collateral] if kind.collateral else None,
                )
