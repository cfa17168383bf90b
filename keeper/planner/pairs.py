"""One pair of one borrower: which funding, which routes, which sizes, or why none.

Each choice of routes is sized exactly with each funding that may be its cheapest; the most profitable wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

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
from keeper.planner.routing import mid_price
from keeper.planner.sizing import (
    Evaluation,
    Trade,
    clearing,
    max_close,
    max_profit,
    restore_health,
    value_wei,
)

_OTHER_GAS_BPS = 12_500
"""What another size is thought to use of the most profitable one's gas: it may cross more ticks.

The largest one that pays has nothing to spare: with more gas than it was sized for, it would be declined.
"""


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
            case Objective.MAX_PROFIT:
                return clearing(self.trade, self.best, spare_wei=spare_wei)
            case Objective.MAX_CLOSE:
                first = clearing(self.trade, self.best, spare_wei=spare_wei)
                if first is not self.best:  # it is the largest that clears the minimums
                    return first
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

    def roughly_wei(self, gas_price_wei: int) -> int:
        """Return the best size's profit less what its loan and hops are thought to use of gas."""
        return self.best.profit_wei - self.trade.gas * gas_price_wei

    @property
    def pays_at_oracle(self) -> bool:
        """Return whether the best size would pay if what it seizes were sold at the oracle's price."""
        settlement = self.best.settlement
        worth_raw = settlement.seized_raw * self.terms.oracle_price
        return worth_raw > settlement.repaid_raw + self.best.flash_fee_raw

    def repaid_wei(self, size: Evaluation) -> int:
        """Return the worth of what a size repays, at the pools' prices."""
        return value_wei(self.trade, debt_raw=size.settlement.repaid_raw)

    def _spare_wei(self, size: Evaluation, *, gas_wei: int, options: PlannerOptions) -> int:
        """Return by how much a size clears the minimums after its tip; `gas_wei` is the best size's."""
        if size.repay_raw != self.best.repay_raw:
            gas_wei = mul_div_up(gas_wei, _OTHER_GAS_BPS, BPS)
        vault_wei = size.profit_wei - tip_wei(profit_wei=max(size.profit_wei, 0), options=options)
        return vault_wei - least_vault_wei(gas_wei=gas_wei, repaid_wei=self.repaid_wei(size), options=options)


def consider(
    terms: Terms,
    *,
    desk: Desk,
    pools: Mapping[Address, Pool],
    offers: Mapping[str, Sequence[Offer]],
    gas_price_wei: int,
    options: PlannerOptions,
) -> Pair | Declined:
    """Return the pair with its best funding, routes and size on these pools, or why it can't be traded."""
    never = options.tokens.never(
        {
            terms.collateral.address,
            terms.debt.address,
            *(token for pool in pools.values() for token in pool.tokens),
        }
    ) - {desk.wrapped_native}
    for token in (terms.collateral, terms.debt):
        if token.address in never:
            return Declined(reason=Reason.DENIED, detail=f"{token.symbol} is a token that is never touched")
    if not terms.feasible:
        return Declined(reason=Reason.DUST, detail="no repay amount would be accepted")
    fundings = desk.fundings(terms, offers)
    if isinstance(fundings, Declined):
        return fundings

    allowed = {address: pool for address, pool in pools.items() if never.isdisjoint(pool.tokens)}
    refused = Declined(
        reason=Reason.CANT_BE_SOLD,
        detail=f"no pools sell {terms.collateral.symbol} for {terms.debt.symbol} and wrapped native",
    )
    best: Pair | None = None
    for funding, trade in _trades(terms, desk, allowed, fundings, gas_price_wei, options):
        if diverging := _divergence(trade, options):
            refused = diverging
            continue
        evaluation = max_profit(trade)
        if isinstance(evaluation, Declined):
            refused = evaluation
            continue
        pair = Pair(terms=terms, funding=funding, trade=trade, best=evaluation)
        if best is None or pair.roughly_wei(gas_price_wei) > best.roughly_wei(gas_price_wei):
            best = pair
    return best or refused


def _trades(
    terms: Terms,
    desk: Desk,
    pools: Mapping[Address, Pool],
    fundings: Sequence[Funding],
    gas_price_wei: int,
    options: PlannerOptions,
) -> Iterator[tuple[Funding, Trade]]:
    """Yield the trades worth sizing: each choice of routes, with each funding that may be its cheapest."""
    most_raw = terms.settle(terms.feasible[-1].most_raw).repaid_limit_raw
    for buys, sells in choices(terms, desk, pools, gas_price_wei=gas_price_wei, options=options):
        routes = (*buys, *sells)
        used = {hop.pool for route in routes for hop in route.hops}
        free = [funding for funding in fundings if funding.locks not in used]
        trade = Trade(
            terms=terms,
            pools=pools,
            buys=buys,
            sells=sells,
            wrapped_native=desk.wrapped_native,
            fee_raw=lambda _: 0,
            available_raw=0,
        )
        unit_wei = value_wei(trade, debt_raw=WAD)  # of 10**18 raw units of debt
        gas_raw = Fraction(gas_price_wei * WAD, max(unit_wei, 1))
        for funding in worth_trying(free, most_raw=most_raw, gas_raw=gas_raw):
            yield (
                funding,
                replace(
                    trade,
                    fee_raw=funding.fee_raw,
                    available_raw=funding.available_raw,
                    gas=funding.gas + sum(desk.gas(route) for route in routes),
                ),
            )


def _divergence(trade: Trade, options: PlannerOptions) -> Declined | None:
    """Return why the oracle's price of the pair is not to be believed on these pools, or None.

    The oracle is a check and never a conversion. Where both tokens are the same there is nothing to check.
    """
    terms = trade.terms
    if terms.collateral == terms.debt:
        return None
    pools_price = mid_price(trade.pools, (trade.buys or trade.sells)[0])
    oracle_price, unchanged_s = terms.oracle_price, terms.oracle_unchanged_s
    if pools_price is None or not oracle_price:
        return Declined(reason=Reason.ZERO_PRICE, detail="the oracle or the pools give no price")
    if abs(pools_price - oracle_price) * BPS <= options.max_oracle_divergence_bps * oracle_price:
        return None
    detail = (
        f"the pools pay {float(pools_price / oracle_price):.2%} of the oracle's price of "
        f"{terms.collateral.symbol} in {terms.debt.symbol}"
    )
    if unchanged_s is not None and unchanged_s >= options.max_oracle_age_s:
        return Declined(reason=Reason.STALE_ORACLE, detail=f"{detail}, unchanged for {unchanged_s} s")
    return Declined(reason=Reason.DIVERGENCE, detail=detail)
