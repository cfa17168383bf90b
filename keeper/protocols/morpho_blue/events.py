"""Whom a log names, and in which market. The amounts in them are not looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from keeper.abi import load
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


def liquidations(
    morpho: Address, logs: Iterable[Log], *, name_of: Callable[[Hash32], str]
) -> tuple[Liquidation, ...]:
    """Return the liquidations that these logs tell of, which do not name the tokens."""
    found = []
    for log in logs:
        if log.emitter != morpho or log.topics[:1] != (_LIQUIDATED.topic,):
            continue
        told = _LIQUIDATED.decode(log.topics, log.data)
        found.append(
            Liquidation(
                position=PositionId(name_of(Hash32(told["id"])), Address(told["borrower"])),
                liquidator=Address(told["caller"]),
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
