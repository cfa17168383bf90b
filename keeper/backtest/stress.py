"""A cascade: what prices fall to, what pools are traded to, and what an oracle is made to answer. Pure.

An oracle is overridden on whatever chain by code that goes before its own: it answers the calls by which
markets learn prices out of storage, and hands every other call to the code that was there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from eth_utils.crypto import keccak

from keeper.domain.address import Address, Hash32
from keeper.domain.depth import Hop, Pool, Route
from keeper.domain.head import Head
from keeper.domain.position import PositionId
from keeper.domain.report import Supposed
from keeper.domain.token import Token, TokenAmount
from keeper.query import Call

Factors = Mapping[Address, Fraction]
"""What tokens' prices are multiplied by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """Prices that move evenly, in equal ratios, over so many blocks."""

    tokens: Mapping[Token, Fraction]
    """What each one's price has been multiplied by at the end."""
    blocks: int

    def at(self, block: int) -> dict[Address, Fraction]:
        """Return what the prices are multiplied by after so many of the blocks."""
        done = min(block, self.blocks) / self.blocks
        return {
            token.address: Fraction(
                factor if block >= self.blocks else float(factor) ** done
            ).limit_denominator(10**12)
            for token, factor in self.tokens.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """One liquidation of the cascade, in the order in which they were made."""

    block: int
    """Of the cascade; the first is 1."""
    position: PositionId
    repaid: TokenAmount
    seized: TokenAmount
    predicted_wei: int
    realised_wei: int
    """After gas; less than nothing where it reverted."""
    reverted: bool
    prices: Mapping[str, float]
    """What the tokens' prices were multiplied by when it was decided, by symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """What came of a fall."""

    feedback: bool
    """The oracle followed the pools into which the seized was sold."""
    blocks: int
    struck: tuple[Struck, ...]
    lowest: Mapping[str, float]
    """The least that each token's price was multiplied by, at the oracle, by symbol."""
    unhealthy: int
    """Positions that can be liquidated still."""
    left: Mapping[str, int]
    """Why those were left, by reason."""
    bad_debt: Mapping[str, float]
    """What is owed beyond what backs it, in each currency that markets count in."""
    bad_debtors: int

    @property
    def earned_wei(self) -> int:
        """Return what the keeper earned, after the gas of all that it sent."""
        return sum(one.realised_wei for one in self.struck)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stress:
    """A fall, and what came of it without feedback and with it."""

    head: Head
    """The state that it began from."""
    prices: tuple[Supposed, ...]
    blocks: int
    cascades: tuple[Cascade, ...]


# --- pools --------------------------------------------------------------------------------------------------


def marginal(pool: Pool, token_in: Address) -> float:
    """Return what the pool gives for the next raw unit of a token, fee included; 0 where nothing."""
    first = next(iter(pool.segments(token_in)), None)
    return first.a / first.b if first and first.b else 0.0


def to_sell(pool: Pool, token_in: Address, *, until: float) -> int:
    """Return how much of a token must be sold for its marginal price to fall to `until`; 0 if it is there."""
    amount = 0.0
    for a, b, c, capacity in pool.segments(token_in):
        if not b or a / b <= until:
            break
        wanted = (math.sqrt(a * b / until) - b) / c if c and until > 0 else float(capacity)
        amount += min(wanted, float(capacity))
        if wanted < capacity:
            break
    return int(amount)


def route(pool: Pool, token_in: Address) -> Route:
    """Return the route through this pool alone."""
    return Route(hops=(Hop.into(pool, token_in),))


# --- oracles ------------------------------------------------------------------------------------------------


def answering_code(behind: Address) -> bytes:
    """Return code that answers what its storage has an answer to, and asks the code at `behind` the rest.

    The answer to a call is in the slot that is the hash of the call's data; none that is 0 can be given.
    """
    return bytes.fromhex(
        "365f5f37"  # the call's data to memory
        "365f20548060"  # the slot of its hash: an answer?
        "3557"  # go and give it
        "5f5f365f73" + behind.hex() + "5af4"  # else ask the code that was there, on this storage
        "3d5f5f3e60"
        "3157"  # it returned
        "3d5ffd"  # it reverted
        "5b3d5ff3"  # 0x31
        "5b5f5260205ff3"  # 0x35
    )


def answer_slot(call: Call) -> Hash32:
    """Return the slot in which `answering_code` finds the answer to a call."""
    return Hash32(keccak(call.data))


def displaced(
    pools: Sequence[tuple[float, float]],
) -> Fraction:
    """Return by how much a token is cheaper than it should be: of each pool (depth, share of the price)."""
    weight = sum(one for one, _ in pools)
    if not weight:
        return Fraction(1)
    return Fraction(min(sum(one * share for one, share in pools) / weight, 1.0)).limit_denominator(10**12)
