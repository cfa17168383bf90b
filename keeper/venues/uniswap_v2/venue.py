"""Uniswap V2, or a fork of it, as a venue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from keeper.abi import address, load
from keeper.domain.address import ZERO_ADDRESS, Address, address_of
from keeper.domain.calls import BalanceWord, ContractCall, Spend
from keeper.domain.depth import Pool, Route
from keeper.domain.errors import Broken
from keeper.query import Call, Query, read, settle
from keeper.venues.uniswap_v2.pool import V2Pool

_GET_PAIR = load("uniswap_v2_factory").function("getPair")
_PAIR = load("uniswap_v2_pair")
_KEY = tuple(_PAIR.function(name).encode() for name in ("token0", "token1"))
_GET_RESERVES = _PAIR.function("getReserves").encode()
_ROUTER = load("uniswap_v2_router")
_SELL = _ROUTER.function("swapExactTokensForTokens")
_BUY = _ROUTER.function("swapTokensForExactTokens")

_AMOUNT_IN_OFFSET = 4
"""Where amountIn stands in the data: after the selector."""
_NO_DEADLINE_S = 2**40 - 1
"""The executor has a deadline of its own."""

FEE_PPM = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UniswapV2:
    """A factory's pairs, and the router that sells into them: a :class:`keeper.ports.Venue`.

    A fork is another `name`, `factory` and `router`, and where it takes another fee, another `fee_ppm`: the
    router computes with it, and a pair does not tell it.
    """

    factory: Address
    router: Address
    name: str = "uniswap-v2"
    fee_ppm: int = FEE_PPM
    _tokens: dict[Address, tuple[Address, Address]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    """What never changes in a pair, of those that were read."""

    @property
    def hop_gas(self) -> int:
        return 85_000

    @property
    def told_by_logs(self) -> bool:
        return True

    @property
    def joins_hops(self) -> bool:
        return True

    def discover(self, pairs: Iterable[tuple[Address, Address]]) -> Query[tuple[Address, ...]]:
        """Return the pairs that there are, however deep: one round."""
        distinct = dict.fromkeys((min(pair), max(pair)) for pair in pairs)
        calls = [Call(self.factory, _GET_PAIR.encode(*pair)) for pair in distinct]
        found = yield from read(calls, address)
        return tuple(pair for pair in found if pair != ZERO_ADDRESS)

    def load(self, pools: Sequence[Address]) -> Query[Mapping[Address, Pool]]:
        """Return each pair with its depth, one call each in one round; those that can't be read are left out.

        The first time, each is also asked for its tokens.
        """
        distinct = tuple(dict.fromkeys(pools))
        answers = yield from settle([self._loaded(pool) for pool in distinct])
        return {pool.address: pool for pool in answers if not isinstance(pool, Broken)}

    def _loaded(self, address: Address) -> Query[V2Pool]:
        known = self._tokens.get(address)
        asked = (_GET_RESERVES,) if known else (_GET_RESERVES, *_KEY)
        reserves, *key = yield from read([Call(address, data) for data in asked], _words)
        if known is None:
            known = address_of(key[0][0]), address_of(key[1][0])
            self._tokens[address] = known
        if len(reserves) < 2:
            raise Broken(f"0x{address.hex()} is no pair: it tells one reserve")
        return V2Pool(
            address=address,
            venue=self.name,
            token0=known[0],
            token1=known[1],
            reserve0_raw=int.from_bytes(reserves[0]),
            reserve1_raw=int.from_bytes(reserves[1]),
            fee_ppm=self.fee_ppm,
        )

    def sell(
        self, route: Route, *, amount_in_raw: int, least_out_raw: int, recipient: Address
    ) -> ContractCall:
        """Return the call that sells the executor's whole balance of the route's first token.

        `amount_in_raw` is what the balance is predicted to be, and the least it may be. Raises ValueError
        for an empty route.
        """
        path = _path(route)
        return ContractCall(
            target=self.router,
            data=_SELL.encode(amount_in_raw, least_out_raw, path, recipient, _NO_DEADLINE_S),
            spend=Spend(token=path[0], amount_raw=amount_in_raw),
            balance_word=BalanceWord(token=path[0], offset=_AMOUNT_IN_OFFSET, minimum_raw=amount_in_raw),
        )

    def buy(self, route: Route, *, amount_out_raw: int, most_in_raw: int, recipient: Address) -> ContractCall:
        """Return the call that buys exactly `amount_out_raw` of the route's last token.

        Raises ValueError for an empty route.
        """
        path = _path(route)
        return ContractCall(
            target=self.router,
            data=_BUY.encode(amount_out_raw, most_in_raw, path, recipient, _NO_DEADLINE_S),
            spend=Spend(token=path[0], amount_raw=most_in_raw),
        )


def _path(route: Route) -> list[Address]:
    if not route.hops:
        raise ValueError("an empty route calls nothing")
    return [route.hops[0].token_in, *(hop.token_out for hop in route.hops)]


def _words(answer: bytes) -> list[bytes]:
    """Return an answer's words. Raises ValueError where there is none."""
    if len(answer) < 32:
        raise ValueError("expected a word of 32 bytes")
    return [answer[at : at + 32] for at in range(0, len(answer) - 31, 32)]
