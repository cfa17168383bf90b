"""Whom a log names, and in which market. The amounts in them are not looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from keeper.abi import Event, load
from keeper.domain.address import Address, Hash32, address_of
from keeper.domain.position import PositionId
from keeper.domain.race import Liquidation
from keeper.ports import Filter, Touched
from keeper.protocols.morpho_blue.state import Markets
from keeper.query import Log

_MORPHO = load("morpho_blue")
_CREATED = _MORPHO.event("CreateMarket").topic
_BORROWED = _MORPHO.event("Borrow").topic
_LIQUIDATED = _MORPHO.event("Liquidate")

_BORROWER_AT: dict[Hash32, int] = {
    _MORPHO.event(name).topic: place
    for name, place in {
        "Borrow": 2,
        "Repay": 3,
        "SupplyCollateral": 3,
        "WithdrawCollateral": 2,
        "Liquidate": 3,
    }.items()
}
"""The place in a log's topics of whose position it may have changed."""


class Named(NamedTuple):
    """What one log is about."""

    id: Hash32
    borrower: Address | None
    """None where it tells of the market itself."""
    begins: bool
    """A market, or perhaps its first debt, begins: whoever follows it must look at it again."""


def concerns(morpho: Address) -> Filter:
    """Return which logs concern the markets: those that create one, and those that change a position."""
    return Filter(emitters=(morpho,), topics=(_CREATED, *_BORROWER_AT))


def discovery(morpho: Address) -> Filter:
    """Return which logs name every market and every borrower: debt can't be had in another way."""
    return Filter(emitters=(morpho,), topics=(_CREATED, _BORROWED))


def named(morpho: Address, logs: Iterable[Log]) -> Iterator[Named]:
    """Yield what each log is about. Those of other emitters, events or topics are passed over."""
    for log in logs:
        if log.emitter != morpho or len(log.topics) < 2:
            continue
        kind, id_ = log.topics[:2]
        if kind == _CREATED:
            yield Named(id_, None, True)
            continue
        place = _BORROWER_AT.get(kind)
        if place is not None and place < len(log.topics):
            yield Named(id_, address_of(log.topics[place]), kind == _BORROWED)


def liquidating(morpho: Address) -> Filter:
    """Return which logs tell of liquidations."""
    return Filter(emitters=(morpho,), topics=(_LIQUIDATED.topic,))


def by_morpho(
    morpho: Address, logs: Iterable[Log], *, name_of: Callable[[Hash32], str]
) -> tuple[Liquidation, ...]:
    """Return the liquidations by Morpho itself that these logs tell of."""
    return liquidations(
        (log for log in logs if log.emitter == morpho),
        _LIQUIDATED,
        by="caller",
        where=lambda log, told: name_of(Hash32(told["id"])),
    )


def liquidations(
    logs: Iterable[Log], event: Event, *, by: str, where: Callable[[Log, Mapping[str, Any]], str]
) -> tuple[Liquidation, ...]:
    """Return the liquidations that these logs tell of by such an event, which does not name the tokens.

    `by` is what it calls the liquidator, and `where` tells in which market a position is.
    """
    found = []
    for log in logs:
        if log.topics[:1] != (event.topic,):
            continue
        told = event.decode(log.topics, log.data)
        found.append(
            Liquidation(
                position=PositionId(where(log, told), Address(told["borrower"])),
                liquidator=Address(told[by]),
                debt=None,
                repaid_raw=told["repaidAssets"],
                collateral=None,
                seized_raw=told["seizedAssets"],
                block_number=log.block_number,
                transaction=log.transaction,
            )
        )
    return tuple(found)


def touched(markets: Markets, told: Iterable[Named], *, name_of: Callable[[Hash32], str]) -> Touched:
    """Return whose positions are named, and whether a market must be read that is not followed yet."""
    positions: set[PositionId] = set()
    configuration = False
    names: dict[Hash32, str] = {}
    for one in told:
        name = names.get(one.id) or names.setdefault(one.id, name_of(one.id))
        if not configuration:
            market = markets.by_name.get(name)
            configuration = market is None or (one.begins and not market.is_live)
        if one.borrower is not None:
            positions.add(PositionId(name, one.borrower))
    return Touched(positions=frozenset(positions), configuration=configuration)
