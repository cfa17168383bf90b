"""Uniswap V3, or a fork of it, as a venue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from keeper.domain.address import Address
from keeper.domain.calls import ContractCall
from keeper.domain.depth import Pool, Route
from keeper.domain.errors import Broken
from keeper.query import Query, settle
from keeper.venues.uniswap_v3.calls import Router
from keeper.venues.uniswap_v3.fork import UNISWAP, Fork
from keeper.venues.uniswap_v3.pool import V3Pool
from keeper.venues.uniswap_v3.queries import existing_pools, loaded_pool


@dataclass(frozen=True, slots=True, kw_only=True)
class UniswapV3:
    """A factory's pools, and the router that sells into them: a :class:`keeper.ports.Venue`."""

    factory: Address
    router: Address
    fork: Fork = UNISWAP
    reach_ticks: int = 5_000
    """How far from its price a pool is read, in ticks of 0.01 %: 5,000 is from 61 % to 165 % of the price.

    The reach is rounded out to bitmap words (256 tick spacings); what lies beyond counts as exhausted. A
    word is one call a pool and head: the default asks for 1 or 2 of a pool with tick spacing 60, for 5 or 6
    with 10, for 41 with 1. No bonus is worth a sale that moves a price as far.
    """
    _before: dict[Address, V3Pool] = field(default_factory=dict, init=False, compare=False, repr=False)
    """Pools as they were last read: where to look first. Nothing but what never changes is taken from it."""

    @property
    def name(self) -> str:
        return self.fork.name

    @property
    def hop_gas(self) -> int:
        return 100_000

    @property
    def told_by_logs(self) -> bool:
        return not self.fork.changing_fee

    @property
    def joins_hops(self) -> bool:
        return True

    def discover(self, pairs: Iterable[tuple[Address, Address]]) -> Query[tuple[Address, ...]]:
        """Return the pools there are for these pairs, in any tier, however deep: one round."""
        return existing_pools(self.factory, pairs, self.fork)

    def load(self, pools: Sequence[Address]) -> Query[Mapping[Address, Pool]]:
        """Return each pool with its depth: three rounds, or one where none has moved far since the last time.

        Pools that can't be read are left out.
        """
        distinct = tuple(dict.fromkeys(pools))
        answers = yield from settle(
            [
                loaded_pool(pool, fork=self.fork, reach_ticks=self.reach_ticks, before=self._before.get(pool))
                for pool in distinct
            ]
        )
        loaded = {pool.address: pool for pool in answers if not isinstance(pool, Broken)}
        self._before.update(loaded)
        return loaded

    def sell(
        self, route: Route, *, amount_in_raw: int, least_out_raw: int, recipient: Address
    ) -> ContractCall:
        """Return the call that sells the executor's whole balance of the route's first token.

        `amount_in_raw` is what the balance is predicted to be, and the least it may be.
        """
        return self._calls.sell(
            route,
            amount_in_raw=amount_in_raw,
            least_out_raw=least_out_raw,
            recipient=recipient,
        )

    def buy(self, route: Route, *, amount_out_raw: int, most_in_raw: int, recipient: Address) -> ContractCall:
        """Return the call that buys exactly `amount_out_raw` of the route's last token."""
        return self._calls.buy(
            route,
            amount_out_raw=amount_out_raw,
            most_in_raw=most_in_raw,
            recipient=recipient,
        )

    @property
    def _calls(self) -> Router:
        return Router(address=self.router, fork=self.fork)
