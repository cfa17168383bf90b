"""A wrapper at one state, as depth: a straight line with the contract's own rounding. It fetches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from keeper.domain.address import Address
from keeper.domain.depth import Segment, Swap


class Rate(Protocol):
    """What unwrapping gives, to the unit."""

    @property
    def line(self) -> tuple[int, int]:
        """Return numerator and denominator of what one unit gives, about."""
        ...

    def out_raw(self, wrapped_raw: int) -> int:
        """Return what unwrapping gives: it must not fall as the amount grows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Floored:
    """`numerator` / `denominator` of what is unwrapped, floored."""

    numerator: int
    denominator: int

    @property
    def line(self) -> tuple[int, int]:
        return self.numerator, self.denominator

    def out_raw(self, wrapped_raw: int) -> int:
        return wrapped_raw * self.numerator // self.denominator


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapper:
    """A wrapped token: a :class:`keeper.domain.depth.Pool` that sells one way alone.

    The other way round it is exhausted from the start.
    """

    venue: str
    wrapped: Address
    asset: Address
    """What it gives up."""
    rate: Rate
    most_raw: int
    """How much of the wrapped token may be unwrapped now."""

    @property
    def address(self) -> Address:
        """Return the wrapped token itself: it is its own pool."""
        return self.wrapped

    @property
    def tokens(self) -> tuple[Address, Address]:
        return self.wrapped, self.asset

    @property
    def fee_ppm(self) -> int:
        """Return 0: a wrapper's fee, where it has one, is in its rate."""
        return 0

    @property
    def tier(self) -> None:
        """Return None: it is the only one of its tokens."""

    @property
    def unwraps_to(self) -> Address:
        return self.asset

    def sell(self, token_in: Address, amount_in_raw: int) -> Swap:
        """Return the unwrapping of `amount_in_raw`. Raises ValueError for a token of no side."""
        if not self._is_wrapped(token_in):
            return self._swap(0, 0, exhausted=True)
        taken_raw = min(amount_in_raw, self.most_raw)
        given_raw = self.rate.out_raw(taken_raw)
        return self._swap(taken_raw, given_raw, exhausted=taken_raw < amount_in_raw or given_raw == 0)

    def buy(self, token_out: Address, amount_out_raw: int) -> Swap:
        """Return the unwrapping of the least that gives `amount_out_raw`, and what that gives: a unit more,
        perhaps, where a unit of the wrapped token is worth several. Raises ValueError for a token of no side.
        """
        if self._is_wrapped(token_out):
            return self._swap(0, 0, exhausted=True)
        taken_raw = min(self._least_for(amount_out_raw), self.most_raw)
        given_raw = self.rate.out_raw(taken_raw)
        return self._swap(taken_raw, given_raw, exhausted=given_raw < amount_out_raw or given_raw == 0)

    def segments(self, token_in: Address) -> Iterator[Segment]:
        """Yield the one straight segment, none the other way round."""
        numerator, denominator = self.rate.line
        if self._is_wrapped(token_in) and self.most_raw and numerator:
            yield Segment(a=numerator, b=denominator, c=0, capacity_in=self.most_raw)

    def _least_for(self, asset_raw: int) -> int:
        """Return the least that gives at least so much: by the line, then unit by unit for its rounding."""
        numerator, denominator = self.rate.line
        if not numerator:
            return self.most_raw
        least_raw = -(-asset_raw * denominator // numerator)
        while self.rate.out_raw(least_raw) < asset_raw:
            least_raw += 1
        return least_raw

    def _is_wrapped(self, token: Address) -> bool:
        if token not in self.tokens:
            raise ValueError(f"0x{token.hex()} is no side of the wrapper 0x{self.wrapped.hex()}")
        return token == self.wrapped

    def _swap(self, taken_raw: int, given_raw: int, *, exhausted: bool) -> Swap:
        return Swap(
            amount_in_raw=taken_raw,
            amount_out_raw=given_raw,
            exhausted=exhausted,
            leaves=lambda: replace(self, most_raw=self.most_raw - taken_raw),
        )
