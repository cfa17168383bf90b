"""What wrappers have in common as venues: each pool is one token, each route one hop."""

from __future__ import annotations

from keeper.domain.address import Address
from keeper.domain.calls import BalanceWord, ContractCall
from keeper.domain.depth import Hop, Route


class Single:
    """The part of a :class:`keeper.ports.Venue` that is the same for every wrapper."""

    __slots__ = ()

    @property
    def factory(self) -> None:
        """Return None: nobody announces a wrapper."""

    @property
    def told_by_logs(self) -> bool:
        """Return that it is not: what unwrapping gives moves with no log of the wrapper's own."""
        return False

    @property
    def joins_hops(self) -> bool:
        return False


def only_hop(route: Route) -> Hop:
    """Return the route's one hop: a wrapper's call unwraps once. Raises ValueError where there are others."""
    if len(route.hops) != 1:
        raise ValueError(f"a wrapper is one hop, not {len(route.hops)}")
    return route.hops[0]


def unwrap_all(wrapped: Address, data: bytes, *, offset: int, least_raw: int) -> ContractCall:
    """Return a call whose amount, at `offset`, becomes the executor's whole balance, at least `least_raw`."""
    return ContractCall(
        target=wrapped,
        data=data,
        balance_word=BalanceWord(token=wrapped, offset=offset, minimum_raw=least_raw),
    )
