"""What any token is asked and told: what it says of itself, what somebody has of it, and a transfer.

A symbol is for people only, and comes from anybody's contract: only what prints is kept, and not much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from keeper.abi import load, uint
from keeper.domain.address import Address, checksum
from keeper.domain.calls import ContractCall
from keeper.query import Call, Query, Reverted, attempt, both

_SYMBOL = load("erc20").function("symbol")
_DECIMALS = load("erc20").function("decimals")
_BALANCE = load("erc20").function("balanceOf")
_TRANSFER = load("erc20").function("transfer")
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


def balances_raw(holder: Address, tokens: Sequence[Address]) -> Query[Mapping[Address, int]]:
    """Return the holder's balance of each token that it has any of. In one round; no token can break it."""
    calls = [balance_of(token, holder) for token in tokens]
    answers = yield from attempt(calls, lambda answer: uint(answer) if len(answer) == _WORD else 0)
    return {
        token: held
        for token, held in zip(tokens, answers, strict=True)
        if not isinstance(held, Reverted) and held
    }


def balance_of(token: Address, holder: Address) -> Call:
    """Return the question how much of a token somebody has."""
    return Call(token, _BALANCE.encode(holder))


def transferred(token: Address, amount_raw: int, *, to: Address) -> ContractCall:
    """Return the transfer of an amount. That it arrived its receiver must check, whatever the token says."""
    return ContractCall(target=token, data=_TRANSFER.encode(to, amount_raw))


def _decimals(answer: bytes) -> int | None:
    return count if len(answer) >= _WORD and (count := uint(answer)) <= _MOST_DECIMALS else None


def _symbol(answer: bytes) -> str | None:
    """Return the symbol, a string or an older token's bytes32; None where it is neither."""
    try:
        text = answer.decode() if len(answer) == _WORD else _SYMBOL.decode(answer)[0]
    except ValueError:
        return None
    return "".join(letter for letter in text if letter.isprintable())[:_LONGEST_SYMBOL] or None
