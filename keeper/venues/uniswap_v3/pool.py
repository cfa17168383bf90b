"""A Uniswap V3 pool at one state, as depth. Exact to the wei; it knows no chain and fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from keeper.domain.address import Address
from keeper.domain.depth import Segment, Swap
from keeper.venues.uniswap_v3.walk import PPM, Moved, State, Ticks, Walk


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolKey:
    """What never changes in a pool."""

    address: Address
    token0: Address
    token1: Address
    fee_ppm: int
    tick_spacing: int
    venue: str = "uniswap-v3"
    """The name of the venue that calls it."""
    by_tick_spacing: bool = False
    """Whether the venue tells its pools apart by their tick spacing; else by their fee."""


@dataclass(frozen=True, slots=True, kw_only=True)
class V3Pool:
    """A pool: a :class:`keeper.domain.depth.Pool`.

    Swaps go as far as the ticks that were read, and are `exhausted` there, as they are where the router
    stops. An exact input then fills in part, as the contract's does; so does an exact output, which the
    router would refuse.
    """

    key: PoolKey
    ticks: Ticks
    state: State
    _walks: dict[bool, Walk] = field(default_factory=dict, init=False, compare=False, repr=False)
    """By direction (is token0 sold?): a memo of the steps, made at the first use."""

    @property
    def address(self) -> Address:
        return self.key.address

    @property
    def venue(self) -> str:
        return self.key.venue

    @property
    def tokens(self) -> tuple[Address, Address]:
        return self.key.token0, self.key.token1

    @property
    def fee_ppm(self) -> int:
        """Return the pool's fee in millionths of the amount in."""
        return self.key.fee_ppm

    @property
    def tier(self) -> int | None:
        """Return the tick spacing, where factory and router tell pools apart by that."""
        return self.key.tick_spacing if self.key.by_tick_spacing else None

    @property
    def unwraps_to(self) -> None:
        """Return None: it is no wrapper."""

    def sell(self, token_in: Address, amount_in_raw: int) -> Swap:
        """Return the exact-input swap of `amount_in_raw`. Raises ValueError for a token of no side."""
        moved = self.walk(zero_for_one=self._is_token0(token_in)).exact_in(amount_in_raw)
        return self._swap(moved, exhausted=moved.amount_in < amount_in_raw)

    def buy(self, token_out: Address, amount_out_raw: int) -> Swap:
        """Return the exact-output swap for `amount_out_raw`. Raises ValueError for a token of no side."""
        moved = self.walk(zero_for_one=not self._is_token0(token_out)).exact_out(amount_out_raw)
        return self._swap(moved, exhausted=moved.amount_out < amount_out_raw)

    def segments(self, token_in: Address) -> Iterator[Segment]:
        """Yield the depth for selling `token_in`, best price first, fee included: a segment a step.

        With s the square-root price, L the liquidity and g one less the fee, x of token0 gives
        g s^2 L x / (L + g s x) of token1, and x of token1 gives g L x / (L s^2 + g s x) of token0.
        """
        keeps_ppm = PPM - self.key.fee_ppm
        zero_for_one = self._is_token0(token_in)
        for price, liquidity, amount_in in self.walk(zero_for_one=zero_for_one).steps():
            if liquidity == 0 or amount_in == 0:
                continue
            kept = keeps_ppm * price
            if zero_for_one:
                yield Segment(kept * price * liquidity, PPM * liquidity << 192, kept << 96, amount_in)
            else:
                flat = keeps_ppm * liquidity << 192
                yield Segment(flat, PPM * price * price * liquidity, kept << 96, amount_in)

    def walk(self, *, zero_for_one: bool) -> Walk:
        """Return the walk of the swaps that sell token0, or token1."""
        walk = self._walks.get(zero_for_one)
        if walk is None:
            walk = Walk(self.ticks, self.state, fee_ppm=self.key.fee_ppm, zero_for_one=zero_for_one)
            self._walks[zero_for_one] = walk
        return walk

    def _is_token0(self, token: Address) -> bool:
        if token == self.key.token0:
            return True
        if token == self.key.token1:
            return False
        raise ValueError(f"0x{token.hex()} is no token of the pool 0x{self.key.address.hex()}")

    def _swap(self, moved: Moved, *, exhausted: bool) -> Swap:
        amount_in, amount_out, state = moved
        return Swap(amount_in, amount_out, exhausted, partial(self._at, state))

    def _at(self, state: State) -> V3Pool:
        return V3Pool(key=self.key, ticks=self.ticks, state=state)
