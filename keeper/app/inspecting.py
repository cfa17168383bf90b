"""`keeper scan` and `keeper plan`: what is there, and what would be done about it. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from keeper.app.build import Assembled, Rooms, assemble
from keeper.app.supposing import Price, what_if
from keeper.config import Settings
from keeper.domain.address import Address, checksum
from keeper.domain.errors import Broken, ConfigError
from keeper.domain.events import Degraded, Listener
from keeper.domain.fixed_point import WAD
from keeper.domain.head import Head
from keeper.domain.observation import Observation
from keeper.domain.plan import Close
from keeper.domain.position import Holding, Opportunity, Terms
from keeper.domain.report import Closable, Curve, OtherPosition, PairReport, PlanReport, ScanReport, ScanRow
from keeper.domain.state import Mined
from keeper.domain.token import Token, TokenAmount
from keeper.engine import Considered, Engine
from keeper.live.opening import Opening
from keeper.planner.explaining import Explainer
from keeper.ports import Memory, Prices
from keeper.query import run
from keeper.watcher.book import AnyBook
from keeper.watcher.triggers import triggers, unpredicted


async def scan(
    settings: Settings, *, below_wad: int, listener: Listener, prices: Mapping[str, Price] | None = None
) -> ScanReport:
    """Return every position under a health factor, the worst first: at the chain's prices, or at others.

    Raises ConfigError where a token of `prices` is not known, or several are called so.
    """
    async with assemble(settings) as keeper:
        seen = await observe(keeper, listener)
        books, pricing = tuple(current(keeper, seen)), keeper.watcher.pricing
        await run(pricing.look(books), Mined(hash=seen.head.hash), keeper.world)
        would = what_if(books, pricing, prices or {})
        rows = sorted(
            (row for book in books for row in _rows(book, seen, below_wad, would.prices)),
            key=lambda row: (row.health.health_factor_wad, row.borrower),
        )
        return ScanReport(
            head=seen.head,
            below_wad=below_wad,
            borrowers=seen.borrowers,
            rows=tuple(rows),
            skipped=seen.skipped,
            supposed=would.supposed,
            followed=would.followed,
            triggers=tuple(
                trigger
                for book in books
                for of_feed in triggers(book, pricing, at_s=seen.block.timestamp_s)
                for trigger in of_feed
            ),
            unpredicted=tuple(one for book in books for one in unpredicted(book, pricing)),
        )


async def plan(
    settings: Settings, *, borrower: Address, listener: Listener, curve: bool = False
) -> PlanReport:
    """Return the decision on one borrower's worst position, with everything that led to it.

    With `curve` it tells what other sizes would bring, too. Raises ConfigError where the borrower owes
    nothing in any configured market.
    """
    async with assemble(settings) as keeper:
        seen = await observe(keeper, listener)
        return await explain(keeper.rooms, keeper.engine(listen=listener), seen, borrower, curve=curve)


async def opened(keeper: Assembled, listener: Listener, memory: Memory | None = None) -> None:
    """Read every market's book, from what is kept of it on; what can't be read is left to the first head."""

    async def newest() -> Head:
        return await keeper.endpoints.block("latest")

    opening = Opening(keeper.world, memory, newest=newest, listen=listener)
    for book in keeper.watcher.books:
        with suppress(Broken):
            await opening.open(book)


async def observe(keeper: Assembled, listener: Listener, memory: Memory | None = None) -> Observation:
    """Return the newest head's state, telling of every source that could not be read."""
    await opened(keeper, listener, memory)
    head = await keeper.endpoints.block("latest")
    seen = await keeper.engine(listen=listener).observe(head)
    for skipped in seen.skipped:
        listener(Degraded(what=f"{skipped.source} could not be read", why=skipped.why))
    return seen


def current(keeper: Assembled, seen: Observation) -> Iterator[AnyBook]:
    """Yield the books that are at the observation's head."""
    return (book for book in keeper.watcher.books if book.head == seen.head)


