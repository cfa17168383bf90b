"""Ways: which route is the best from one token to another, for one amount.

A route has at most three hops, over the intermediates that the operator allows. More in gives more out, so
the best way to a token with one hop less is part of the best way on: tokens are labelled hop by hop, with the
most that can be had of each, and each pool is asked but once or twice, however many routes there are. Which
pools lie between which tokens no swap changes: that is laid out once for all states of a block.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from keeper.domain.address import Address
from keeper.domain.depth import Hop, Pool, Route
from keeper.planner.parallel import Depth

MOST_HOPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best route of so many hops, and what it gives, or costs, in raw units."""

    route: Route
    amount_raw: int


class Ways:
    """Which pools lie between which tokens."""

    def __init__(
        self,
        pools: Mapping[Address, Pool],
        *,
        intermediates: Iterable[Address],
        never: Collection[Address] = (),
    ) -> None:
        """`never` are tokens that no route may pass through, nor any pool of it hold."""
        used = [pool for pool in pools.values() if not any(token in never for token in pool.tokens)]
        unwrapped = (pool.unwraps_to for pool in used)
        self._between = frozenset((*intermediates, *(token for token in unwrapped if token is not None)))
        self._of: dict[Address, dict[Address, list[Address]]] = {}
        for pool in used:
            one, other = pool.tokens
            self._of.setdefault(one, {}).setdefault(other, []).append(pool.address)
            self._of.setdefault(other, {}).setdefault(one, []).append(pool.address)

    def sales(
        self,
        pools: Mapping[Address, Pool],
        token_in: Address,
        token_out: Address,
        amount_in_raw: int,
        *,
        avoid: Collection[Address] = (),
    ) -> tuple[Best, ...]:
        """Return the route that gives most for an amount: the best of one hop, of two, of three.

        A longer one is left out where a shorter one gives as much. `avoid` are pools not to pass through.
        """
        return self._best(pools, token_in, token_out, amount_in_raw, avoid, selling=True)

    def purchases(
        self,
        pools: Mapping[Address, Pool],
        token_in: Address,
        token_out: Address,
        amount_out_raw: int,
        *,
        avoid: Collection[Address] = (),
    ) -> tuple[Best, ...]:
        """Return the route that an amount costs least through: the best of one hop, of two, of three."""
        return self._best(pools, token_out, token_in, amount_out_raw, avoid, selling=False)

    def first_price(self, pools: Depth, token_in: Address, token_out: Address) -> float:
        """Return what a first unit gives along the route that gives most for it, fees paid; 0 without any.

        No unit gives more. A float: it screens what can't be worth looking for.
        """
        best, labels = 0.0, {token_in: 1.0}
        for length in range(1, MOST_HOPS + 1):
            reached: dict[Address, float] = {}
            for token, price in labels.items():
                for other, between in self._onward(token, token_out, last=length == MOST_HOPS):
                    along = price * max([pools.first_price(address, token) for address in between])
                    reached[other] = max(reached.get(other, 0.0), along)
            best = max(best, reached.pop(token_out, 0.0))
            labels = reached
        return best

    def _best(
        self,
        pools: Mapping[Address, Pool],
        start: Address,
        end: Address,
        amount_raw: int,
        avoid: Collection[Address],
        *,
        selling: bool,
    ) -> tuple[Best, ...]:
        """Label tokens hop by hop from `start`: forwards with what comes out, backwards with what goes in."""
        found: list[Best] = []
        labels = [_Label(amount_raw, (start,), ())]
        for length in range(1, MOST_HOPS + 1):
            reached: dict[Address, _Label] = {}
            for raw, tokens, passed in labels:
                for other, between in self._onward(tokens[-1], end, last=length == MOST_HOPS):
                    if other in tokens:
                        continue
                    for address in between:
                        if address in avoid:
                            continue
                        had = _passed(pools[address], tokens[-1], raw, selling=selling)
                        known = reached.get(other)
                        if had is not None and (
                            known is None or (had > known.raw if selling else had < known.raw)
                        ):
                            reached[other] = _Label(had, (*tokens, other), (*passed, address))
            if (last := reached.pop(end, None)) is not None and (
                not found or (last.raw > found[-1].amount_raw if selling else last.raw < found[-1].amount_raw)
            ):
                found.append(Best(route=last.route(pools, selling=selling), amount_raw=last.raw))
            labels = list(reached.values())
        return tuple(found)

    def _onward(self, token: Address, end: Address, *, last: bool) -> Iterator[tuple[Address, list[Address]]]:
        """Yield where a route may go on to from a token, and through which pools."""
        for other, pools in self._of.get(token, {}).items():
            if other == end or (not last and other in self._between):
                yield other, pools


class _Label(NamedTuple):
    """What is had of a token, by way of which others and through which pools, from the start on."""

    raw: int
    tokens: tuple[Address, ...]
    pools: tuple[Address, ...]

    def route(self, pools: Mapping[Address, Pool], *, selling: bool) -> Route:
        """Return it as a route, in the order that it is sold along."""
        passed = [
            (pools[address], *(tokens if selling else tokens[::-1]))
            for address, tokens in zip(self.pools, pairwise(self.tokens), strict=True)
        ]
        return Route(hops=tuple(_hop(*one) for one in (passed if selling else reversed(passed))))


def _passed(pool: Pool, token: Address, amount_raw: int, *, selling: bool) -> int | None:
    """Return what a sale of `token` gives, or its purchase costs; None where the pool does not have it."""
    if amount_raw == 0:
        return None
    swap = pool.sell(token, amount_raw) if selling else pool.buy(token, amount_raw)
    if swap.exhausted:
        return None
    return swap.amount_out_raw if selling else swap.amount_in_raw


def _hop(pool: Pool, token_in: Address, token_out: Address) -> Hop:
    return Hop(
        pool=pool.address,
        venue=pool.venue,
        token_in=token_in,
        token_out=token_out,
        fee_ppm=pool.fee_ppm,
        tier=pool.tier,
    )
