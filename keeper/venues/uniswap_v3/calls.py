"""How a router is called: exact input with the executor's whole balance, and exact output.

Mirrors ``IV3SwapRouter`` of @uniswap/swap-router-contracts 1.3.1, without deadline; ``ISwapRouter`` of
@uniswap/v3-periphery 1.4.4 and Slipstream's, with one: it is set beyond all time, as the executor has its
own. None gets a price limit: the amounts are the limit. A route of one pool has a function of its own, which
is cheaper; a longer one is written as a path.
"""

from __future__ import annotations

from dataclasses import dataclass

from keeper.abi import Interface, load
from keeper.domain.address import Address
from keeper.domain.calls import BalanceWord, ContractCall, Spend
from keeper.domain.depth import Hop, Route
from keeper.venues.uniswap_v3.fork import Fork

_NO_PRICE_LIMIT = 0
_NO_DEADLINE_S = 2**40 - 1
# Where amountIn stands in the data, a deadline before it not counted: after the selector, and in `exactInput`
# after the struct's own offset.
_SINGLE_AMOUNT_IN_OFFSET = 4 + 4 * 32
_PATH_AMOUNT_IN_OFFSET = 4 + 32 + 2 * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """One fork's router."""

    address: Address
    fork: Fork

    def sell(
        self, route: Route, *, amount_in_raw: int, least_out_raw: int, recipient: Address
    ) -> ContractCall:
        """Return the call that sells the executor's whole balance, at least `amount_in_raw`, along `route`.

        Raises ValueError for an empty route, and for no amount: the router takes 0 to mean its own balance.
        """
        first = _first(route)
        if amount_in_raw <= 0:
            raise ValueError(f"{amount_in_raw} cannot be sold")
        amounts = (*self._deadline, amount_in_raw, least_out_raw)
        if len(route.hops) == 1:
            offset = _SINGLE_AMOUNT_IN_OFFSET
            pool = (first.token_in, first.token_out, _tier(first))
            data = self._encoded("exactInputSingle", *pool, recipient, *amounts, _NO_PRICE_LIMIT)
        else:
            offset = _PATH_AMOUNT_IN_OFFSET
            data = self._encoded("exactInput", encoded_path(route), recipient, *amounts)
        return ContractCall(
            target=self.address,
            data=data,
            spend=Spend(token=first.token_in, amount_raw=amount_in_raw),
            balance_word=BalanceWord(
                token=first.token_in,
                offset=offset + 32 * len(self._deadline),
                minimum_raw=amount_in_raw,
            ),
        )

    def buy(self, route: Route, *, amount_out_raw: int, most_in_raw: int, recipient: Address) -> ContractCall:
        """Return the call that buys exactly `amount_out_raw` along `route` for at most `most_in_raw`.

        Raises ValueError for an empty route.
        """
        first = _first(route)
        amounts = (*self._deadline, amount_out_raw, most_in_raw)
        if len(route.hops) == 1:
            pool = (first.token_in, first.token_out, _tier(first))
            data = self._encoded("exactOutputSingle", *pool, recipient, *amounts, _NO_PRICE_LIMIT)
        else:
            data = self._encoded("exactOutput", encoded_path(route, backwards=True), recipient, *amounts)
        return ContractCall(
            target=self.address, data=data, spend=Spend(token=first.token_in, amount_raw=most_in_raw)
        )

    @property
    def _deadline(self) -> tuple[int, ...]:
        return (_NO_DEADLINE_S,) if self.fork.routers_deadline else ()

    def _encoded(self, function: str, *members: object) -> bytes:
        return _interface(self.fork).function(function).encode(members)


def encoded_path(route: Route, *, backwards: bool = False) -> bytes:
    """Return a route as the router reads it: token, tier, token, ... ; an exact output's from its end."""
    hops = [(hop.token_in, _tier(hop), hop.token_out) for hop in route.hops]
    if backwards:
        hops = [(token_out, tier, token_in) for token_in, tier, token_out in reversed(hops)]
    return hops[0][0] + b"".join(tier.to_bytes(3) + token for _, tier, token in hops)


def _interface(fork: Fork) -> Interface:
    if fork.by_tick_spacing:
        return load("slipstream_router")
    return load("uniswap_v3_router_with_deadline" if fork.routers_deadline else "uniswap_v3_router")


def _tier(hop: Hop) -> int:
    return hop.fee_ppm if hop.tier is None else hop.tier


def _first(route: Route) -> Hop:
    if not route.hops:
        raise ValueError("an empty route calls nothing")
    return route.hops[0]
