"""Carrying: a close that the vault pays for, and whose collateral it keeps, where it can't be sold at once.

What is paid is valued at what the pools take for it, what is kept at the lower of the oracle's price and of
what the pools give for all of it; where none buys it, at the oracle's less the operator's haircut. Nothing of
that is earned: it says whether the close is worth its gas and its money.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from keeper.domain.address import Address
from keeper.domain.carriage import Carriage, Carry
from keeper.domain.declined import Declined, Reason
from keeper.domain.depth import Pool, Route
from keeper.domain.fixed_point import BPS, WAD, mul_div_up
from keeper.domain.plan import Objective
from keeper.domain.position import Interval, Opportunity, Settlement, Terms
from keeper.domain.token import Token, TokenAmount
from keeper.planner.options import PlannerOptions
from keeper.planner.parallel import buy_split, sell_split
from keeper.planner.ways import Ways

_NEARLY_BITS = 20
"""The best size is looked for to a millionth of all sizes."""
_TOO_MUCH_WEI = 1 << 256
"""More than anything is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A repay, what it moves, and what it costs and is booked at."""

    repay_raw: int
    settlement: Settlement
    paid_wei: int
    """What it costs to buy what is repaid, rounded up."""
    booked_wei: int

    @property
    def gain_wei(self) -> int:
        """Return by how much what is kept is worth more than what is paid."""
        return self.booked_wei - self.paid_wei


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrying:
    """One size of a close that is carried."""

    terms: Terms
    carriage: Carriage
    size: Size

    def by(self, vault: Address) -> Carry:
        """Return what this vault pays, and what it keeps."""
        return Carry(
            vault=vault,
            paid=TokenAmount(token=self.terms.debt, raw=self.size.settlement.repaid_raw),
            received=TokenAmount(token=self.terms.collateral, raw=self.size.settlement.seized_raw),
            paid_wei=self.size.paid_wei,
            booked_wei=self.size.booked_wei,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Porter:
    """Looks for what to carry, on the pools of one state."""

    carriages: Sequence[Carriage]
    pools: Mapping[Address, Pool]
    ways: Ways
    wrapped_native: Address
    options: PlannerOptions

    def best(self, opportunity: Opportunity) -> Carrying | Declined | None:
        """Return the close that gains most as it is booked; None where no token of it may be carried.

        Declined by the reason of the pair that came last, where none can be.
        """
        allowed = set(self.options.tokens.carried)
        carriable = [(one, one.collateral) for one in opportunity.terms]
        carriable += [(one.terms, one.redeems_to) for one in opportunity.receipts]
        found = [
            self._carrying(terms, redeems_to)
            for terms, redeems_to in carriable
            if terms.collateral.address in allowed and terms.collateral != terms.debt
        ]
        carried = [one for one in found if isinstance(one, Carrying)]
        if carried:
            return max(carried, key=lambda one: one.size.gain_wei)
        return found[-1] if found else None

    def _carrying(self, terms: Terms, redeems_to: Token) -> Carrying | Declined:
        """Return the size of one pair that gains most, or why it can't be carried."""
        if self.options.tokens.never({terms.debt.address} - {self.wrapped_native}):
            detail = f"{terms.debt.symbol} is a token that is never touched"
            return Declined(reason=Reason.DENIED, detail=detail)
        pair = f"{terms.debt.symbol} on {terms.collateral.symbol}"
        carriage = next(
            (
                one
                for one in self.carriages
                if (one.spent, one.carried) == (terms.debt.address, terms.collateral.address)
            ),
            None,
        )
        if carriage is None:
            detail = f"the vault's owner lets no {pair} be spent; `keeper carry` prints how"
            return Declined(reason=Reason.NOT_CARRIED, detail=detail)
        most_raw = min(carriage.left_raw, carriage.stock_raw)
        within = tuple(_within(terms, most_raw))
        if not within:
            has = TokenAmount(token=terms.debt, raw=carriage.stock_raw)
            left = TokenAmount(token=terms.debt, raw=carriage.left_raw)
            detail = f"the vault has {has}, and {left} may be spent on {terms.collateral.symbol}"
            return Declined(reason=Reason.NO_STOCK, detail=detail)
        if terms.oracle_price == 0:
            return Declined(reason=Reason.ZERO_PRICE, detail=terms.collateral.symbol)
        value = self._value(terms, redeems_to, within[-1].most_raw)
        if isinstance(value, Declined):
            return value
        best = max(
            (value.best(one) for one in self._asked(terms, within)),
            key=lambda size: size.gain_wei,
            default=None,
        )
        if best is None:
            return Declined(
                reason=Reason.OUT_OF_REACH,
                detail=f"no repay of this pair restores a health of "
                f"{self.options.target_health_factor_wad / 1e18:.4f}",
            )
        return self._too_dear(Carrying(terms=terms, carriage=carriage, size=best))

    def _asked(self, terms: Terms, within: Sequence[Interval]) -> Iterator[Interval]:
        """Yield what the objective asks for of what may be repaid: all, or the one size that restores."""
        if self.options.objective is not Objective.RESTORE_HEALTH:
            yield from within
            return
        raw = terms.repay_for_health(self.options.target_health_factor_wad)
        if raw is not None and any(one.least_raw <= raw <= one.most_raw for one in within):
            yield Interval(least_raw=raw, most_raw=raw)

    def _value(self, terms: Terms, redeems_to: Token, most_raw: int) -> _Value | Declined:
        """Return what values sizes up to `most_raw`: through the pools that are best for all of it."""
        most, native = terms.settle(most_raw), self.wrapped_native
        buy: Route | None = None
        if terms.debt.address != native:
            bought = self.ways.purchases(self.pools, native, terms.debt.address, most.repaid_raw)
            if not bought:
                detail = f"no pools tell what {terms.debt.symbol} costs in wrapped native"
                return Declined(reason=Reason.NO_ROUTE, detail=detail)
            buy = bought[-1].route
        sold = redeems_to.address != native
        sales = self.ways.sales(self.pools, redeems_to.address, native, most.seized_raw) if sold else ()
        if sold and not sales and self.options.carry_haircut_bps is None:
            detail = f"no pools buy {redeems_to.symbol}, and KEEPER_CARRY_HAIRCUT_BPS is not set"
            return Declined(reason=Reason.CANT_BE_SOLD, detail=detail)
        return _Value(
            terms=terms,
            pools=self.pools,
            buy=buy,
            sell=sales[-1].route if sales else None,
            is_native=not sold,
            haircut_bps=self.options.carry_haircut_bps or 0,
        )

    def _too_dear(self, carrying: Carrying) -> Carrying | Declined:
        """Return the close, or that less comes of it than the vault's owner asks."""
        terms, carriage, settlement = carrying.terms, carrying.carriage, carrying.size.settlement
        came, asked = Fraction(settlement.seized_raw * WAD), settlement.repaid_raw * carriage.least_wad
        if carriage.by_oracle:  # the market's own, as a rule: if it is another, the simulation tells
            came *= terms.oracle_price * Fraction(10) ** (terms.collateral.decimals - terms.debt.decimals)
        if came >= asked:
            return carrying
        received = TokenAmount(token=terms.collateral, raw=settlement.seized_raw)
        paid = TokenAmount(token=terms.debt, raw=settlement.repaid_raw)
        detail = f"{received} for {paid} is less than the vault's owner asks"
        return Declined(reason=Reason.NOT_CARRIED, detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """Values sizes of one pair."""

    terms: Terms
    pools: Mapping[Address, Pool]
    buy: Route | None
    """From wrapped native to the debt; None where they are one."""
    sell: Route | None
    """From what the collateral is redeemed for to wrapped native; None where no pools buy it."""
    is_native: bool
    """Whether what it is redeemed for is wrapped native coin itself."""
    haircut_bps: int

    def best(self, interval: Interval) -> Size:
        """Return the size of an interval that gains most, or nearly: gains rise to somewhere, then fall."""
        least_raw, most_raw = interval.least_raw, interval.most_raw
        near_raw = max(2, (most_raw - least_raw) >> _NEARLY_BITS)
        while most_raw - least_raw > near_raw:
            third = max((most_raw - least_raw) // 3, 1)
            if self.of(least_raw + third).gain_wei < self.of(most_raw - third).gain_wei:
                least_raw += third
            else:
                most_raw -= third
        ends = {interval.least_raw, least_raw, (least_raw + most_raw) // 2, most_raw, interval.most_raw}
        return max(map(self.of, sorted(ends)), key=lambda size: size.gain_wei)

    def of(self, repay_raw: int) -> Size:
        """Return a size; what the pools can't give for it costs more than anything."""
        settlement = self.terms.settle(repay_raw)
        paid_wei = settlement.repaid_raw
        if self.buy is not None:
            bought = buy_split(self.pools, (self.buy,), settlement.repaid_raw)
            paid_wei = bought.amount_in_raw
            if bought.exhausted:
                return Size(repay_raw=repay_raw, settlement=settlement, paid_wei=_TOO_MUCH_WEI, booked_wei=0)
        at_oracle = settlement.seized_raw * self.terms.oracle_price * paid_wei / settlement.repaid_raw
        booked_wei = at_oracle.numerator // at_oracle.denominator
        if self.is_native:
            booked_wei = min(booked_wei, settlement.seized_raw)
        elif self.sell is None:
            booked_wei -= mul_div_up(booked_wei, self.haircut_bps, BPS)
        else:
            booked_wei = min(booked_wei, self._sold_wei(self.sell, settlement.seized_raw))
        return Size(repay_raw=repay_raw, settlement=settlement, paid_wei=paid_wei, booked_wei=booked_wei)

    def _sold_wei(self, route: Route, amount_raw: int) -> int:
        """Return what the pools give for an amount: of more than they hold, for as much as they take."""
        return sell_split(self.pools, (route,), amount_raw).amount_out_raw if amount_raw else 0


def _within(terms: Terms, most_raw: int) -> Iterator[Interval]:
    """Yield what may be repaid that never pulls more than `most_raw`."""
    for interval in terms.feasible:
        raw = min(interval.most_raw, most_raw)
        if raw >= interval.least_raw and raw > 0:
            over_raw = terms.settle(raw).repaid_limit_raw - most_raw
            if over_raw > 0:  # what clears the debt, or takes all, grows until the deadline
                raw -= over_raw
            if raw >= interval.least_raw and terms.settle(raw).repaid_limit_raw <= most_raw:
                yield Interval(least_raw=interval.least_raw, most_raw=raw)
