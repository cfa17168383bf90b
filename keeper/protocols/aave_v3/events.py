"""Whom a log names. Events say who changed; the amounts in them are not looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keeper.abi import load
from keeper.domain.address import Address, Hash32, address_of
from keeper.domain.position import PositionId
from keeper.domain.race import Liquidation
from keeper.ports import Filter, Touched
from keeper.protocols.aave_v3.layout import Kept
from keeper.protocols.aave_v3.state import Market
from keeper.query import Log

_POOL = load("aave_v3_pool")
_TOKEN = load("aave_v3_scaled_token")
_BORROW = _POOL.event("Borrow").topic
_LIQUIDATED = _POOL.event("LiquidationCall")

# The places in a log's topics of those whose position it may have changed.

_IN_POOL: dict[Hash32, tuple[int, ...]] = {
    _POOL.event(name).topic: places
    for name, places in {
        "Supply": (2,),
        "Withdraw": (2,),
        "Borrow": (2,),
        "Repay": (2,),
        "LiquidationCall": (3,),
        "UserEModeSet": (1,),
        "ReserveUsedAsCollateralEnabled": (2,),
        "ReserveUsedAsCollateralDisabled": (2,),
        "DeficitCreated": (1,),
    }.items()
}
_IN_TOKENS: dict[Hash32, tuple[int, ...]] = {
    _TOKEN.event(name).topic: places
    for name, places in {"Mint": (2,), "Burn": (1,), "BalanceTransfer": (1, 2)}.items()
}
_CONFIGURATOR = load("aave_v3_configurator")
_LISTED = _CONFIGURATOR.event("ReserveInitialized").topic
_E_MODE_SET_UP = _CONFIGURATOR.event("EModeCategoryAdded").topic
_CONFIGURING = frozenset(
    event.topic
    for interface in (_CONFIGURATOR, load("aave_v3_addresses_provider"))
    for event in interface.events
)


def concerns(pool: Address, market: Market) -> Filter:
    """Return which logs concern the market: the pool's, its tokens', and those that configure it."""
    tokens = [(reserve.a_token, reserve.debt_token) for reserve in market.reserves.values()]
    return Filter(
        emitters=(pool, market.configurator, market.provider, *(token for both in tokens for token in both)),
        topics=(*_IN_POOL, *_IN_TOKENS, *_CONFIGURING),
    )


def discovery(pool: Address) -> Filter:
    """Return which logs name every borrower: who never borrowed owes nothing, and debt can't be sent."""
    return Filter(emitters=(pool,), topics=(_BORROW,))


def liquidating(pool: Address) -> Filter:
    """Return which logs tell of liquidations."""
    return Filter(emitters=(pool,), topics=(_LIQUIDATED.topic,))


def liquidations(pool: Address, logs: Iterable[Log], *, name: str) -> tuple[Liquidation, ...]:
    """Return the liquidations that these logs tell of; others are passed over."""
    found = []
    for log in logs:
        if log.emitter != pool or log.topics[:1] != (_LIQUIDATED.topic,):
            continue
        told = _LIQUIDATED.decode(log.topics, log.data)
        found.append(
            Liquidation(
                position=PositionId(name, Address(told["user"])),
                liquidator=Address(told["liquidator"]),
                debt=Address(told["debtAsset"]),
                repaid_raw=told["debtToCover"],
                collateral=Address(told["collateralAsset"]),
                seized_raw=told["liquidatedCollateralAmount"],
                block_number=log.block_number,
                transaction=log.transaction,
            )
        )
    return tuple(found)


class Configured(NamedTuple):
    """What logs tell of a market's configuration: where to look."""

    listed: tuple[Kept, ...]
    """The reserves that were listed."""
    e_modes: tuple[int, ...] | None
    """The ids that e-modes can have: of those there were, and of those that were set up since. None where the
    logs do not tell."""


def configured(market: Market, logs: Sequence[Log]) -> Configured:
    """Return what these logs tell, which are all there were since the market was read, or none."""
    told = [log for log in logs if log.emitter == market.configurator and len(log.topics) > 1]
    set_up = {int.from_bytes(log.topics[1]) for log in told if log.topics[0] == _E_MODE_SET_UP}
    as_told = bool(told) and all(log.emitter != market.provider for log in logs)
    return Configured(
        listed=tuple(
            Kept(address_of(log.topics[1]), address_of(log.topics[2]))
            for log in told
            if log.topics[0] == _LISTED and len(log.topics) > 2
        ),
        e_modes=tuple(sorted(market.e_modes.keys() | set_up)) if as_told else None,
    )


def touched(pool: Address, market: Market, logs: Iterable[Log], *, name: str) -> Touched:
    """Return whom these logs name, and whether the market itself was configured.

    Logs of other emitters, of other events, or without the topics that their event has, are passed over.
    """
    configuring = {market.configurator, market.provider}
    configuration = False
    words: set[Hash32] = set()
    for log in logs:
        emitter, topics = log.emitter, log.topics
        if not topics:
            continue
        if emitter in configuring:
            configuration = configuration or topics[0] in _CONFIGURING
            continue
        for place in (_IN_POOL if emitter == pool else _IN_TOKENS).get(topics[0], ()):
            if place < len(topics):
                words.add(topics[place])
    return Touched(
        positions=frozenset([PositionId(name, address_of(word)) for word in words]),
        configuration=configuration,
    )
