"""Positions: what a borrower has and owes, and what may be closed of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple, Protocol

from keeper.domain.address import Address
from keeper.domain.calls import ContractCall, Guard
from keeper.domain.declined import Declined
from keeper.domain.token import Token, TokenAmount


class PositionId(NamedTuple):
    """Which position: by its market's name and its borrower. One protocol may have many markets."""

    market: str
    borrower: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    """What a market's `_base` amounts count: dollars where its oracle does, or the token that is lent."""

    symbol: str
    unit_base: int


DOLLARS = Currency(symbol="USD", unit_base=10**8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A position's health at a block's time, to the last digit as the protocol's own view gives it."""

    health_factor_wad: int
    """Below 1e18 the position may be liquidated. 2**256 - 1 where there is no debt."""
    collateral_base: int
    debt_base: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a borrower has as collateral, or owes, of one token."""

    amount: TokenAmount
    value_base: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The repay amounts from `least_raw` to `most_raw`, both included, in raw units of the debt token."""

    least_raw: int
    most_raw: int


class Settlement(NamedTuple):
    """What one liquidation moves, exactly, at the block time the terms were computed for."""

    repaid_raw: int
    """Debt token that leaves the liquidator."""
    seized_raw: int
    """Collateral token that reaches the liquidator, after the protocol's fee."""
    protocol_fee_raw: int
    """Collateral token that the protocol keeps of what was seized."""
    repaid_limit_raw: int
    """The most that may be pulled where inclusion is as late as the deadline: what must be at hand."""
    seized_least_raw: int
    """The least that reaches the liquidator up to the deadline."""
    clears_debt: bool
    """Nothing of this debt is left."""
    bad_debt_base: int
    """Debt that no collateral is left for, in the oracle's currency."""


class Cash(NamedTuple):
    """What a collateral is paid out of, where that can run out."""

    holder: Address
    raw: int


class Terms(Protocol):
    """One collateral against one debt of one borrower: one shape for every protocol."""

    @property
    def collateral(self) -> Token: ...

    @property
    def debt(self) -> Token: ...

    @property
    def oracle_price(self) -> Fraction:
        """Return the oracle's price of one raw unit of collateral, in raw units of the debt token."""
        ...

    @property
    def oracle_unchanged_s(self) -> int | None:
        """Return for how long that price has been seen unchanged, None where that is not followed."""
        ...

    @property
    def funds_itself(self) -> bool:
        """Return whether `call` hands over the collateral first, and takes the debt after its callback.

        Then its data ends in that callback's bytes argument, empty, as a flash loan's does.
        """
        ...

    def value_base(self, amount: TokenAmount) -> int:
        """Return what the oracle says an amount of either token is worth, floored."""
        ...

    @property
    def owed_raw(self) -> int:
        """Return all that the borrower owes of this debt, at the block's time."""
        ...

    @property
    def feasible(self) -> tuple[Interval, ...]:
        """Return the amounts that may be repaid, ascending and disjoint; the dust rules make holes.

        An amount in it is what is really repaid. The last one clears the debt, takes all the collateral,
        or meets the close factor.
        """
        ...

    def settle(self, repay_raw: int) -> Settlement:
        """Return what repaying `repay_raw` moves. Raises ValueError outside the feasible set."""
        ...

    def health_after_wad(self, repay_raw: int) -> int:
        """Return the position's health factor after repaying `repay_raw`, at the same prices and time."""
        ...

    def repay_for_health(self, target_wad: int) -> int | None:
        """Return the smallest feasible repay that leaves at least `target_wad` of health, or None."""
        ...

    def call(self, repay_raw: int) -> ContractCall:
        """Return the liquidation call. It is made by the executor, which then holds what is seized."""
        ...

    def guards(self, repay_raw: int) -> tuple[Guard, ...]:
        """Return the cheap reads by which a lost race is noticed first."""
        ...

    @property
    def cash(self) -> Cash | None:
        """Return what the collateral is paid out of, None where whoever is liquidated gets their own."""
        ...

    @property
    def shared_book(self) -> bytes | None:
        """Return the name of the accounts in which any close changes every other's terms, if only by a unit.

        None where closes of different borrowers share nothing but cash.
        """
        ...

    def reopened(self) -> Terms | None:
        """Return the terms cut to what leaves the position open to another close in the same transaction.

        A protocol that limits one call to a part of the debt lets another call repay a part of the rest. None
        where nothing is won by it.
        """
        ...

    def behind(self, earlier: Terms, repay_raw: int) -> Terms | Declined:
        """Return the terms as they are once `repay_raw` of others was repaid, earlier in the same block.

        These themselves where that changes nothing of theirs; Declined where nothing may be closed then.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclinedPair:
    """A pair that cannot be liquidated now, and why."""

    collateral: Token
    debt: Token
    why: Declined


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Terms whose collateral is a claim, which is redeemed one to one once there is something to redeem."""

    terms: Terms
    redeems_to: Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    """A borrower who may be liquidated at this state, with the terms of every pair."""

    market: str
    borrower: Address
    health: Health
    terms: tuple[Terms, ...]
    declined: tuple[DeclinedPair, ...]
    """Pairs that the protocol's state rules out (paused, no cash, in grace), each with its reason."""
    caveat: str = ""
    """What the terms rest on that was never verified, where the operator allows that; else empty."""
    receipts: tuple[Receipt, ...] = ()
    """Of pairs whose collateral can't be paid out now: the terms for a claim on it."""

    @property
    def position(self) -> PositionId:
        """Return which position it is of."""
        return PositionId(self.market, self.borrower)

    def behind(self, earlier: Terms, repay_raw: int) -> Opportunity:
        """Return what is left of it once `repay_raw` of other terms was repaid, earlier in the same block."""
        now = [(terms, terms.behind(earlier, repay_raw)) for terms in self.terms]
        if all(after is terms for terms, after in now):
            return self
        gone = tuple(
            DeclinedPair(collateral=terms.collateral, debt=terms.debt, why=after)
            for terms, after in now
            if isinstance(after, Declined)
        )
        left = tuple(after for _, after in now if not isinstance(after, Declined))
        return replace(self, terms=left, declined=(*self.declined, *gone))
