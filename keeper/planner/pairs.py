"""One pair of one borrower: which funding, which routes, which sizes, or why none.

Each choice of routes is sized exactly with each funding that may be its cheapest; the most profitable wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.depth import Pool
from keeper.domain.fixed_point import BPS, WAD, mul_div_up
from keeper.domain.funding import Offer
from keeper.domain.plan import Objective
from keeper.domain.position import Terms
from keeper.planner.assembly import Desk
from keeper.planner.choices import choices
from keeper.planner.costs import least_vault_wei, tip_wei
from keeper.planner.funding import Funding, worth_trying
from keeper.planner.options import PlannerOptions
from keeper.planner.parallel import Depth
from keeper.planner.sizing import (
    Evaluation,
    Trade,
    clearing,
    max_close,
    max_profit,
    restore_health,
    value_wei,
)
from keeper.planner.ways import Ways

_OTHER_GAS_BPS = 12_500
"""What another size is thought to use of the most profitable one's gas: it may cross more ticks.

The largest one that pays has nothing to spare: with more gas than it was sized for, it would be declined.
"""


Key: TypeAlias = tuple[Address, Address]
"""Which pair of a position: its collateral and its debt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A pair that can be traded: through which routes, and its most profitable size before gas."""

    terms: Terms
    funding: Funding
    trade: Trade
    best: Evaluation

    def size(self, objective: Objective, *, gas_wei: int, options: PlannerOptions) -> Evaluation | Declined:
        """Return what an objective makes of the pair, where its most profitable size costs `gas_wei`."""

        def spare_wei(size: Evaluation) -> int:
            return self._spare_wei(size, gas_wei=gas_wei, options=options)

        match objective:
            case Objective.MAX_PROFIT | Objective.MAX_CLOSE:
                vault_wei = _vault_wei(self.best, options)
                nothing_repaid_wei = least_vault_wei(gas_wei=gas_wei, repaid_wei=0, options=options)
                first = clearing(
                    self.trade,
                    self.best,
                    spare_wei=spare_wei,
                    most_spare_wei=vault_wei - nothing_repaid_wei,
                )
                if objective is Objective.MAX_PROFIT or first is not self.best:
                    return first  # where it is not the best, it is the largest that clears the minimums
                return max_close(
                    self.trade, self.best, spare_wei=spare_wei, keep_bps=options.max_close_keep_bps
                )
            case Objective.RESTORE_HEALTH:
                restored = restore_health(self.trade, target_wad=options.target_health_factor_wad)
                return restored or Declined(
                    reason=Reason.OUT_OF_REACH,
                    detail=f"no repay of this pair restores a health of "
                    f"{options.target_health_factor_wad / 1e18:.4f}",
                )

    def on(self, terms: Terms, pools: Mapping[Address, Pool], *, available_raw: int) -> Pair | Declined:
        """Return the same trade where pools, terms and what is lent have changed since."""
        trade = replace(self.trade, terms=terms, pools=pools, available_raw=available_raw)
        best = max_profit(trade)
        return best if isinstance(best, Declined) else replace(self, terms=terms, trade=trade, best=best)

    @property
    def pools(self) -> frozenset[Address]:
        """Return every pool that the trade may pass through."""
        routes = (*self.trade.buys, *self.trade.sells)
        return frozenset(hop.pool for route in routes for hop in route.hops)

    @property
    def pays_at_oracle(self) -> bool:
        """Return whether the best size would pay if what it seizes were sold at the oracle's price."""
        settlement, fee_raw = self.best.settlement, self.best.flash_fee_raw
        if self.trade.borrows_collateral:
            return (settlement.seized_raw - fee_raw) * self.terms.oracle_price > settlement.repaid_raw
        return settlement.seized_raw * self.terms.oracle_price > settlement.repaid_raw + fee_raw

    @property
    def key(self) -> Key:
        """Return which pair of the position it is."""
        return key_of(self.terms)

    @property
    def at_an_end(self) -> bool:
        """Return whether the best size is the most of what may be repaid, of all or up to a hole."""
        return any(self.best.repay_raw == one.most_raw for one in self.terms.feasible)

    def repaid_wei(self, size: Evaluation) -> int:
        """Return the worth of what a size repays, at the pools' prices."""
        return value_wei(self.trade, debt_raw=size.settlement.repaid_raw)

    def _spare_wei(self, size: Evaluation, *, gas_wei: int, options: PlannerOptions) -> int:
        """Return by how much a size clears the minimums after its tip; `gas_wei` is the best size's."""
        if size.repay_raw != self.best.repay_raw:
            gas_wei = mul_div_up(gas_wei, _OTHER_GAS_BPS, BPS)
        least_wei = least_vault_wei(gas_wei=gas_wei, repaid_wei=self.repaid_wei(size), options=options)
        return _vault_wei(size, options) - least_wei


def _vault_wei(size: Evaluation, options: PlannerOptions) -> int:
    """Return what of a size's profit reaches the vault, its tip paid."""
    return size.profit_wei - tip_wei(profit_wei=max(size.profit_wei, 0), options=options)


