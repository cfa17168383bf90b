"""What a token says of itself: read once, believed as little as possible.

A symbol is for people only, and comes from anybody's contract: only what prints is kept, and not much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from keeper.abi import load, uint
from keeper.domain.address import Address, checksum
from keeper.query import Call, Query, Reverted, attempt, both

_SYMBOL = load("erc20").function("symbol")
_DECIMALS = load("erc20").function("decimals")
_LONGEST_SYMBOL = 16
_WORD = 32
_MOST_DECIMALS = 255


class Said(NamedTuple):
    """A token's own words."""

    symbol: str
    """A piece of its address where it says none."""
    decimals: int | None
    """None where ``decimals()`` reverts or gives no number that decimals can be."""


def said(tokens: Sequence[Address]) -> Query[tuple[Said, ...]]:
    """Return what each token says of itself, in one round. No token can break it."""
    symbols, decimals = yield from both(
        attempt([Call(token, _SYMBOL.encode()) for token in tokens], _symbol),
        attempt([Call(token, _DECIMALS.encode()) for token in tokens], _decimals),
    )
    return tuple(
        Said(
            symbol=f"{checksum(token)[:6]}…{checksum(token)[-4:]}"
            if isinstance(symbol, Reverted) or symbol is None
            else symbol,
            decimals=None if isinstance(count, Reverted) else count,
        )
        for token, symbol, count in zip(tokens, symbols, decimals, strict=True)
    )


def _decimals(answer: bytes) -> int | None:
    return count if len(answer) >= _WORD and (count := uint(answer)) <= _MOST_DECIMALS else None


def _symbol(answer: bytes) -> str | None:
    """Return the symbol, a string or an older token's bytes32; None where it is neither."""
    try:
        text = answer.decode() if len(answer) == _WORD else _SYMBOL.decode(answer)[0]
    except ValueError:
        return None
    return "".join(letter for letter in text if letter.isprintable())[:_LONGEST_SYMBOL] or None
