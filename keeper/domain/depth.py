"""Depth: what a pool gives for what, exactly, and what it looks like afterwards.

A pool is a value. Selling into it returns the amounts and the pool as the swap leaves it, so that the
next decision of the same block cannot count on the same depth twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from keeper.domain.address import Address


class Swap(NamedTuple):
    """One swap through one pool: amounts in raw units, fee included, equal to the contract's to the wei."""

    amount_in_raw: int
    amount_out_raw: int
    exhausted: bool
    """The pool (or as much of it as was read) ran out before the amount was met; the amounts say how far."""
    leaves: Callable[[], Pool]
    """Makes the pool as the swap leaves it: of most swaps nothing but the amounts is asked."""

    @property
    def after(self) -> Pool:
        """Return the pool as the swap leaves it."""
        return self.leaves()


class Segment(NamedTuple):
    """A stretch of constant-product depth: for x in [0, `capacity_in`], out(x) = a * x / (b + c * x).

    Real-valued: it guides the choice of a size; amounts always come from :class:`Swap`. `a`, `b`, `c` are
    positive ints on a common scale, so that segments of two pools compose (a Möbius map of a Möbius map
    is one) and the marginal price a * b / (b + c * x)^2 is compared without a float.
    """

    a: int
    b: int
    c: int
    capacity_in: int


class Pool(Protocol):
    """One pool at one state. Tokens are named by address; which of the two is sold gives the direction."""

    @property
    def address(self) -> Address: ...

    @property
    def venue(self) -> str:
        """Return the name of the venue that it is called through."""
        ...

    @property
    def tokens(self) -> tuple[Address, Address]: ...

    @property
    def fee_ppm(self) -> int:
        """Return the pool's fee in millionths of the amount in."""
        ...

    @property
    def tier(self) -> int | None:
        """Return what its venue tells it by from others of the same tokens, where that is not its fee."""
        ...

    @property
    def unwraps_to(self) -> Address | None:
        """Return the token that it gives up for the other, where it is a wrapper, else None.

        Whatever else the operator allows, a route may pass through that token.
        """
        ...

    def sell(self, token_in: Address, amount_in_raw: int) -> Swap:
        """Return the exact-input swap of `amount_in_raw`."""
        ...

    def buy(self, token_out: Address, amount_out_raw: int) -> Swap:
        """Return the exact-output swap for `amount_out_raw`."""
        ...

    def segments(self, token_in: Address) -> Iterator[Segment]:
        """Yield the depth for selling `token_in`, best price first, fee included."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One pool of a route, and the token that is sold into it."""

    pool: Address
    venue: str
    """The name of the venue that the pool is called through."""
    token_in: Address
    token_out: Address
    fee_ppm: int
    tier: int | None = None
    """What its venue tells the pool by from others of the same tokens, where that is not its fee."""

    @classmethod
    def into(cls, pool: Pool, token_in: Address) -> Hop:
        """Return the hop that sells a token into a pool."""
        one, other = pool.tokens
        return cls(
            pool=pool.address,
            venue=pool.venue,
            token_in=token_in,
            token_out=other if token_in == one else one,
            fee_ppm=pool.fee_ppm,
            tier=pool.tier,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The pools that a sale passes through, first to last, never the same one twice; at least one."""

    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What passes along one route, in raw units."""

    route: Route
    amounts_raw: tuple[int, ...]
    """What enters each hop, and what leaves the last."""

    @property
    def amount_in_raw(self) -> int:
        return self.amounts_raw[0]

    @property
    def amount_out_raw(self) -> int:
        return self.amounts_raw[-1]
