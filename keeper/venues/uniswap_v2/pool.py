"""A constant-product pair at one state, as depth. Exact to the wei; it knows no chain and fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from keeper.domain.address import Address
from keeper.domain.depth import Segment, Swap

PPM = 1_000_000
_MOST_RESERVE_RAW = 2**112 - 1
"""What the pair can keep of a token: more of it and it reverts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class V2Pool:
    """A pair: a :class:`keeper.domain.depth.Pool`. Mirrors ``UniswapV2Library``.

    A swap is `exhausted` where it would take the whole reserve, fill the pair up, or give nothing: the pair
    refuses all three. Its amounts then say how far it could go.
    """

    address: Address
    venue: str
    token0: Address
    token1: Address
    reserve0_raw: int
    reserve1_raw: int
    fee_ppm: int
    """The pair's fee in millionths of the amount in."""

    @property
    def tier(self) -> None:
        """Return None: there is one pair of two tokens."""

    @property
    def tokens(self) -> tuple[Address, Address]:
        return self.token0, self.token1

    @property
    def unwraps_to(self) -> None:
        """Return None: it is no wrapper."""

    def sell(self, token_in: Address, amount_in_raw: int) -> Swap:
        """Return the exact-input swap, as ``getAmountOut`` floors it. Raises ValueError for a stranger."""
        reserve_in, reserve_out = self._reserves(token_in)
        taken_raw = min(amount_in_raw, _MOST_RESERVE_RAW - reserve_in)
        out_raw = self._out(taken_raw, reserve_in, reserve_out)
        short = taken_raw < amount_in_raw or out_raw == 0
        return self._swap(token_in, taken_raw, out_raw, exhausted=short)

    def buy(self, token_out: Address, amount_out_raw: int) -> Swap:
        """Return the exact-output swap, as ``getAmountIn`` rounds it. Raises ValueError for a stranger."""
        token_in = self.token1 if token_out == self.token0 else self.token0
        reserve_out, reserve_in = self._reserves(token_out)
        room_raw = _MOST_RESERVE_RAW - reserve_in
        given_raw = min(amount_out_raw, self._out(room_raw, reserve_in, reserve_out))
        if given_raw == 0:
            return self._swap(token_in, 0, 0, exhausted=True)
        whole = (reserve_out - given_raw) * (PPM - self.fee_ppm)
        taken_raw = min(reserve_in * given_raw * PPM // whole + 1, room_raw)
        return self._swap(token_in, taken_raw, given_raw, exhausted=given_raw < amount_out_raw)

    def segments(self, token_in: Address) -> Iterator[Segment]:
        """Yield the depth for selling `token_in`, fee included: one segment, none where the pair is empty.

        With g one less the fee, x gives g R x / (r + g x) of a reserve R, for a reserve r of what is sold.
        """
        reserve_in, reserve_out = self._reserves(token_in)
        room_raw = _MOST_RESERVE_RAW - reserve_in
        if reserve_in and reserve_out and room_raw:
            keeps_ppm = PPM - self.fee_ppm
            yield Segment(a=keeps_ppm * reserve_out, b=PPM * reserve_in, c=keeps_ppm, capacity_in=room_raw)

    def _out(self, amount_in_raw: int, reserve_in: int, reserve_out: int) -> int:
        if not (reserve_in and reserve_out):
            return 0
        net = amount_in_raw * (PPM - self.fee_ppm)
        return net * reserve_out // (reserve_in * PPM + net)

    def _reserves(self, token: Address) -> tuple[int, int]:
        """Return the reserve of `token`, and the other one."""
        if token == self.token0:
            return self.reserve0_raw, self.reserve1_raw
        if token == self.token1:
            return self.reserve1_raw, self.reserve0_raw
        raise ValueError(f"0x{token.hex()} is no token of the pair 0x{self.address.hex()}")

    def _swap(self, token_in: Address, taken_raw: int, given_raw: int, *, exhausted: bool) -> Swap:
        change0, change1 = (taken_raw, -given_raw) if token_in == self.token0 else (-given_raw, taken_raw)
        return Swap(
            amount_in_raw=taken_raw,
            amount_out_raw=given_raw,
            exhausted=exhausted,
            leaves=lambda: replace(
                self,
                reserve0_raw=self.reserve0_raw + change0,
                reserve1_raw=self.reserve1_raw + change1,
            ),
        )
