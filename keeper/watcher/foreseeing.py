"""What a pending transaction makes of prices, and whom that lets fall.

Whether it has a part in a price is told by whom it calls: a contract that a price passes through, one that a
feed's reports go to, or a forwarder that is told to call one of these. What the prices are behind it, only
running it can tell: it is simulated upon the head, and each price is asked for after it in the same block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keeper.abi import load, uint
from keeper.domain.address import Address
from keeper.domain.fixed_point import WAD
from keeper.domain.head import NextBlock
from keeper.domain.pending import PendingTransaction, PriceMove
from keeper.domain.position import PositionId
from keeper.ports import Prices
from keeper.query import Call, Query, SimulatedCall, simulate
from keeper.watcher.book import AnyBook
from keeper.watcher.pricing import Pricing

_FORWARD = load("price_source").function("forward")
_READER = Address(b"\xfe" * 20)
"""Who asks for the prices: nobody."""
_WORD = 32


def concerned(pricing: Pricing, transaction: PendingTransaction) -> tuple[Call, ...]:
    """Return the prices that a transaction may have a part in; none for almost all transactions."""
    called = {transaction.to, *_forwarded(transaction.data)}
    return () if called.isdisjoint(pricing.contracts) else pricing.behind(called)


def prices_behind(
    transaction: PendingTransaction, asked: Sequence[Call], block: NextBlock
) -> Query[Prices | None]:
    """Return what these calls answer behind a transaction in `block`; None where it reverts there."""
    ran = yield from simulate(
        (
            SimulatedCall(transaction.sender, transaction.to, transaction.data),
            *(SimulatedCall(_READER, call.to, call.data) for call in asked),
        ),
        block,
    )
    if ran[0].reverted:
        return None
    return {
        call: None if told.reverted or len(told.returned) < _WORD else uint(told.returned)
        for call, told in zip(asked, ran[1:], strict=True)
    }


def moves(books: Sequence[AnyBook], pricing: Pricing, prices: Prices) -> Iterator[PriceMove]:
    """Yield each of the books' prices that would be another."""
    for book in books:
        was = book.protocol.prices(book.market)
        for origin, _ in pricing.origins(book):
            call = origin.sourced.call
            if call in prices and prices[call] != was[call]:
                yield PriceMove(
                    market=book.protocol.name,
                    token=origin.sourced.token,
                    loan=origin.sourced.loan,
                    was_base=was[call],
                    then_base=prices[call],
                )


def fallen(books: Sequence[AnyBook], prices: Prices, *, at_s: int) -> Iterator[tuple[PositionId, int]]:
    """Yield who falls below health 1 at these prices and is not there at the chain's, and their health.

    The worst of each book first; a health is a wad.
    """
    for book in books:
        already = {position for position, *_ in book.below(WAD, at_s=at_s)}
        market = book.protocol.priced(book.market, prices)
        for position, _, health in book.below(WAD, at_s=at_s, market=market):
            if position not in already:
                yield position, health.health_factor_wad


def _forwarded(data: bytes) -> Iterator[Address]:
    """Yield whom a forwarder is told to call, where that is what the data says."""
    if data[:4] == _FORWARD.selector and len(data) >= 4 + _WORD:
        yield Address(data[4 + _WORD - 20 : 4 + _WORD])
