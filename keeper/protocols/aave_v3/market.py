"""An Aave V3 pool as a lending market: where state, questions and arithmetic come together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import assert_never

from keeper.domain.address import Address, checksum
from keeper.domain.declined import Declined, Reason
from keeper.domain.errors import Invariant
from keeper.domain.head import NextBlock
from keeper.domain.position import (
    DOLLARS,
    Currency,
    DeclinedPair,
    Health,
    Holding,
    Opportunity,
    PositionId,
    Receipt,
)
from keeper.domain.race import Liquidation
from keeper.domain.token import Token, TokenAmount
from keeper.ports import Entry, Figures, Filter, Prices, Sourced, Touched, Weights
from keeper.protocols.aave_v3 import events, queries, screening
from keeper.protocols.aave_v3.healths import healths
from keeper.protocols.aave_v3.known import Known, caveat, known
from keeper.protocols.aave_v3.layout import Layout
from keeper.protocols.aave_v3.revision import Account, Collateral, Debt, Refusal, Revision
from keeper.protocols.aave_v3.screening import Slot
from keeper.protocols.aave_v3.state import Market, Reserve, Row
from keeper.protocols.aave_v3.terms import AaveTerms, steady, with_cash
from keeper.query import Log, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class AaveV3:
    """One pool: a :class:`keeper.ports.LendingProtocol` of `Market` and `Row`."""

    pool: Address
    allow_unverified: bool = False
    """Whether a pool of an unknown revision is read and computed as the nearest older one that is known."""

    @property
    def name(self) -> str:
        return f"aave-v3:{checksum(self.pool)}"

    # --- reading it

    @property
    def row_type(self) -> type[Row]:
        return Row

    def open(self, remembered: Sequence[bytes] = ()) -> Query[Market]:
        """Return the market, read whole, in three rounds. Raises Broken where its revision is not known."""
        return queries.open_market(self.pool, layout_of=self._layout)

    def remembered(self, market: Market) -> tuple[bytes, ...]:
        """Return nothing: the pool tells all."""
        return ()

    def edition(self, market: Market) -> str:
        return f"revision {market.revision}"

    def summary(self, market: Market) -> str:
        doubt = f"; UNVERIFIED: {told}" if (told := self.caveat(market)) else ""
        return f"revision {market.revision}, {len(self.tokens(market))} reserves{doubt}"

    def refresh(
        self, market: Market, *, configuration: bool, logs: Sequence[Log] = (), at_s: int | None = None
    ) -> Query[Market]:
        """Return the market at the state asked about: in one round, or whole if `configuration`.

        That takes another as a rule.
        """
        if configuration:
            told = events.configured(market, logs)
            return queries.reopen_market(self.pool, market, told, layout_of=self._layout)
        return queries.refresh_market(self.pool, market, layout=self._layout(market.revision))

    def rows(
        self,
        market: Market,
        positions: Sequence[PositionId],
        *,
        known: Mapping[PositionId, Row] | None = None,
    ) -> Query[tuple[Row, ...]]:
        """Return each borrower's row: in one round where all are in the reserves that they were known in."""
        rows = known or {}
        were = {one.borrower: rows[one] for one in positions if one in rows}
        return queries.read_rows(self.pool, market, [position.borrower for position in positions], were)

    # --- auditing it

    def view(self, market: Market, positions: Sequence[PositionId]) -> Query[tuple[Figures | None, ...]]:
        """Return what ``getUserAccountData`` says of each borrower."""
        told = yield from queries.read_account_data(self.pool, [one.borrower for one in positions])
        return tuple(None if one is None else one._asdict() for one in told)

    def figures(self, market: Market, row: Row, *, at_s: int) -> Figures | None:
        """Return what it must say; None where the oracle reverts for a token, and the pool with it."""
        account = self._revision(market).account(market, row, at_s=at_s)
        if account.unpriced:
            return None
        return queries.AccountData(
            account.collateral_base, account.debt_base, account.health_factor_wad
        )._asdict()

    # --- following it

    def concerns(self, market: Market) -> Filter:
        return events.concerns(self.pool, market)

    def discovery(self, market: Market) -> Filter:
        return events.discovery(self.pool)

    def liquidating(self, market: Market) -> Filter:
        return events.liquidating(self.pool)

    def liquidations(self, market: Market, logs: Iterable[Log]) -> tuple[Liquidation, ...]:
        return events.liquidations(self.pool, logs, name=self.name)

    def touched(self, market: Market, logs: Iterable[Log]) -> Touched:
        return events.touched(self.pool, market, logs, name=self.name)

    # --- computing with it

    def owes(self, row: Row) -> bool:
        return any(debt.scaled for debt in row.debts)

    def pack(self, row: Row) -> Sequence[Entry[Slot]]:
        return screening.pack(row)

    def unpack(self, position: PositionId, entries: Sequence[tuple[Slot, int]]) -> Row:
        return screening.unpack(entries)

    def weights(self, market: Market, slots: Sequence[Slot], *, at_s: int) -> Weights:
        return screening.weights(self._revision(market), market, slots, at_s=at_s)

    def repriced(self, market: Market, factors: Mapping[Address, Fraction]) -> Market:
        """Return the market if the oracle's prices of these tokens were so many times what they are."""
        reserves = {
            id_: replace(one, price_base=int(one.price_base * factors.get(one.token.address, 1)))
            for id_, one in market.reserves.items()
        }
        return replace(market, reserves=reserves)

    def prices(self, market: Market) -> Prices:
        return {
            queries.price_call(market.oracle, one): one.price_base if one.priced else None
            for one in market.reserves.values()
        }

    def sourced(self, market: Market) -> Query[tuple[Sourced, ...]]:
        return queries.read_sources(market)

    def priced(self, market: Market, prices: Prices) -> Market:
        reserves = dict(market.reserves)
        for id_, one in market.reserves.items():
            call = queries.price_call(market.oracle, one)
            if call in prices:
                price_base = prices[call]
                reserves[id_] = replace(one, price_base=price_base or 0, priced=price_base is not None)
        return replace(market, reserves=reserves)

    def dollars(self, market: Market, token: Address) -> Fraction | None:
        found = (one.price_base for one in market.reserves.values() if one.token.address == token)
        return next((Fraction(price_base, DOLLARS.unit_base) for price_base in found), None)

    def tokens(self, market: Market) -> tuple[Token, ...]:
        """Return the tokens that can be collateral or debt here, without those that are left alone."""
        return tuple(reserve.token for reserve in market.reserves.values() if reserve.fault is None)

    def pairs(self, market: Market) -> Iterable[tuple[Address, Address]]:
        """Return every two of its tokens: any may back any."""
        return combinations_with_replacement((token.address for token in self.tokens(market)), 2)

    def currency(self, market: Market, position: PositionId) -> Currency:
        return DOLLARS

    def healths(self, market: Market, rows: Iterable[Row], *, at_s: int) -> tuple[Health, ...]:
        """Return the healths as ``getUserAccountData`` gives them at `at_s`.

        Where the oracle reverts for a token, the pool's view does too; here it counts as worth nothing.
        """
        return healths(self._revision(market), market, rows, at_s=at_s)

    def holdings(
        self, market: Market, row: Row, *, at_s: int
    ) -> tuple[tuple[Holding, ...], tuple[Holding, ...]]:
        """Return what the borrower has as collateral and what they owe, at `at_s`."""
        account = self._revision(market).account(market, row, at_s=at_s)
        return _holdings(account.collaterals), _holdings(account.debts)

    def opportunity(
        self, market: Market, position: PositionId, row: Row, *, block: NextBlock, deadline_s: int
    ) -> Opportunity:
        """Return every pair's terms in `block`; a healthy borrower's pairs are all declined."""
        revision = self._revision(market)
        account = revision.account(market, row, at_s=block.timestamp_s)
        late = revision.account(market, row, at_s=max(deadline_s, block.timestamp_s))
        found = [
            self._terms(revision, market, position.borrower, account, late, collateral.reserve, debt.reserve)
            for collateral in account.collaterals
            for debt in account.debts
            if collateral.scaled and debt.scaled
        ]
        declined = tuple(one for one in found if isinstance(one, DeclinedPair))
        cashless = {(one.collateral, one.debt) for one in declined if one.why.reason is Reason.NO_CASH}
        receipts = [
            self._receipt(revision, position.borrower, account, late, collateral.reserve, debt.reserve)
            for collateral in account.collaterals
            for debt in account.debts
            if (collateral.reserve.token, debt.reserve.token) in cashless
        ]
        return Opportunity(
            market=position.market,
            borrower=position.borrower,
            health=_health(account),
            terms=tuple(one for one in found if isinstance(one, AaveTerms)),
            declined=declined,
            caveat=self.caveat(market),
            receipts=tuple(one for one in receipts if one is not None),
        )

    def caveat(self, market: Market) -> str:
        """Return what of this market was never verified; empty where all was."""
        return caveat(market.revision)

    def _terms(
        self,
        revision: Revision,
        market: Market,
        borrower: Address,
        account: Account,
        late: Account,
        collateral: Reserve,
        debt: Reserve,
    ) -> AaveTerms | DeclinedPair:
        why = _fault(collateral) or _fault(debt)
        if why is None:
            refused = revision.refusal(market, account, collateral=collateral, debt=debt)
            if refused is None:
                pair = revision.pair(account, collateral=collateral, debt=debt)
                found = revision.feasible(pair)
                if not isinstance(found, Refusal):
                    return AaveTerms(
                        revision=revision,
                        pool=self.pool,
                        borrower=borrower,
                        pair=pair,
                        late=revision.pair(late, collateral=collateral, debt=debt),
                        stretches=steady(found),
                    )
                refused = found
            why = _why(refused, account, collateral, debt)
        return DeclinedPair(collateral=collateral.token, debt=debt.token, why=why)

    def _receipt(
        self,
        revision: Revision,
        borrower: Address,
        account: Account,
        late: Account,
        collateral: Reserve,
        debt: Reserve,
    ) -> Receipt | None:
        """Return the terms for the aToken of a collateral that the reserve has no cash for, or None."""
        now, then = (
            with_cash(revision.pair(one, collateral=collateral, debt=debt)) for one in (account, late)
        )
        found = revision.feasible(now)
        if isinstance(found, Refusal):
            return None
        terms = AaveTerms(
            revision=revision,
            pool=self.pool,
            borrower=borrower,
            pair=now,
            late=then,
            stretches=steady(found),
            as_a_token=True,
        )
        return Receipt(terms=terms, redeems_to=collateral.token)

    def _revision(self, market: Market) -> Revision:
        return self._known(market.revision).revision

    def _known(self, number: int) -> Known:
        return known(number, allow_unverified=self.allow_unverified)

    def _layout(self, revision: int) -> Layout:
        return self._known(revision).layout


