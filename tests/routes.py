"""Every route there is between two tokens, one by one: what a search must not miss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, permutations, product

from keeper.domain.address import Address
from keeper.domain.depth import Hop, Pool, Route


def routes(
    pools: Mapping[Address, Pool],
    token_in: Address,
    token_out: Address,
    *,
    intermediates: Sequence[Address] = (),
    most_hops: int = 2,
) -> tuple[Route, ...]:
    """Return the routes of up to so many hops, the shorter ones first."""
    return tuple(_routes(pools, token_in, token_out, intermediates, most_hops))


def _routes(
    pools: Mapping[Address, Pool],
    token_in: Address,
    token_out: Address,
    intermediates: Sequence[Address],
    most_hops: int,
) -> Iterator[Route]:
    between = [token for token in dict.fromkeys(intermediates) if token not in (token_in, token_out)]
    for length in range(most_hops):
        for through in permutations(between, length):
            path = (token_in, *through, token_out)
            ways = [
                [Hop.into(pool, sold) for pool in pools.values() if set(pool.tokens) == {sold, bought}]
                for sold, bought in pairwise(path)
            ]
            for hops in product(*ways):
                yield Route(hops=hops)
