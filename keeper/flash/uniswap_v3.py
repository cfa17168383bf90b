"""Uniswap V3's ``flash``: one token of a pool's reserves, for the pool's fee."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from keeper.abi import address, load, uint
from keeper.domain.address import ZERO_ADDRESS, Address
from keeper.domain.calls import Callback, ContractCall
from keeper.domain.fixed_point import WAD
from keeper.domain.funding import Offer
from keeper.erc20 import balance_of, transferred
from keeper.query import Call, Query, Reverted, attempt, read

_GET_POOL = load("uniswap_v3_factory").function("getPool")
_LIQUIDITY = load("uniswap_v3_pool").function("liquidity").encode()
_ABI = load("uniswap_v3_flash")
_FLASH = _ABI.function("flash")
_PROGRAM_ARGUMENT = 2
_PPM = 1_000_000


class _Lending(NamedTuple):
    token0: Address
    token1: Address
    fee_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UniswapV3Flash:
    """A factory's pools, of the cheap tiers: a :class:`keeper.ports.FlashSource`. Mirrors ``UniswapV3Pool``.

    A pool is locked while it lends: what is sold must go elsewhere, which its offers say.
    """

    factory: Address
    beside: tuple[Address, ...]
    """Pools are looked for between each token and these."""
    fees_ppm: tuple[int, ...] = (100, 500)
    """A pool that takes more lends dearer than anybody else."""
    name: str = "uniswap-v3-flash"
    callback: str = "uniswapV3FlashCallback"
    """How the pools call back: PancakeSwap's have a name of their own for it."""
    _pools: dict[Address, _Lending] = field(default_factory=dict, init=False, compare=False, repr=False)
    _looked_for: set[tuple[Address, Address]] = field(
        default_factory=set, init=False, compare=False, repr=False
    )

    @property
    def loan_gas(self) -> int:
        return 60_000

    def load(self, tokens: Sequence[Address]) -> Query[tuple[Offer, ...]]:
        """Return what each pool has of each token. In one round; in two where a token is new."""
        yield from self._discover(tokens)
        wanted = set(tokens)
        sides = [
            (pool, token)
            for pool, lending in self._pools.items()
            for token in (lending.token0, lending.token1)
            if token in wanted
        ]
        answers = yield from attempt(
            [
                *(balance_of(token, pool) for pool, token in sides),
                *(Call(pool, _LIQUIDITY) for pool in self._pools),
            ],
            uint,
        )
        liquid = dict(zip(self._pools, answers[len(sides) :], strict=True))
        return tuple(self._offers(zip(sides, answers, strict=False), liquid))

    def _offers(
        self,
        held: zip[tuple[tuple[Address, Address], int | Reverted]],
        liquid: Mapping[Address, int | Reverted],
    ) -> Iterator[Offer]:
        for (pool, token), raw in held:
            in_range = liquid[pool]
            # without liquidity in range a pool lends nothing
            if not isinstance(raw, Reverted) and raw and not isinstance(in_range, Reverted) and in_range:
                premium_wad = self._pools[pool].fee_ppm * (WAD // _PPM)
                yield Offer(token=token, available_raw=raw, premium_wad=premium_wad, pool=pool)

    def _discover(self, tokens: Sequence[Address]) -> Query[None]:
        """Look for the pools of pairs that were never looked for."""
        pairs = {(min(a, b), max(a, b)) for a in tokens for b in self.beside if a != b} - self._looked_for
        asked = [(pair, fee_ppm) for pair in sorted(pairs) for fee_ppm in self.fees_ppm]
        calls = [Call(self.factory, _GET_POOL.encode(*pair, fee_ppm)) for pair, fee_ppm in asked]
        found = yield from read(calls, address)
        for (pair, fee_ppm), pool in zip(asked, found, strict=True):
            if pool != ZERO_ADDRESS:
                self._pools[pool] = _Lending(*pair, fee_ppm)
        self._looked_for.update(pairs)

    def call(self, offer: Offer, *, amount_raw: int, executor: Address) -> ContractCall:
        """Return the call that lends to the executor, which transfers amount and fee back itself.

        Raises ValueError for an offer that is not of one of its pools.
        """
        if offer.pool is None or offer.pool not in self._pools:
            raise ValueError("the offer is of none of these pools")
        lent_first = offer.token == self._pools[offer.pool].token0
        amounts = (amount_raw, 0) if lent_first else (0, amount_raw)
        owed_raw = amount_raw + offer.fee_raw(amount_raw)
        return ContractCall(
            target=offer.pool,
            data=_FLASH.encode(executor, *amounts, b""),
            callback=Callback(
                caller=offer.pool,
                selector=_ABI.function(self.callback).selector,
                program_argument=_PROGRAM_ARGUMENT,
                initiator_argument=None,  # it calls back none but its caller
                answer=b"",
                repay=None,
                payback=transferred(offer.token, owed_raw, to=offer.pool),
            ),
        )