def _health(account: Account) -> Health:
    return Health(
        health_factor_wad=account.health_factor_wad,
        collateral_base=account.collateral_base,
        debt_base=account.debt_base,
    )


def _holdings(sides: Iterable[Collateral | Debt]) -> tuple[Holding, ...]:
    return tuple(
        Holding(amount=TokenAmount(token=one.reserve.token, raw=one.raw), value_base=one.base)
        for one in sides
        if one.raw
    )


# --- why not ------------------------------------------------------------------------------------------------


def _fault(reserve: Reserve) -> Declined | None:
    """Return why the reserve's token is left alone, None where it is not."""
    if reserve.fault is None:
        return None
    return Declined(reason=Reason.UNVERIFIED, detail=f"{reserve.token.symbol}: {reserve.fault}")


def _why(refusal: Refusal, account: Account, collateral: Reserve, debt: Reserve) -> Declined:
    """Return the pool's refusal as a reason, with the figures that led to it."""
    sides = (collateral, debt)
    match refusal:
        case Refusal.RESERVE_INACTIVE:
            names = _symbols(one for one in sides if not one.configuration.active)
            return Declined(reason=Reason.INACTIVE, detail=names)
        case Refusal.RESERVE_PAUSED:
            names = _symbols(one for one in sides if one.configuration.paused)
            return Declined(reason=Reason.PAUSED, detail=names)
        case Refusal.SENTINEL:
            detail = f"it allows none at a health factor of {account.health_factor_wad / 1e18:.4f}"
            return Declined(reason=Reason.SENTINEL, detail=detail)
        case Refusal.GRACE:
            names = _symbols(one for one in sides if one.grace_until_s >= account.at_s)
            until_s = max(one.grace_until_s for one in sides)
            return Declined(reason=Reason.IN_GRACE, detail=f"{names} until {until_s}")
        case Refusal.HEALTHY:
            detail = f"health factor {account.health_factor_wad / 1e18:.4f}"
            return Declined(reason=Reason.HEALTHY, detail=detail)
        case Refusal.NO_PRICE:
            return Declined(
                reason=Reason.ZERO_PRICE, detail=f"the oracle reverts for {_symbols(account.unpriced)}"
            )
        case Refusal.ZERO_PRICE:
            names = _symbols(one for one in sides if one.price_base == 0)
            return Declined(reason=Reason.ZERO_PRICE, detail=names)
        case Refusal.NO_CASH:
            cash = TokenAmount(token=collateral.token, raw=collateral.cash_raw)
            kept = f"{checksum(collateral.a_token)} is its aToken"
            return Declined(reason=Reason.NO_CASH, detail=f"the pool has {cash}; {kept}")
        case Refusal.DUST | Refusal.NOTHING_BURNED:
            return Declined(reason=Reason.DUST, detail="no amount leaves enough on both sides")
        case Refusal.SELF_LIQUIDATION | Refusal.NOT_COLLATERAL | Refusal.NOT_BORROWED:
            raise Invariant(f"{refusal} for a pair that was read from the borrower's own row")
        case _:
            assert_never(refusal)


def _symbols(reserves: Iterable[Reserve]) -> str:
    return ", ".join(dict.fromkeys(reserve.token.symbol for reserve in reserves))
