"""Ways: which route is the best from one token to another, for one amount.

A route has at most three hops, over the intermediates that the operator allows. More in gives more out, so
the best way to a token with one hop less is part of the best way on: tokens are labelled hop by hop, with the
most that can be had of each, and each pool is asked but once or twice, however many routes there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from keeper.domain.address import Address
from keeper.domain.depth import Hop, Pool, Route

MOST_HOPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best route of so many hops, and what it gives, or costs, in raw units."""

    route: Route
    amount_raw: int


class Ways:
    """The pools between some tokens, by pair."""

    def __init__(
        self,
        pools: Mapping[Address, Pool],
        *,
        intermediates: Iterable[Address],
        avoid: Collection[Address] = (),
    ) -> None:
        """`avoid` are pools that no route may pass through."""
        self._pools = {address: pool for address, pool in pools.items() if address not in avoid}
        unwrapped = (pool.unwraps_to for pool in self._pools.values())
        self._between = frozenset((*intermediates, *(token for token in unwrapped if token is not None)))
        self._of: dict[Address, list[tuple[Address, Pool]]] = {}
        for pool in self._pools.values():
            one, other = pool.tokens
            self._of.setdefault(one, []).append((other, pool))
            self._of.setdefault(other, []).append((one, pool))

    def sales(self, token_in: Address, token_out: Address, amount_in_raw: int) -> tuple[Best, ...]:
        """Return the route that gives most for an amount: the best of one hop, of two, of three.

        A longer one is left out where a shorter one gives as much.
        """
        return self._best(token_in, token_out, amount_in_raw, selling=True)

    def purchases(self, token_in: Address, token_out: Address, amount_out_raw: int) -> tuple[Best, ...]:
        """Return the route that an amount costs least through: the best of one hop, of two, of three."""
        return self._best(token_out, token_in, amount_out_raw, selling=False)

    def _best(self, start: Address, end: Address, amount_raw: int, *, selling: bool) -> tuple[Best, ...]:
        """Label tokens hop by hop from `start`: forwards with what comes out, backwards with what goes in."""
        found: list[Best] = []
        labels: dict[Address, tuple[int, tuple[Hop, ...]]] = {start: (amount_raw, ())}
        for length in range(1, MOST_HOPS + 1):
            reached: dict[Address, tuple[int, tuple[Hop, ...]]] = {}
            for token, (raw, hops) in labels.items():
                passed = {token, start, *(hop.token_in for hop in hops), *(hop.token_out for hop in hops)}
                for other, pool in self._of.get(token, ()):
                    last = other == end
                    if other in passed or not (last or (length < MOST_HOPS and other in self._between)):
                        continue
                    had = _passed(pool, token, raw, selling=selling)
                    if had is None:
                        continue
                    known = reached.get(other)
                    if known is None or (had > known[0] if selling else had < known[0]):
                        hop = _hop(pool, token, other) if selling else _hop(pool, other, token)
                        reached[other] = had, ((*hops, hop) if selling else (hop, *hops))
            if end in reached:
                raw, hops = reached.pop(end)
                if not found or (raw > found[-1].amount_raw if selling else raw < found[-1].amount_raw):
                    found.append(Best(route=Route(hops=hops), amount_raw=raw))
            labels = reached
        return tuple(found)


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
