"""Which routes a close is worth trying through: for the purchase of the debt, and for the sale of the rest.

Routes are chosen where they matter: for the whole of the largest close and for parts of it, since a pool that
is best for a small sale is not for a large one. A route more, in parallel, is taken as long as it gains more
than the gas that its hops use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from math import ceil, floor, prod

from keeper.domain.address import Address
from keeper.domain.depth import Route
from keeper.domain.position import Terms
from keeper.planner.assembly import Desk
from keeper.planner.parallel import Depth, buy_split, sell_split
from keeper.planner.routing import Passage, buy_through, sell_through
from keeper.planner.ways import Best, Ways

_PROBED_PARTS = (1, 4, 16)
"""Routes are looked for at the whole of the largest close, and at these parts of it."""

_MOST_PARALLEL = 4

_OVER = 1 + 1e-9
"""What a float may be too small by."""

Choice = tuple[tuple[Route, ...], tuple[Route, ...]]
"""The routes of the purchase, and those of the sale."""


def choices(terms: Terms, desk: Desk, pools: Depth, ways: Ways, *, gas_price_wei: int) -> Iterator[Choice]:
    """Yield the best routes for each probed part, without repetition; nothing where no pools suffice.

    Where the debt is the wrapped native token nothing is bought, nor where it is the collateral's own; where
    the collateral is the wrapped native token, nothing is sold.
    """
    collateral, debt, native = terms.collateral.address, terms.debt.address, desk.wrapped_native
    search = _Search(desk, pools, ways, gas_price_wei=gas_price_wei)
    price_wei: Fraction | None = None
    chosen: set[Choice] = set()
    for part in _PROBED_PARTS:
        settlement = terms.settle(_within(terms, terms.feasible[-1].most_raw // part))
        left_raw = settlement.seized_raw
        bought: Passage | None = None
        buys: tuple[Route, ...] = ()
        sells: tuple[Route, ...] = ()
        if debt not in (native, collateral):
            if price_wei is None:
                price_wei = search.price_wei(collateral, settlement.seized_raw)
            bought = search.purchase(collateral, debt, settlement.repaid_limit_raw, price_wei=price_wei)
            if bought is None:
                continue
            buys = tuple([flow.route for flow in bought.flows])
            left_raw -= bought.amount_in_raw
        if collateral != native:
            left = pools.after(bought.after) if bought is not None else pools
            sold = search.sale(left, collateral, max(left_raw, 1))
            if sold is None:
                continue
            sells = tuple([flow.route for flow in sold.flows])
        if (buys, sells) not in chosen:
            chosen.add((buys, sells))
            yield buys, sells


class _Search:
    """Looks for parallel routes on pools, at a price of gas."""

    def __init__(self, desk: Desk, pools: Depth, ways: Ways, *, gas_price_wei: int) -> None:
        self._desk = desk
        self._pools = pools
        self._ways = ways
        self._gas_price_wei = gas_price_wei
        self._least_gas = min([venue.hop_gas for venue in desk.venues], default=0)
        self._least_route_wei = self._least_gas * gas_price_wei
        self._first_prices: dict[tuple[Address, Address], float] = {}
        self._sole: dict[tuple[Address, Address], tuple[Route, int]] = {}
        """The route beside which no other is worth a unit, and of how much that is known."""

    def sale(self, pools: Depth, token_in: Address, amount_in_raw: int) -> Passage | None:
        """Return the best sale into the wrapped native token, split where that pays; None where none is."""
        native = self._desk.wrapped_native
        untouched = pools is self._pools
        if untouched and (route := self._sole_route(token_in, native, amount_in_raw)) is not None:
            return sell_through(pools, route, amount_in_raw)
        return self._grown(
            lambda part, avoid: self._ways.sales(
                pools, token_in, native, max(amount_in_raw // part, 1), avoid=avoid
            ),
            lambda routes: sell_split(pools, routes, amount_in_raw),
            is_sole=lambda passage: untouched and self._is_sole(passage, token_in, native, amount_in_raw),
            out=lambda passage: passage.amount_out_raw,
            at_best=lambda: ceil(amount_in_raw * self._ways.first_price(pools, token_in, native) * _OVER),
            worth_wei=lambda amount_out_wei: amount_out_wei,
        )

    def purchase(
        self, token_in: Address, token_out: Address, amount_out_raw: int, *, price_wei: Fraction
    ) -> Passage | None:
        """Return the best purchase of an amount, split where that pays; None where none is.

        `price_wei` is what a raw unit of `token_in` is worth.
        """
        if (route := self._sole_route(token_in, token_out, amount_out_raw)) is not None:
            return buy_through(self._pools, route, amount_out_raw)
        numerator, denominator = price_wei.numerator, price_wei.denominator
        return self._grown(
            lambda part, avoid: self._ways.purchases(
                self._pools, token_in, token_out, max(amount_out_raw // part, 1), avoid=avoid
            ),
            lambda routes: buy_split(self._pools, routes, amount_out_raw),
            is_sole=lambda passage: self._is_sole(passage, token_in, token_out, amount_out_raw),
            out=lambda passage: passage.amount_in_raw,
            at_best=lambda: self._least_for(amount_out_raw, token_in, token_out),
            worth_wei=lambda amount_in_raw: -(amount_in_raw * numerator // denominator),
        )

    def _sole_route(self, token_in: Address, token_out: Address, amount_raw: int) -> Route | None:
        """Return the route of which it is known that no other is worth a unit of so much, if any."""
        route, most_raw = self._sole.get((token_in, token_out), (None, 0))
        return route if amount_raw <= most_raw else None

    def _is_sole(self, passage: Passage, token_in: Address, token_out: Address, amount_raw: int) -> bool:
        """Return whether no route more is worth a unit: the last one brings no less than their first would.

        Where none uses less gas either, it is known to be the best for any smaller amount as well.
        """
        (flow,) = passage.flows
        hops = flow.route.hops
        avoid = [hop.pool for hop in hops]
        others = _OVER * self._ways.first_price(self._pools, token_in, token_out, avoid=avoid)
        if others > prod([self._pools.first_price(hop.pool, hop.token_in) for hop in hops]):
            return False
        left = [next(passage.after[hop.pool].segments(hop.token_in), None) for hop in hops]
        if others > prod([one.a / one.b if one else 0.0 for one in left]):
            return False
        if len(hops) == 1 and self._desk.gas(flow.route) <= self._least_gas:
            self._sole[token_in, token_out] = flow.route, amount_raw
        return True

    def price_wei(self, token: Address, amount_raw: int) -> Fraction:
        """Return what a raw unit of a token is worth along its best route; 0 where there is none."""
        native = self._desk.wrapped_native
        if token == native:
            return Fraction(1)
        best = self._ways.sales(self._pools, token, native, max(amount_raw, 1))
        return (self._pools.mid_price(best[-1].route) if best else None) or Fraction(0)

    def _least_for(self, amount_out_raw: int, token_in: Address, token_out: Address) -> int:
        """Return what an amount would cost if all of it had the price of the first unit."""
        price = self._first_prices.get((token_in, token_out))
        if price is None:
            price = self._ways.first_price(self._pools, token_in, token_out)
            self._first_prices[token_in, token_out] = price
        return floor(amount_out_raw / (price * _OVER)) if price else 0

    def _grown(
        self,
        best: Callable[[int, set[Address]], Sequence[Best]],
        through: Callable[[Sequence[Route]], Passage],
        *,
        is_sole: Callable[[Passage], bool],
        out: Callable[[Passage], int],
        at_best: Callable[[], int],
        worth_wei: Callable[[int], int],
    ) -> Passage | None:
        """Return what passes through the best route, and through every one more that is worth its gas.

        `is_sole` tells of the first passage whether another can be worth anything. `out` is what is had of a
        passage, or paid for it, and `worth_wei` what that is worth. `at_best` tells what would be had, or
        paid, if all passed at the price of the first unit: no routes give more.
        """

        def net_wei(amount_raw: int, gas: int) -> int:
            return worth_wei(amount_raw) - gas * self._gas_price_wei

        def own_net_wei(one: Best) -> int:
            return net_wei(one.amount_raw, self._desk.gas(one.route))

        grown: Passage | None = None
        grown_wei = gas = 0
        routes: tuple[Route, ...] = ()
        used: set[Address] = set()
        while len(routes) < _MOST_PARALLEL:
            found = best(len(routes) + 1, used)
            if not found:
                break
            chosen = found[0] if len(found) == 1 else max(found, key=own_net_wei)
            routes = (*routes, chosen.route)
            used |= {hop.pool for hop in chosen.route.hops}
            gas += self._desk.gas(chosen.route)
            passage = chosen.passage if grown is None else through(routes)
            passage_wei = net_wei(out(passage), gas)
            if passage.exhausted or (grown is not None and passage_wei <= grown_wei):
                break
            first, grown, grown_wei = grown is None, passage, passage_wei
            if first and is_sole(passage):
                break
            if worth_wei(at_best()) - worth_wei(out(passage)) <= self._least_route_wei:
                break
        return grown


def _within(terms: Terms, repay_raw: int) -> int:
    """Return the feasible repay nearest below `repay_raw`, or the least there is."""
    for interval in reversed(terms.feasible):
        if interval.least_raw <= repay_raw:
            return min(repay_raw, interval.most_raw)
    return terms.feasible[0].least_raw
