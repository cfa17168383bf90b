"""Ways: which route is the best from one token to another, for one amount.

A route has at most three hops, over the intermediates that the operator allows. More in gives more out, so
the best way to a token with one hop less is part of the best way on: tokens are labelled hop by hop, with the
most that can be had of each, and each pool is asked but once or twice, however many routes there are. Which
pools lie between which tokens no swap changes: that is laid out once for all states of a block.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from keeper.domain.address import Address
from keeper.domain.depth import Flow, Hop, Pool, Route, Swap
from keeper.planner.parallel import Depth
from keeper.planner.routing import Passage

MOST_HOPS = 3


class Best(NamedTuple):
    """The best route of so many hops, and what it gives, or costs, in raw units."""

    flow: Flow
    amount_raw: int
    swaps: tuple[Swap, ...]
    """What it makes in each pool, first to last."""

    @property
    def route(self) -> Route:
        return self.flow.route

    @property
    def passage(self) -> Passage:
        """Return what passes through it."""
        hops = zip(self.route.hops, self.swaps, strict=True)
        return Passage((self.flow,), {hop.pool: swap.after for hop, swap in hops}, exhausted=False)


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
        self._onwards: dict[tuple[Address, Address, bool], list[tuple[Address, list[Address]]]] = {}
        self._hops: dict[tuple[Address, Address], Hop] = {}

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

    def first_price(
        self, pools: Depth, token_in: Address, token_out: Address, *, avoid: Collection[Address] = ()
    ) -> float:
        """Return what a first unit gives along the route that gives most for it, fees paid; 0 without any.

        No unit gives more. A float: it screens what can't be worth looking for.
        """
        best, labels = 0.0, {token_in: 1.0}
        for length in range(1, MOST_HOPS + 1):
            reached: dict[Address, float] = {}
            for token, price in labels.items():
                for other, between in self._onward(token, token_out, last=length == MOST_HOPS):
                    prices = [pools.first_price(one, token) for one in between if one not in avoid]
                    reached[other] = max(reached.get(other, 0.0), price * max(prices, default=0.0))
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
        labels = [[_Label((amount_raw,), (start,), (), ())]] if amount_raw else []
        for length in range(1, MOST_HOPS + 1):
            reached: dict[Address, list[_Label]] = {}
            for ranked in labels:
                for other, between in self._onward(ranked[0].tokens[-1], end, last=length == MOST_HOPS):
                    for address in between:
                        if address not in avoid and (
                            label := _through(pools[address], other, ranked, selling=selling)
                        ):
                            reached.setdefault(other, []).append(label)
            for ranked in reached.values():
                if len(ranked) > 1:
                    ranked.sort(key=_raw, reverse=selling)
            if at_end := reached.pop(end, None):
                last = at_end[0]
                if not found or (
                    last.raw > found[-1].amount_raw if selling else last.raw < found[-1].amount_raw
                ):
                    found.append(self._as_best(last, selling=selling))
            labels = [ranked for ranked in reached.values() if ranked[0].raw]
        return tuple(found)

    def _as_best(self, label: _Label, *, selling: bool) -> Best:
        """Return a label as a route, in the order that it is sold along."""
        step = 1 if selling else -1
        pools, tokens = label.pools[::step], label.tokens[::step]
        hops = map(self._hop, pools, tokens)  # the last token is sold into none
        flow = Flow(route=Route(hops=tuple(hops)), amounts_raw=label.amounts_raw[::step])
        return Best(flow, label.raw, label.swaps[::step])

    def _hop(self, pool: Pool, token_in: Address) -> Hop:
        hop = self._hops.get((pool.address, token_in))
        if hop is None:
            hop = self._hops[pool.address, token_in] = Hop.into(pool, token_in)
        return hop

    def _onward(self, token: Address, end: Address, *, last: bool) -> Sequence[tuple[Address, list[Address]]]:
        """Return where a route may go on to from a token, and through which pools."""
        onward = self._onwards.get((token, end, last))
        if onward is None:
            onward = self._onwards[token, end, last] = [
                (other, pools)
                for other, pools in self._of.get(token, {}).items()
                if other == end or (not last and other in self._between)
            ]
        return onward


class _Label(NamedTuple):
    """What is had of a token, and of those before it, through which pools, from the start on."""

    amounts_raw: tuple[int, ...]
    tokens: tuple[Address, ...]
    pools: tuple[Pool, ...]
    swaps: tuple[Swap, ...]

    @property
    def raw(self) -> int:
        return self.amounts_raw[-1]


def _raw(label: _Label) -> int:
    return label.raw


def _through(pool: Pool, other: Address, ranked: Sequence[_Label], *, selling: bool) -> _Label | None:
    """Return what a pool makes of a token's labels, the best first: of the first that is not too much for it.

    What is bought backwards only grows from one to the next: there the first alone is looked at.
    """
    for amounts_raw, tokens, pools, swaps in ranked:
        if other in tokens:
            continue
        token, raw = tokens[-1], amounts_raw[-1]
        swap = pool.sell(token, raw) if selling else pool.buy(token, raw)
        if not swap.exhausted:
            had = swap.amount_out_raw if selling else swap.amount_in_raw
            return _Label((*amounts_raw, had), (*tokens, other), (*pools, pool), (*swaps, swap))
        if not selling:
            break
    return None