async def explain(
    rooms: Rooms, engine: Engine, seen: Observation, borrower: Address, *, curve: bool = False
) -> PlanReport:
    """Return the decision on one of the borrower's positions upon this state, explained."""
    books = rooms.watcher.books
    theirs = [
        (health.health_factor_wad, place, position, health)
        for place, book in enumerate(books)
        if book.head == seen.head
        for position, _, health in book.healths(at_s=seen.block.timestamp_s)
        if position.borrower == borrower
    ]
    if not theirs:
        raise ConfigError(owes_nothing(rooms, borrower))
    chosen = worst(one for one in seen.opportunities if one.borrower == borrower)
    _, place, position, health = min(one for one in theirs if chosen is None or one[2] == chosen.position)
    book = books[place]
    others = sorted((wad, other.market) for wad, _, other, _ in theirs if other != position)
    considered: Considered | None = None
    pairs: tuple[PairReport, ...] = ()
    drawn: Curve | None = None
    if chosen is not None:
        (considered,) = await engine.decide(replace(seen, opportunities=(chosen,)))
        if considered.proposal is not None:
            led_to = seen, considered.proposal, considered.gas_used
            explainer = Explainer(rooms.planner.drafter)
            pairs = explainer.explain(*led_to)
            drawn = explainer.curve(*led_to, considered.decision) if curve else None
    symbols = {token.address: token.symbol for token in book.protocol.tokens(book.market)}
    native = _native(rooms, book)
    return PlanReport(
        head=seen.head,
        block=seen.block,
        market=position.market,
        borrower=borrower,
        health=health,
        others=tuple(OtherPosition(market=market, health_factor_wad=wad) for wad, market in others),
        currency=book.protocol.currency(book.market, position),
        native=native,
        objective=rooms.planner.options.objective,
        pairs=pairs,
        declined=chosen.declined if chosen else (),
        symbols={native.address: native.symbol, **symbols, **_unnamed(pairs, symbols)},
        decision=considered.decision if considered else None,
        curve=drawn,
    )


def worst(opportunities: Iterable[Opportunity]) -> Opportunity | None:
    """Return the worst of those of which anything may be closed, else the worst of all; None of none.

    So a market whose oracle fails, or where another contract is to close first, hides nothing of another.
    """
    return min(opportunities, key=lambda one: (not one.terms, one.health.health_factor_wad), default=None)


def owes_nothing(rooms: Rooms, borrower: Address) -> str:
    """Return what is wrong where a borrower has no position."""
    markets = ", ".join(book.protocol.name for book in rooms.watcher.books)
    return f"BORROWER: {checksum(borrower)} owes nothing in {markets}"


def _native(rooms: Rooms, book: AnyBook) -> Token:
    """Return the wrapped native token, by its own symbol where the market lists it."""
    address = rooms.trading.wrapped_native
    listed = {token.address: token for token in book.protocol.tokens(book.market)}
    return listed.get(address) or Token(address=address, symbol="wrapped native", decimals=18)


def _unnamed(pairs: tuple[PairReport, ...], symbols: dict[Address, str]) -> dict[Address, str]:
    """Return a short name for each token of a route that no market lists."""
    sizes = (size for pair in pairs for size in (pair.max_profit, pair.max_close, pair.restore_health))
    hops = (
        hop
        for size in sizes
        if isinstance(size, Close)
        for flow in (*size.buys, *size.sells)
        for hop in flow.route.hops
    )
    tokens = {token for hop in hops for token in (hop.token_in, hop.token_out)}
    return {token: checksum(token)[:8] for token in tokens - symbols.keys()}


# --- scan's rows --------------------------------------------------------------------------------------------


def _rows(book: AnyBook, seen: Observation, below_wad: int, prices: Prices) -> Iterator[ScanRow]:
    block, protocol = seen.block, book.protocol
    market = protocol.priced(book.market, prices) if prices else book.market
    for position, row, health in book.below(below_wad, at_s=block.timestamp_s, market=market):
        collateral, debt = protocol.holdings(market, row, at_s=block.timestamp_s)
        opportunity = (
            protocol.opportunity(market, position, row, block=block, deadline_s=seen.deadline_s)
            if health.health_factor_wad < WAD
            else None
        )
        yield ScanRow(
            market=position.market,
            borrower=position.borrower,
            health=health,
            currency=book.protocol.currency(book.market, position),
            collateral=collateral,
            debt=debt,
            closable=_closable(opportunity) if opportunity else (),
            declined=opportunity.declined if opportunity else (),
        )


def _closable(opportunity: Opportunity) -> tuple[Closable, ...]:
    closable = (_most(terms) for terms in opportunity.terms if terms.feasible)
    return tuple(sorted(closable, key=lambda one: one.repaid.value_base, reverse=True))


def _most(terms: Terms) -> Closable:
    settlement = terms.settle(terms.feasible[-1].most_raw)
    repaid = TokenAmount(token=terms.debt, raw=settlement.repaid_raw)
    seized = TokenAmount(token=terms.collateral, raw=settlement.seized_raw)
    return Closable(
        repaid=Holding(amount=repaid, value_base=terms.value_base(repaid)),
        seized=Holding(amount=seized, value_base=terms.value_base(seized)),
    )
