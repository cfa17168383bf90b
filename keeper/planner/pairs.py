"""One pair of one borrower: which routes, which sizes, or why none.

The routes are chosen where they matter: for the whole close and for parts of it, since a pool that is best
for a small sale is not for a large one. Each candidate is sized exactly, and the most profitable wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.depth import Pool, Route
from keeper.domain.fixed_point import BPS, mul_div_up
from keeper.domain.funding import Lendable
from keeper.domain.plan import Objective
from keeper.domain.position import Terms
from keeper.planner.assembly import Desk
from keeper.planner.costs import least_vault_wei, tip_wei
from keeper.planner.funding import Funding
from keeper.planner.options import PlannerOptions
from keeper.planner.routing import best_purchase, best_sale, buy_through, mid_price, routes
from keeper.planner.sizing import Evaluation, Trade, max_close, max_profit, restore_health, value_wei

_PROBED_PARTS = (1, 4, 16)
"""Routes are looked for at the whole of the largest close, and at these parts of it."""

_LARGER_GAS_BPS = 12_500
"""What a larger size is thought to use of the most profitable one's gas: it may cross more ticks.

The largest one that pays has nothing to spare: with more gas than it was sized for, it would be declined.
"""

_NOWHERE = Route(hops=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A pair that can be traded: through which routes, and its most profitable size before gas."""

    terms: Terms
    funding: Funding
    trade: Trade
    best: Evaluation

    def size(self, objective: Objective, *, gas_wei: int, options: PlannerOptions) -> Evaluation | Declined:
        """Return what an objective makes of the pair, where its most profitable size costs `gas_wei`."""
        match objective:
            case Objective.MAX_PROFIT:
                return self.best
            case Objective.MAX_CLOSE:
                return max_close(
                    self.trade,
                    self.best,
                    spare_wei=lambda size: self._spare_wei(size, gas_wei=gas_wei, options=options),
                    keep_bps=options.max_close_keep_bps,
                )
            case Objective.RESTORE_HEALTH:
                restored = restore_health(self.trade, target_wad=options.target_health_factor_wad)
                return restored or Declined(
                    reason=Reason.OUT_OF_REACH,
                    detail=f"no repay of this pair restores a health of "
                    f"{options.target_health_factor_wad / 1e18:.4f}",
                )

    def repaid_wei(self, size: Evaluation) -> int:
        """Return the worth of what a size repays, at the pools' prices."""
        return value_wei(self.trade, debt_raw=size.settlement.repaid_raw)

    def _spare_wei(self, size: Evaluation, *, gas_wei: int, options: PlannerOptions) -> int:
        """Return by how much a size clears the minimums after its tip; `gas_wei` is the best size's."""
        if size.repay_raw > self.best.repay_raw:
            gas_wei = mul_div_up(gas_wei, _LARGER_GAS_BPS, BPS)
        vault_wei = size.profit_wei - tip_wei(profit_wei=max(size.profit_wei, 0), options=options)
        return vault_wei - least_vault_wei(gas_wei=gas_wei, repaid_wei=self.repaid_wei(size), options=options)


def consider(
    terms: Terms,
    *,
    desk: Desk,
    pools: Mapping[Address, Pool],
    lendable: Lendable | None,
    options: PlannerOptions,
) -> Pair | Declined:
    """Return the pair with its best routes and size on these pools, or why it can't be traded."""
    for token in (terms.collateral, terms.debt):
        if token.address in options.deny_tokens:
            return Declined(reason=Reason.DENIED, detail=f"{token.symbol} is on the list of denied tokens")
    if not terms.feasible:
        return Declined(reason=Reason.DUST, detail="no repay amount would be accepted")
    funding = desk.funding(terms, lendable)
    if isinstance(funding, Declined):
        return funding

    allowed = {address: pool for address, pool in pools.items() if not options.deny_tokens & {*pool.tokens}}
    candidates = _candidates(terms, desk=desk, pools=allowed, funding=funding, options=options)
    if not candidates:
        return Declined(
            reason=Reason.NO_ROUTE,
            detail=f"no pools sell {terms.collateral.symbol} for {terms.debt.symbol} and wrapped native",
        )
    best: Pair | None = None
    refused: Declined | None = None
    for trade in candidates:
        if diverging := _divergence(trade, options):
            refused = diverging
            continue
        evaluation = max_profit(trade)
        if isinstance(evaluation, Declined):
            refused = evaluation
        elif best is None or evaluation.profit_wei > best.best.profit_wei:
            best = Pair(terms=terms, funding=funding, trade=trade, best=evaluation)
    if best is not None:
        return best
    assert refused is not None, "every candidate was either sized or refused"
    return refused


def _candidates(
    terms: Terms,
    *,
    desk: Desk,
    pools: Mapping[Address, Pool],
    funding: Funding,
    options: PlannerOptions,
) -> tuple[Trade, ...]:
    """Return the trades through the best routes at each probed part, without repetition."""
    collateral, debt, native = terms.collateral.address, terms.debt.address, desk.wrapped_native

    def between(token_in: Address, token_out: Address) -> tuple[Route, ...]:
        hops = tuple(token for token in options.intermediates if token not in (token_in, token_out))
        return routes(pools, token_in, token_out, intermediates=hops)

    buys = (_NOWHERE,) if debt in (native, collateral) else between(collateral, debt)
    sales = (_NOWHERE,) if collateral == native else between(collateral, native)
    chosen: dict[tuple[Route, Route], None] = {}
    for part in _PROBED_PARTS:
        settlement = terms.settle(_within(terms, terms.feasible[-1].most_raw // part))
        owed_raw = settlement.repaid_limit_raw + funding.fee_raw(settlement.repaid_limit_raw)
        left, left_raw = pools, settlement.seized_raw
        buy = best_purchase(pools, buys, owed_raw)
        if buy is None:
            continue
        if buy.hops:
            purchase = buy_through(pools, buy, owed_raw)
            left, left_raw = purchase.pools, settlement.seized_raw - purchase.amount_in_raw
        sale = best_sale(left, sales, max(left_raw, 1))
        if sale is not None:
            chosen[buy, sale] = None
    return tuple(
        Trade(
            terms=terms,
            pools=pools,
            buy_route=buy,
            surplus_route=sale,
            wrapped_native=native,
            fee_raw=funding.fee_raw,
            available_raw=funding.available_raw,
        )
        for buy, sale in chosen
    )


def _within(terms: Terms, repay_raw: int) -> int:
    """Return the feasible repay nearest below `repay_raw`, or the least there is."""
    for interval in reversed(terms.feasible):
        if interval.least_raw <= repay_raw:
            return min(repay_raw, interval.most_raw)
    return terms.feasible[0].least_raw


def _divergence(trade: Trade, options: PlannerOptions) -> Declined | None:
    """Return why the oracle's price of the pair is not to be believed on these pools, or None.

    The oracle is a check and never a conversion. Where both tokens are the same there is nothing to check.
    """
    terms = trade.terms
    if terms.collateral == terms.debt:
        return None
    pools_price = mid_price(trade.pools, trade.buy_route if trade.buy_route.hops else trade.surplus_route)
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