def key_of(terms: Terms) -> Key:
    """Return which pair of a position these terms are of."""
    return terms.collateral.address, terms.debt.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizer:
    """Sizes pairs at one head: what is the same for all of its borrowers."""

    desk: Desk
    options: PlannerOptions
    ways: Ways
    gas_price_wei: int

    @classmethod
    def among(
        cls, pools: Mapping[Address, Pool], *, desk: Desk, options: PlannerOptions, gas_price_wei: int
    ) -> Sizer:
        """Return what sizes pairs on these pools, at any state of them."""
        tokens = {token for pool in pools.values() for token in pool.tokens}
        never = options.tokens.never(tokens) - {desk.wrapped_native}
        ways = Ways(pools, intermediates=options.intermediates, never=never)
        return cls(desk=desk, options=options, ways=ways, gas_price_wei=gas_price_wei)

    def consider(
        self, terms: Terms, pools: Mapping[Address, Pool], offers: Mapping[str, Sequence[Offer]]
    ) -> Pair | Declined:
        """Return the pair with its best funding, routes and size on these pools, or why there is none."""
        refused = self._denied(terms)
        if refused is not None:
            return refused
        if not terms.feasible:
            return Declined(reason=Reason.DUST, detail="no repay amount would be accepted")
        fundings = self.desk.fundings(terms, offers)
        if isinstance(fundings, Declined):
            return fundings

        refused = Declined(
            reason=Reason.CANT_BE_SOLD,
            detail=f"no pools sell {terms.collateral.symbol} for {terms.debt.symbol} and wrapped native",
        )
        best: Pair | None = None
        for funding, trade in self._trades(terms, Depth.of(pools), fundings):
            if diverging := _divergence(trade, self.options):
                refused = diverging
                continue
            gas_wei = trade.gas * self.gas_price_wei
            beat_wei = None if best is None else self.roughly_wei(best) + gas_wei
            evaluation = max_profit(trade, beat_wei=beat_wei)
            if isinstance(evaluation, Declined):
                refused = evaluation
                continue
            pair = Pair(terms=terms, funding=funding, trade=trade, best=evaluation)
            if best is None or self.roughly_wei(pair) > self.roughly_wei(best):
                best = pair
        return best or refused

    def roughly_wei(self, pair: Pair) -> int:
        """Return the best size's profit less what its loan and hops are thought to use of gas."""
        return pair.best.profit_wei - pair.trade.gas * self.gas_price_wei

    def _denied(self, terms: Terms) -> Declined | None:
        tokens = {terms.collateral.address, terms.debt.address} - {self.desk.wrapped_native}
        never = self.options.tokens.never(tokens)
        for token in (terms.collateral, terms.debt):
            if token.address in never:
                detail = f"{token.symbol} is a token that is never touched"
                return Declined(reason=Reason.DENIED, detail=detail)
        return None

    def _trades(
        self, terms: Terms, pools: Depth, fundings: Sequence[Funding]
    ) -> Iterator[tuple[Funding, Trade]]:
        """Yield the trades worth sizing: each choice of routes, with each funding that may be cheapest."""
        most = terms.settle(terms.feasible[-1].most_raw)
        chosen = choices(terms, self.desk, pools, self.ways, gas_price_wei=self.gas_price_wei)
        for buys, sells in chosen:
            routes = (*buys, *sells)
            used = {hop.pool for route in routes for hop in route.hops}
            trade = Trade(
                terms=terms,
                pools=pools,
                buys=buys,
                sells=sells,
                wrapped_native=self.desk.wrapped_native,
                fee_raw=lambda _: 0,
                available_raw=0,
                slippage_bps=self.options.max_slippage_bps,
            )
            free = [one for one in fundings if one.locks not in used]
            gas = sum(map(self.desk.gas, routes))
            # loans of the debt token and of the collateral are in units of their own: apart, and seldom both
            for of_collateral in sorted({one.of_collateral for one in free}):
                alike = [one for one in free if one.of_collateral is of_collateral]
                if of_collateral:
                    most_raw, unit_wei = most.seized_raw, value_wei(trade, collateral_raw=WAD)
                    if trade.keeps_debt:  # bought first with what is lent, the rest is sold where it was
                        trade, gas = replace(trade, buys=trade.sells), 2 * gas
                else:
                    most_raw, unit_wei = most.repaid_limit_raw, value_wei(trade, debt_raw=WAD)
                gas_raw = Fraction(self.gas_price_wei * WAD, max(unit_wei, 1))
                for funding in worth_trying(alike, most_raw=most_raw, gas_raw=gas_raw):
                    yield funding, funded(trade, funding, gas=gas)


def funded(trade: Trade, funding: Funding, *, gas: int = 0) -> Trade:
    """Return a trade that is paid for so; `gas` is what its routes use, about."""
    return replace(
        trade,
        fee_raw=funding.fee_raw,
        available_raw=funding.available_raw,
        borrows_collateral=funding.of_collateral,
        gas=funding.gas + gas,
    )


def _divergence(trade: Trade, options: PlannerOptions) -> Declined | None:
    """Return why the oracle's price of the pair is not to be believed on these pools, or None.

    The oracle is a check and never a conversion. Where both tokens are the same there is nothing to check.
    """
    terms = trade.terms
    if terms.collateral == terms.debt:
        return None
    pools_price = Depth.of(trade.pools).mid_price((trade.buys or trade.sells)[0])
    oracle_price, unchanged_s = terms.oracle_price, terms.oracle_unchanged_s
    if pools_price is None or not oracle_price:
        return Declined(reason=Reason.ZERO_PRICE, detail="the oracle or the pools give no price")
    # in ints, over the product of both denominators
    oracle = oracle_price.numerator * pools_price.denominator
    apart = abs(pools_price.numerator * oracle_price.denominator - oracle)
    if apart * BPS <= options.max_oracle_divergence_bps * oracle:
        return None
    detail = (
        f"the pools pay {float(pools_price / oracle_price):.2%} of the oracle's price of "
        f"{terms.collateral.symbol} in {terms.debt.symbol}"
    )
    if unchanged_s is not None and unchanged_s >= options.max_oracle_age_s:
        return Declined(reason=Reason.STALE_ORACLE, detail=f"{detail}, unchanged for {unchanged_s} s")
    return Declined(reason=Reason.DIVERGENCE, detail=detail)
