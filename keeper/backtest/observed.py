"""Liquidations that really happened: any protocol's, by their events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from keeper.domain.address import Address, Hash32
from keeper.domain.position import PositionId
from keeper.ports import AnyProtocol, Filter
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


def telling(watched: Sequence[tuple[AnyProtocol, object]]) -> Filter:
    """Return which logs tell of a liquidation in any of these markets."""
    filters = [protocol.liquidating(market) for protocol, market in watched]
    return Filter(
        emitters=tuple(sorted({emitter for one in filters for emitter in one.emitters})),
        topics=tuple(sorted({topic for one in filters for topic in one.topics})),
    )


def observed(logs: Iterable[Log], watched: Sequence[tuple[AnyProtocol, object]]) -> Iterator[Observed]:
    """Yield the liquidations among these logs, each once: of the protocols given, with their markets.

    Whose an event is its protocol says: another one may only be concerned by it.
    """
    for log in logs:
        for protocol, market in watched:
            for one in protocol.liquidations(market, (log,)):
                yield Observed(
                    position=one.position,
                    block_number=one.block_number,
                    transaction=one.transaction,
                    log_index=log.log_index,
                    repaid_raw=one.repaid_raw,
                    seized_raw=one.seized_raw,
                    debt=one.debt,
                    collateral=one.collateral,
                )
