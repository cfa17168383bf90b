"""A factory's contracts as a lending market: who opted in is watched, and closed before Morpho would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from keeper.abi import load, uint
from keeper.domain.address import Address, Hash32, address_of, checksum
from keeper.domain.declined import Declined, Reason
from keeper.domain.head import NextBlock
from keeper.domain.position import Currency, DeclinedPair, Health, Holding, Opportunity, PositionId
from keeper.domain.race import Liquidation
from keeper.domain.token import Token, TokenAmount
from keeper.ports import Entry, Figures, Filter, Prices, Sourced, Touched, Weights
from keeper.protocols.morpho_blue import events, queries, screening
from keeper.protocols.morpho_blue.arithmetic import Refused
from keeper.protocols.morpho_blue.liquidation import collateral_value_raw, health_factor_wad, owed_raw
from keeper.protocols.morpho_blue.market import MorphoBlue
from keeper.protocols.morpho_blue.pre_liquidation.arithmetic import Parameters
from keeper.protocols.morpho_blue.pre_liquidation.state import Contract, PreMarkets, PreRow
from keeper.protocols.morpho_blue.pre_liquidation.terms import PreTerms, terms_of
from keeper.protocols.morpho_blue.screening import Slot
from keeper.protocols.morpho_blue.standing import Standing, standing
from keeper.protocols.morpho_blue.state import IsolatedMarket, Listing, Markets, Position
from keeper.query import Call, Log, Query, Reverted, attempt, both, read, read_one

_PRE = load("morpho_pre_liquidation")
_MORPHO = _PRE.function("MORPHO")
_ID = _PRE.function("ID")
_PARAMETERS = _PRE.function("preLiquidationParams")
_LIQUIDATED = _PRE.event("PreLiquidate")
_CREATED = _PRE.event("CreatePreLiquidation").topic
_AUTHORISED = load("morpho_blue").event("SetAuthorization").topic
_IS_AUTHORISED = load("morpho_blue").function("isAuthorized")
_AUTHORIZER_AT, _AUTHORIZED_AT = 2, 3
_WORD = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class MorphoPreLiquidation:
    """One factory: a :class:`keeper.ports.LendingProtocol` of `PreMarkets` and `PreRow`."""

    factory: Address
    only: frozenset[Hash32] = frozenset()
    """The ids of the markets that are watched; all of them where it is empty."""

    @property
    def name(self) -> str:
        return f"morpho-pre:{checksum(self.factory)}"

    # --- reading it

    @property
    def row_type(self) -> type[PreRow]:
        return PreRow

    def open(self, remembered: Sequence[bytes] = ()) -> Query[PreMarkets]:
        """Return it with the contracts that are `remembered`: others are found in its history.

        Raises Broken where it is no factory, or not of a Morpho.
        """
        word = yield from read_one(Call(self.factory, _MORPHO.encode()), uint)
        morpho = address_of(word.to_bytes(32, "big"))
        yield from queries.recognise(morpho)
        bare = PreMarkets(morpho=morpho, contracts={}, markets={}, prices={})
        if not remembered:
            return bare
        return (yield from self._told(bare, [Address(one) for one in remembered], at_s=None))

    def remembered(self, market: PreMarkets) -> tuple[bytes, ...]:
        """Return the contracts' addresses."""
        return tuple(one.address for one in market.contracts.values())

    def edition(self, market: PreMarkets) -> str:
        return "markets " + (",".join(sorted(id_.hex() for id_ in self.only)) or "all")

    def summary(self, market: PreMarkets) -> str:
        """Return how many contracts were found; one just opened has not been asked for any."""
        return f"pre-liquidation on Morpho {checksum(market.morpho)}" + (
            f", {len(market.contracts)} contracts" if market.contracts else ""
        )

    def refresh(
        self, market: PreMarkets, *, configuration: bool, logs: Sequence[Log] = (), at_s: int | None = None
    ) -> Query[PreMarkets]:
        """Return figures and prices now; if `configuration`, with the contracts that `logs` name."""
        return self._told(market, list(self._made(logs)) if configuration else None, at_s=at_s)

    def _told(
        self, market: PreMarkets, made: Sequence[Address] | None, *, at_s: int | None
    ) -> Query[PreMarkets]:
        """Return figures and prices now; where contracts were `made`, with them, without what is gone."""
        contracts, markets = dict(market.contracts), dict(market.markets)
        if made is not None:
            answers, (created, listed) = yield from both(
                attempt([Call(one.address, _ID.encode()) for one in contracts.values()], bytes),
                self._created(market, made),
            )
            # a contract that a branch made which the chain has left has no code, and answers nothing
            contracts = {
                name: one for (name, one), id_ in zip(contracts.items(), answers, strict=True) if id_
            }
            contracts |= created
            markets |= listed
        blue = MorphoBlue(morpho=market.morpho)
        fresh, prices = yield from both(
            queries.read_whole(market.morpho, tuple(markets.values()), at_s=at_s)
            if made is not None
            else queries.read_figures(
                market.morpho, [one for one in markets.values() if one.is_live], at_s=at_s
            ),
            queries.read_prices(sorted({one.oracle for one in contracts.values()})),
        )
        markets |= {blue.market_name(one.listing.id): one for one in fresh}
        return PreMarkets(morpho=market.morpho, contracts=contracts, markets=markets, prices=prices)

    def _created(
        self, market: PreMarkets, made: Sequence[Address]
    ) -> Query[tuple[dict[str, Contract], dict[str, IsolatedMarket]]]:
        """Return those of these contracts that were not known and are watched, and markets not known either.

        One that a branch made which the chain has left has no code, and answers nothing: it is left out.
        """
        addresses = [one for one in made if self._name(one) not in market.contracts]
        ids = yield from attempt(
            [Call(one, _ID.encode()) for one in addresses], lambda answer: Hash32(answer[:_WORD])
        )
        there = [
            (address, id_)
            for address, id_ in zip(addresses, ids, strict=True)
            if not isinstance(id_, Reverted) and id_ and (not self.only or id_ in self.only)
        ]
        blue = MorphoBlue(morpho=market.morpho)
        unknown = sorted({id_ for _, id_ in there if blue.market_name(id_) not in market.markets})
        parameters, listings = yield from both(
            read([Call(one, _PARAMETERS.encode()) for one, _ in there], _parameters),
            queries.read_listings(market.morpho, unknown),
        )
        contracts = {
            self._name(address): Contract(
                address=address,
                market=blue.market_name(id_),
                parameters=Parameters(*told[:5]),
                oracle=told[5],
            )
            for (address, id_), told in zip(there, parameters, strict=True)
        }
        return contracts, {blue.market_name(one.id): IsolatedMarket.listed(one) for one in listings}

    def rows(
        self,
        market: PreMarkets,
        positions: Sequence[PositionId],
        *,
        known: Mapping[PositionId, PreRow] | None = None,
    ) -> Query[tuple[PreRow, ...]]:
        """Return each borrower's row in one round: whether they opted in, and what they have and owe.

        Who authorised a contract that is not watched has opted into nothing.
        """
        watched = [one for one in positions if one.market in market.contracts]
        allowed, found = yield from both(
            self._allowed(market, watched),
            queries.read_positions(market.morpho, self._asked(market, watched)),
        )
        rows = {
            one: PreRow(one.market, may, position)
            for one, may, position in zip(watched, allowed, found, strict=True)
        }
        nothing = Position(borrow_shares=0, collateral=0)
        return tuple(rows.get(one) or PreRow(one.market, False, nothing) for one in positions)

    def _allowed(self, market: PreMarkets, positions: Sequence[PositionId]) -> Query[tuple[bool, ...]]:
        """Return whether each borrower authorised the contract that the position is of."""
        asked = [
            Call(market.morpho, _IS_AUTHORISED.encode(one.borrower, market.contracts[one.market].address))
            for one in positions
        ]
        return tuple(map(bool, (yield from read(asked, uint))))

    def _asked(self, market: PreMarkets, positions: Sequence[PositionId]) -> list[tuple[Hash32, Address]]:
        """Return which of Morpho's own positions is behind each."""
        behind = [market.markets[market.contracts[one.market].market] for one in positions]
        return [(isolated.listing.id, one.borrower) for isolated, one in zip(behind, positions, strict=True)]

    # --- auditing it

    def view(self, market: PreMarkets, positions: Sequence[PositionId]) -> Query[tuple[Figures | None, ...]]:
        """Return what Morpho stores of each position, of its market, and whether the borrower opted in."""
        allowed, stored = yield from both(
            self._allowed(market, positions),
            queries.read_stored(market.morpho, self._asked(market, positions)),
        )
        return tuple(_figures(one, may) for one, may in zip(stored, allowed, strict=True))

    def figures(self, market: PreMarkets, row: PreRow, *, at_s: int) -> Figures | None:
        if row.contract not in market.contracts:
            return None
        _, behind = self._behind(market, row)
        return _figures(queries.stored(behind.totals, row.position), row.authorised)

    # --- following it

    def concerns(self, market: PreMarkets) -> Filter:
        blue = events.concerns(market.morpho)
        return Filter(emitters=(self.factory, *blue.emitters), topics=(_CREATED, _AUTHORISED, *blue.topics))

    def discovery(self, market: PreMarkets) -> Filter:
        return Filter(emitters=(self.factory, market.morpho), topics=(_CREATED, _AUTHORISED))

    def liquidating(self, market: PreMarkets) -> Filter:
        """Return each contract's own event: to Morpho, a pre-liquidation is a repay and a withdrawal."""
        return Filter(
            emitters=tuple(one.address for one in market.contracts.values()), topics=(_LIQUIDATED.topic,)
        )

    def liquidations(self, market: PreMarkets, logs: Iterable[Log]) -> tuple[Liquidation, ...]:
        known = {one.address for one in market.contracts.values()}
        return events.liquidations(
            (log for log in logs if log.emitter in known),
            _LIQUIDATED,
            by="liquidator",
            where=lambda log, told: self._name(log.emitter),
        )

    def touched(self, market: PreMarkets, logs: Iterable[Log]) -> Touched:
        """Return who opted in or out, and every opted-in position that Morpho's own logs may have changed."""
        told = tuple(logs)
        known = {one.address: name for name, one in market.contracts.items()}
        made = [one for one in self._made(told) if one not in known]
        known |= {one: self._name(one) for one in made}
        positions = {
            PositionId(known[address_of(log.topics[_AUTHORIZED_AT])], address_of(log.topics[_AUTHORIZER_AT]))
            for log in told
            if log.emitter == market.morpho
            and len(log.topics) > _AUTHORIZED_AT
            and log.topics[0] == _AUTHORISED
            and address_of(log.topics[_AUTHORIZED_AT]) in known
        }
        blue = MorphoBlue(morpho=market.morpho)
        by_market: dict[str, list[str]] = {}
        for name, one in market.contracts.items():
            by_market.setdefault(one.market, []).append(name)
        wakes = False
        for named in events.named(market.morpho, told):
            behind = blue.market_name(named.id)
            concerned = by_market.get(behind, ())
            wakes |= bool(concerned) and named.begins and not market.markets[behind].is_live
            if named.borrower is not None:
                positions |= {PositionId(name, named.borrower) for name in concerned}
        return Touched(positions=frozenset(positions), configuration=bool(made) or wakes)

    def _made(self, logs: Iterable[Log]) -> Iterator[Address]:
        return (
            address_of(log.topics[1])
            for log in logs
            if log.emitter == self.factory and len(log.topics) > 1 and log.topics[0] == _CREATED
        )

    def _name(self, contract: Address) -> str:
        return f"{self.name}/{checksum(contract)}"

    # --- computing with it

    def owes(self, row: PreRow) -> bool:
        """Return whether there is debt that the contract may close."""
        return row.authorised and row.position.borrow_shares > 0

    def pack(self, row: PreRow) -> Sequence[Entry[Slot]]:
        """Return the entries of a row that may be closed: who opted into nothing owes nothing here."""
        return screening.pack(row.contract, row.position)

    def unpack(self, position: PositionId, entries: Sequence[tuple[Slot, int]]) -> PreRow:
        return PreRow(position.market, True, screening.unpack(entries))

    def weights(self, market: PreMarkets, slots: Sequence[Slot], *, at_s: int) -> Weights:
        """Return what collateral and shares weigh for each contract, in its loan token's raw units."""
        found = [self._weight(market, slot, at_s) for slot in slots]
        return Weights(per_unit=[one.per_unit for one in found], slack=[one.slack for one in found])

    def _weight(self, market: PreMarkets, slot: Slot, at_s: int) -> screening.Weight:
        contract = market.contracts[slot.market]
        return screening.weight(
            market.markets[contract.market],
            owes=slot.owes,
            price=market.prices.get(contract.oracle),
            limit_wad=contract.parameters.pre_lltv_wad,
            at_s=at_s,
        )

    def repriced(self, market: PreMarkets, factors: Mapping[Address, Fraction]) -> PreMarkets:
        """Return the markets and contracts if these tokens were worth so many times what they are."""
        blue = MorphoBlue(morpho=market.morpho)
        listings = {one.oracle: market.markets[one.market].listing for one in market.contracts.values()}
        return replace(
            market,
            markets=blue.repriced(Markets(by_name=market.markets), factors).by_name,
            prices={
                oracle: screening.repriced(price, listings[oracle], factors) if oracle in listings else price
                for oracle, price in market.prices.items()
            },
        )

    def prices(self, market: PreMarkets) -> Prices:
        """Return what the contracts' own oracles answered, and those of the markets behind them."""
        own = {queries.price_call(oracle): price for oracle, price in market.prices.items()}
        return {**MorphoBlue(morpho=market.morpho).prices(Markets(by_name=market.markets)), **own}

    def sourced(self, market: PreMarkets) -> Query[tuple[Sourced, ...]]:
        """Return the contracts' own oracles, and those of the markets behind them. Asks nothing."""
        blue = MorphoBlue(morpho=market.morpho)
        behind = yield from blue.sourced(Markets(by_name=market.markets))
        own = (
            queries.sourced(one.oracle, market.markets[one.market].listing)
            for one in market.contracts.values()
        )
        return tuple({one.call: one for one in (*behind, *own)}.values())

    def priced(self, market: PreMarkets, prices: Prices) -> PreMarkets:
        blue = MorphoBlue(morpho=market.morpho)
        return replace(
            market,
            markets=blue.priced(Markets(by_name=market.markets), prices).by_name,
            prices={
                oracle: prices.get(queries.price_call(oracle), price)
                for oracle, price in market.prices.items()
            },
        )

    def dollars(self, market: PreMarkets, token: Address) -> Fraction | None:
        return None

    def tokens(self, market: PreMarkets) -> tuple[Token, ...]:
        return tuple(
            dict.fromkeys(token for one in self._sound(market) for token in (one.loan, one.collateral))
        )

    def pairs(self, market: PreMarkets) -> Iterable[tuple[Address, Address]]:
        return ((one.collateral.address, one.loan.address) for one in self._sound(market))

    def currency(self, market: PreMarkets, position: PositionId) -> Currency:
        loan = market.markets[market.contracts[position.market].market].listing.loan
        return Currency(symbol=loan.symbol, unit_base=loan.unit_raw)

    def healths(self, market: PreMarkets, rows: Iterable[PreRow], *, at_s: int) -> tuple[Health, ...]:
        return tuple(self.health(market, row, at_s=at_s) for row in rows)

    def health(self, market: PreMarkets, row: PreRow, *, at_s: int) -> Health:
        """Return the health by the contract's oracle and limit: below 1 where it may be pre-liquidated.

        Where that can't be told, the collateral counts as worth nothing.
        """
        contract, behind = self._behind(market, row)
        price, now = market.prices.get(contract.oracle), standing(behind, row.position, at_s=at_s)
        if price and not isinstance(now, Declined):
            with suppress(Refused):
                return _health(now, contract, price)
        return Health(health_factor_wad=0, collateral_base=0, debt_base=owed_raw(behind.totals, row.position))

    def holdings(
        self, market: PreMarkets, row: PreRow, *, at_s: int
    ) -> tuple[tuple[Holding, ...], tuple[Holding, ...]]:
        listing = self._behind(market, row)[1].listing
        health = self.health(market, row, at_s=at_s)
        has = TokenAmount(token=listing.collateral, raw=row.position.collateral)
        owes = TokenAmount(token=listing.loan, raw=health.debt_base)
        return (
            (Holding(amount=has, value_base=health.collateral_base),) if has.raw else (),
            (Holding(amount=owes, value_base=health.debt_base),),
        )

    def opportunity(
        self, market: PreMarkets, position: PositionId, row: PreRow, *, block: NextBlock, deadline_s: int
    ) -> Opportunity:
        """Return the terms in `block`: one pair, or why it is declined."""
        _, behind = self._behind(market, row)
        terms = self._terms(market, position, row, block=block, deadline_s=deadline_s)
        pair = behind.listing
        return Opportunity(
            market=position.market,
            borrower=position.borrower,
            health=self.health(market, row, at_s=block.timestamp_s),
            terms=(terms,) if isinstance(terms, PreTerms) else (),
            declined=(DeclinedPair(collateral=pair.collateral, debt=pair.loan, why=terms),)
            if isinstance(terms, Declined)
            else (),
        )

    def _terms(
        self, market: PreMarkets, position: PositionId, row: PreRow, *, block: NextBlock, deadline_s: int
    ) -> PreTerms | Declined:
        contract, behind = self._behind(market, row)
        price = market.prices.get(contract.oracle)
        if behind.listing.fault is not None:
            return Declined(reason=Reason.UNVERIFIED, detail=behind.listing.fault)
        if not price:
            return Declined(reason=Reason.ZERO_PRICE, detail="the contract's oracle gives no price")
        now = standing(behind, row.position, at_s=block.timestamp_s)
        late = standing(behind, row.position, at_s=max(deadline_s, block.timestamp_s))
        if isinstance(now, Declined):
            return now
        if isinstance(late, Declined):
            return late
        return terms_of(
            PreTerms(
                contract=contract.address,
                morpho=market.morpho,
                borrower=position.borrower,
                parameters=contract.parameters,
                price=price,
                limit_wad=contract.parameters.pre_lltv_wad,
                now=now,
                late=late,
                feasible=(),
            )
        )

    def _behind(self, market: PreMarkets, row: PreRow) -> tuple[Contract, IsolatedMarket]:
        contract = market.contracts[row.contract]
        return contract, market.markets[contract.market]

    def _sound(self, market: PreMarkets) -> Iterator[Listing]:
        behind = (market.markets[one.market] for one in market.contracts.values())
        return (one.listing for one in behind if one.is_live and one.listing.fault is None)


def _health(now: Standing, contract: Contract, price: int) -> Health:
    return Health(
        health_factor_wad=health_factor_wad(
            now.totals, now.position, price=price, lltv_wad=contract.parameters.pre_lltv_wad
        ),
        collateral_base=collateral_value_raw(now.position, price=price),
        debt_base=now.owed_raw,
    )


def _figures(stored: Figures, authorised: bool) -> Figures:
    return {**stored, "authorised": authorised}


def _parameters(answer: bytes) -> tuple[Any, ...]:
    (told,) = _PARAMETERS.decode(answer)
    return tuple(told)
