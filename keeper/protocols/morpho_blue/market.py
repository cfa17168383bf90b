"""Morpho Blue as a lending market: one contract, many isolated markets, each with its oracle and limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from keeper.domain.address import Address, Hash32, checksum
from keeper.domain.declined import Declined, Reason
from keeper.domain.errors import Broken
from keeper.domain.head import NextBlock
from keeper.domain.position import Currency, DeclinedPair, Health, Holding, Opportunity, PositionId
from keeper.domain.race import Liquidation
from keeper.domain.token import Token, TokenAmount
from keeper.ports import Entry, Figures, Filter, Prices, Sourced, Touched, Weights
from keeper.protocols.morpho_blue import events, queries, screening
from keeper.protocols.morpho_blue.liquidation import owed_raw
from keeper.protocols.morpho_blue.screening import Slot
from keeper.protocols.morpho_blue.standing import Standing, standing
from keeper.protocols.morpho_blue.state import IsolatedMarket, Listing, Markets, Position, Row
from keeper.protocols.morpho_blue.terms import MorphoTerms, terms_of
from keeper.query import Log, Query, ahead, both


def _edition(only: frozenset[Hash32]) -> str:
    return "markets " + (",".join(sorted(id_.hex() for id_ in only)) or "all")


_NOTHING = Position(borrow_shares=0, collateral=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MorphoBlue:
    """One Morpho: a :class:`keeper.ports.LendingProtocol` of `Markets` and `Row`.

    A market that nobody owes anything in is known, and not read again until somebody does.
    """

    morpho: Address
    only: frozenset[Hash32] = frozenset()
    """The ids of the markets that are watched; all of them where it is empty."""

    @property
    def name(self) -> str:
        return f"morpho:{checksum(self.morpho)}"

    def market_name(self, id_: Hash32) -> str:
        """Return an isolated market's name."""
        return f"{self.name}/0x{id_.hex()}"

    # --- reading it

    @property
    def row_type(self) -> type[Row]:
        return Row

    def open(self, remembered: Sequence[bytes] = ()) -> Query[Markets]:
        """Return it with the markets whose ids are `remembered` or allowed: others are found in its history.

        Raises Broken where it is no Morpho, or has no market of an allowed id.
        """
        ids = dict.fromkeys((*map(Hash32, remembered), *sorted(self.only)))
        _, listings = yield from both(
            queries.recognise(self.morpho), queries.read_listings(self.morpho, tuple(ids))
        )
        if never := self.only - {one.id for one in listings}:
            named = ", ".join(f"0x{id_.hex()}" for id_ in sorted(never))
            raise Broken(f"KEEPER_MORPHO_MARKETS names what was never created here: {named}")
        listed = [IsolatedMarket.listed(one) for one in listings]
        whole = yield from queries.read_whole(self.morpho, listed, at_s=None)
        return Markets(by_name=self._by_name(whole))

    def remembered(self, market: Markets) -> tuple[bytes, ...]:
        """Return the markets' ids."""
        return tuple(one.listing.id for one in market.by_name.values())

    def edition(self, market: Markets) -> str:
        return _edition(self.only)

    def summary(self, market: Markets) -> str:
        """Return how many markets were found; a Morpho that was just opened has not been asked for any."""
        live = sum(one.is_live for one in market.by_name.values())
        watched = f"{len(self.only)} of its markets" if self.only else "all of its markets"
        return f"Morpho Blue, {watched}" + (f", {live} in use" if market.by_name else "")

    def refresh(
        self, market: Markets, *, configuration: bool, logs: Sequence[Log] = (), at_s: int | None = None
    ) -> Query[Markets]:
        """Return the figures of the markets in use; if `configuration`, of those too that `logs` name.

        Then markets that were never created on this branch are dropped.
        """
        markets = tuple(market.by_name.values())
        if configuration:
            whole, listed = yield from both(
                queries.read_whole(self.morpho, markets, at_s=at_s), self._created(market, logs)
            )
            created = yield from queries.read_whole(self.morpho, listed, at_s=at_s)
            return Markets(by_name=self._by_name(one for one in (*whole, *created) if one.is_created))
        live = [one for one in markets if one.is_live]
        fresh = yield from queries.read_figures(self.morpho, live, at_s=at_s)
        return Markets(by_name={**market.by_name, **self._by_name(fresh)})

    def _by_name(self, markets: Iterable[IsolatedMarket]) -> dict[str, IsolatedMarket]:
        return {self.market_name(one.listing.id): one for one in markets}

    def rows(
        self,
        market: Markets,
        positions: Sequence[PositionId],
        *,
        known: Mapping[PositionId, Row] | None = None,
    ) -> Query[tuple[Row, ...]]:
        """Return each position's row, in one round. Nobody has or owes anything in a market that is not."""
        listed = [one for one in positions if one.market in market.by_name]
        asked = [(self._market(market, one).listing.id, one.borrower) for one in listed]
        found = dict(zip(listed, (yield from queries.read_positions(self.morpho, asked)), strict=True))
        return tuple(Row(one.market, found.get(one, _NOTHING)) for one in positions)

    def _created(self, market: Markets, logs: Sequence[Log]) -> Query[tuple[IsolatedMarket, ...]]:
        """Return the markets that these logs name and that were not known.

        What is asked next of them, and of whoever has something there already, is asked along.
        """
        named = [one for one in self._named(logs) if self.market_name(one.id) not in market.by_name]
        unknown = list(dict.fromkeys(one.id for one in named))
        whose = [(one.id, one.borrower) for one in named if one.borrower is not None]
        listings, _ = yield from both(
            queries.read_listings(self.morpho, unknown),
            ahead(
                both(
                    queries.read_first_figures(self.morpho, unknown),
                    queries.read_positions(self.morpho, whose),
                )
            ),
        )
        return tuple(IsolatedMarket.listed(one) for one in listings)

    # --- auditing it

    def view(self, market: Markets, positions: Sequence[PositionId]) -> Query[tuple[Figures | None, ...]]:
        """Return what Morpho stores of each position and of its market: it has no view of a health."""
        asked = [(self._market(market, one).listing.id, one.borrower) for one in positions]
        return queries.read_stored(self.morpho, asked)

    def figures(self, market: Markets, row: Row, *, at_s: int) -> Figures | None:
        isolated = market.by_name.get(row.market)
        return None if isolated is None else queries.stored(isolated.totals, row.position)

    # --- following it

    def concerns(self, market: Markets) -> Filter:
        return events.concerns(self.morpho)

    def discovery(self, market: Markets) -> Filter:
        return events.discovery(self.morpho)

    def liquidating(self, market: Markets) -> Filter:
        return events.liquidating(self.morpho)

    def liquidations(self, market: Markets, logs: Iterable[Log]) -> tuple[Liquidation, ...]:
        found = events.by_morpho(self.morpho, logs, name_of=self.market_name)
        return tuple(one for one in found if one.position.market in market.by_name)

    def touched(self, market: Markets, logs: Iterable[Log]) -> Touched:
        return events.touched(market, self._named(logs), name_of=self.market_name)

    def _named(self, logs: Iterable[Log]) -> Iterator[events.Named]:
        """Yield what each log is about, where it is about a market that is watched."""
        return (one for one in events.named(self.morpho, logs) if not self.only or one.id in self.only)

    # --- computing with it

    def owes(self, row: Row) -> bool:
        return row.position.borrow_shares > 0

    def pack(self, row: Row) -> Sequence[Entry[Slot]]:
        return screening.pack(row.market, row.position)

    def unpack(self, position: PositionId, entries: Sequence[tuple[Slot, int]]) -> Row:
        return Row(position.market, screening.unpack(entries))

    def weights(self, market: Markets, slots: Sequence[Slot], *, at_s: int) -> Weights:
        """Return what collateral and shares of each market weigh, in its loan token's raw units."""
        found = [self._weight(market.by_name[slot.market], slot, at_s) for slot in slots]
        return Weights(per_unit=[one.per_unit for one in found], slack=[one.slack for one in found])

    def _weight(self, isolated: IsolatedMarket, slot: Slot, at_s: int) -> screening.Weight:
        limit_wad = isolated.listing.lltv_wad
        return screening.weight(
            isolated, owes=slot.owes, price=isolated.price, limit_wad=limit_wad, at_s=at_s
        )

    def repriced(self, market: Markets, factors: Mapping[Address, Fraction]) -> Markets:
        """Return the markets if these tokens were worth so many times what they are, by every oracle."""
        return Markets(
            by_name={
                name: replace(one, price=screening.repriced(one.price, one.listing, factors))
                for name, one in market.by_name.items()
            }
        )

    def prices(self, market: Markets) -> Prices:
        """Return what the oracles of the markets in use answered."""
        live = (one for one in market.by_name.values() if one.is_live)
        return {queries.price_call(one.listing.oracle): one.price for one in live}

    def sourced(self, market: Markets) -> Query[tuple[Sourced, ...]]:
        """Return the oracles of the markets in use: each is asked itself. Asks nothing."""
        yield from ()
        return tuple(
            queries.sourced(one.listing.oracle, one.listing) for one in market.by_name.values() if one.is_live
        )

    def priced(self, market: Markets, prices: Prices) -> Markets:
        return Markets(
            by_name={
                name: _priced(one, prices.get(queries.price_call(one.listing.oracle), one.price))
                for name, one in market.by_name.items()
            }
        )

    def dollars(self, market: Markets, token: Address) -> Fraction | None:
        return None

    def tokens(self, market: Markets) -> tuple[Token, ...]:
        """Return the tokens of the markets in use, without those that are left alone."""
        sound = self._sound(market)
        return tuple(dict.fromkeys(token for one in sound for token in (one.loan, one.collateral)))

    def pairs(self, market: Markets) -> Iterable[tuple[Address, Address]]:
        """Return each market's two tokens: no others meet."""
        return ((one.collateral.address, one.loan.address) for one in self._sound(market))

    def currency(self, market: Markets, position: PositionId) -> Currency:
        """Return the loan token: a market's oracle prices its collateral in it."""
        loan = self._market(market, position).listing.loan
        return Currency(symbol=loan.symbol, unit_base=loan.unit_raw)

    def healths(self, market: Markets, rows: Iterable[Row], *, at_s: int) -> tuple[Health, ...]:
        return tuple(self.health(market, row, at_s=at_s) for row in rows)

    def health(self, market: Markets, row: Row, *, at_s: int) -> Health:
        """Return the health at `at_s`: below 1 exactly where Morpho itself would say so.

        Where the market's calls revert, its collateral counts as worth nothing.
        """
        isolated = market.by_name[row.market]
        return _health(standing(isolated, row.position, at_s=at_s), isolated, row.position)

    def holdings(
        self, market: Markets, row: Row, *, at_s: int
    ) -> tuple[tuple[Holding, ...], tuple[Holding, ...]]:
        """Return what the borrower has as collateral and what they owe, at `at_s`."""
        isolated = market.by_name[row.market]
        health = self.health(market, row, at_s=at_s)
        has = TokenAmount(token=isolated.listing.collateral, raw=row.position.collateral)
        owes = TokenAmount(token=isolated.listing.loan, raw=health.debt_base)
        return (
            (Holding(amount=has, value_base=health.collateral_base),) if has.raw else (),
            (Holding(amount=owes, value_base=health.debt_base),),
        )

    def opportunity(
        self, market: Markets, position: PositionId, row: Row, *, block: NextBlock, deadline_s: int
    ) -> Opportunity:
        """Return the terms in `block`: one pair, or why it is declined."""
        isolated = market.by_name[row.market]
        now = standing(isolated, row.position, at_s=block.timestamp_s)
        terms = self._terms(isolated, position.borrower, row, now, block, deadline_s)
        pair = isolated.listing
        return Opportunity(
            market=position.market,
            borrower=position.borrower,
            health=_health(now, isolated, row.position),
            terms=(terms,) if isinstance(terms, MorphoTerms) else (),
            declined=(DeclinedPair(collateral=pair.collateral, debt=pair.loan, why=terms),)
            if isinstance(terms, Declined)
            else (),
        )

    def _terms(
        self,
        isolated: IsolatedMarket,
        borrower: Address,
        row: Row,
        now: Standing | Declined,
        block: NextBlock,
        deadline_s: int,
    ) -> MorphoTerms | Declined:
        if isolated.listing.fault is not None:
            return Declined(reason=Reason.UNVERIFIED, detail=isolated.listing.fault)
        if isinstance(now, Declined):
            return now
        late = standing(isolated, row.position, at_s=max(deadline_s, block.timestamp_s))
        if isinstance(late, Declined):
            return late
        since_s = isolated.priced_at_s
        return terms_of(
            self.morpho,
            borrower,
            now=now,
            late=late,
            oracle_unchanged_s=None if since_s is None else block.timestamp_s - since_s,
        )

    def _sound(self, market: Markets) -> Iterator[Listing]:
        return (one.listing for one in market.by_name.values() if one.is_live and one.listing.fault is None)

    def _market(self, market: Markets, position: PositionId) -> IsolatedMarket:
        found = market.by_name.get(position.market)
        if found is None:
            raise Broken(f"{position.market} is not listed")
        return found


def _priced(market: IsolatedMarket, price: int | None) -> IsolatedMarket:
    """Return the market at a price that no state has shown yet, unless it is the same."""
    return market if price == market.price else replace(market, price=price, priced_at_s=None)


def _health(found: Standing | Declined, market: IsolatedMarket, position: Position) -> Health:
    if isinstance(found, Declined):
        return Health(health_factor_wad=0, collateral_base=0, debt_base=owed_raw(market.totals, position))
    return Health(
        health_factor_wad=found.health_factor_wad,
        collateral_base=found.value_raw,
        debt_base=found.owed_raw,
    )
