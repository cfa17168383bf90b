"""Heads of a devnet as the daemon's own engine takes them in, with a crowd in its book that is nowhere else.

A price moves at each. At every other one a real borrower falls below 1, whom the engine finds among all the
others, plans for and simulates over HTTP; at those between they are healthy again.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from keeper.devnet.devnet import BLOCK_S
from keeper.domain.address import Address
from keeper.domain.events import Decided, Planned
from keeper.domain.head import Head
from keeper.domain.position import PositionId
from keeper.planner.options import PlannerOptions
from keeper.ports import NewHead
from keeper.protocols.aave_v3.state import Market, Row, Scaled
from tests.fork.keeper_stage import Stage, stage

if TYPE_CHECKING:
    from keeper.devnet import Devnet
    from keeper.node.endpoint import Endpoint
    from keeper.watcher.book import AnyBook

_ENTRIES, _OFTEN = (2, 3, 4), (50, 30, 20)
_HEALTHS = (1.2, 3)
"""Of the crowd: no move of a price takes it below 1."""
_BELOW = 0.9995
"""How much further than to the first borrower's fall the price goes."""


@dataclass(slots=True, kw_only=True)
class Heads:
    """The stage, and the price at which somebody falls."""

    on: Stage
    away: Away
    book: AnyBook
    price_base: int
    fallen_base: int

    async def next(self, *, somebody_falls: bool) -> Head:
        """Mine a block with a new price, and return its head."""
        devnet = self.on.devnet
        devnet.set_price("WETH", self.fallen_base if somebody_falls else self.price_base)
        devnet.mine()
        return await self.on.head()

    async def take_in(self, head: Head) -> float:
        """Return the processor's seconds from the head's arrival until it was decided upon.

        Not those in which something was asked of the endpoint and not answered yet.
        """
        self.on.heard.clear()
        away_s, began_s = self.away.seconds, time.process_time()
        await self.on.engine.step(NewHead(head=head, seen_at_s=0))
        took_s = time.process_time() - began_s - (self.away.seconds - away_s)
        assert any(isinstance(event, Decided) for event in self.on.heard), self.on.heard
        return took_s

    def planned(self) -> int:
        """Return for how many borrowers there was a plan at the last head."""
        return sum(isinstance(event, Planned) for event in self.on.heard)

    def unhealthy(self, head: Head) -> dict[PositionId, int]:
        """Return the health of each whom the engine's watcher knows to be below 1 in the block after it."""
        block = head.next_block(block_time_s=BLOCK_S)
        seen = self.on.watcher.observe(block=block, deadline_s=block.timestamp_s)
        return {one.position: one.health.health_factor_wad for one in seen.opportunities}


class Away:
    """The processor's seconds that went by while anything was asked of the endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.seconds = 0.0
        self._asking, self._since_s = 0, 0.0
        self._read = endpoint.read
        endpoint.read = self._timed  # type: ignore[method-assign]

    async def _timed(self, *arguments: Any, **named: Any) -> Any:
        if not self._asking:
            self._since_s = time.process_time()
        self._asking += 1
        try:
            return await self._read(*arguments, **named)
        finally:
            self._asking -= 1
            if not self._asking:
                self.seconds += time.process_time() - self._since_s


@asynccontextmanager
async def heads(devnet: Devnet, *, accounts: int) -> AsyncIterator[Heads]:
    """Yield the stage, everything read, with so many accounts more than the devnet has."""
    there = devnet.addresses
    options = PlannerOptions(intermediates=(there.weth, there.tokens["USDC"]))
    async with stage(devnet, options) as on:
        await on.engine.observe(await on.head())
        (book,) = on.watcher.books
        price_base, share = devnet.price_base("WETH"), _share_of_halving(book, there.weth, devnet.now_s)
        book.add(dict(_crowd(book.market, book.protocol.name, accounts)))
        fallen_base = int(price_base * (1 - share / 2) * _BELOW)
        (only,) = on.endpoints.standings
        yield Heads(
            on=on, away=Away(only.endpoint), book=book, price_base=price_base, fallen_base=fallen_base
        )


def _share_of_halving(book: AnyBook, token: Address, at_s: int) -> float:
    """Return how far on the way to half its price a token lets the first borrower fall."""
    prices = book.protocol.prices(book.market)
    reserves = book.market.reserves.values()
    halved = {
        call: price_base // 2
        for (call, price_base), reserve in zip(prices.items(), reserves, strict=True)
        if reserve.token.address == token
    }
    found = book.first_to_fall(prices, {**prices, **halved}, at_s=at_s)
    assert found is not None
    return float(found[0])


def _crowd(market: Market, name: str, accounts: int) -> Iterator[tuple[PositionId, Row]]:
    random = Random(7)
    reserves = [
        one
        for one in market.reserves.values()
        if one.configuration.liquidation_threshold_bps and one.price_base
    ]

    def scaled(id_: int, value_base: float, index_ray: int) -> Scaled:
        reserve = market.reserves[id_]
        return Scaled(id_, int(value_base / reserve.price_base * reserve.unit_raw / index_ray * 1e27))

    for number in range(accounts):
        (width,) = random.choices(_ENTRIES, _OFTEN)
        chosen = random.sample(reserves, width)
        has = chosen[: random.randint(1, width - 1)]
        owes = chosen[len(has) :]
        value_base = 10 ** random.uniform(9, 14) / len(has)
        may_owe_base = sum(value_base * one.configuration.liquidation_threshold_bps / 1e4 for one in has)
        owed_base = may_owe_base / random.uniform(*_HEALTHS) / len(owes)
        yield (
            PositionId(name, Address(b"\xee" * 12 + number.to_bytes(8))),
            Row(
                e_mode=0,
                collaterals=tuple(scaled(one.id, value_base, one.liquidity_index_ray) for one in has),
                debts=tuple(scaled(one.id, owed_base, one.debt_index_ray) for one in owes),
            ),
        )
