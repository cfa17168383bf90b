"""Borrowers: drawn from a seed, then opened as positions.

Drawing is pure. It deals kinds, sizes and healths from separate decks, so that every combination that a
keeper must know comes up, whatever the seed; amounts are floats turned into raw units once, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from keeper.devnet.aave import E_MODES, RESERVES, AaveMarket, set_loan_to_value
from keeper.devnet.accounts import borrower_address
from keeper.devnet.chain import Chain, Contract
from keeper.devnet.tokens import TOKENS, give
from keeper.domain.address import Address

LEAST = 40
LEAST_HEALTH = 1.02
MOST_HEALTH = 2.0
_ETH_CORRELATED = 1
_VOLATILE = ("WETH", "WBTC", "wstETH")
_STABLE = ("USDC", "USDT")
_NATIVE_WEI = 10**21

Card = TypeVar("Card")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """So much of one token, supplied or borrowed."""

    symbol: str
    raw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What a borrower opens."""

    collaterals: tuple[Leg, ...]
    debts: tuple[Leg, ...]
    e_mode: int = 0


@dataclass(frozen=True, slots=True)
class _Kind:
    """Which tokens a position has: of each side, and in which proportion of value."""

    collaterals: tuple[tuple[str, float], ...]
    debts: tuple[tuple[str, float], ...]
    e_mode: int = 0


def draw(seed: int, count: int) -> tuple[Position, ...]:
    """Return `count` positions, $50 to $5M of collateral, health 1.02 to 2, at the starting prices.

    The first is large, in the e-mode, and so near its threshold that one jump makes it bad debt.
    """
    if count < LEAST:
        raise ValueError(f"{count} borrowers: at least {LEAST} are needed for every kind to come up")
    random = Random(seed)
    kinds = _deck(random, _kinds(random, count))
    sizes_usd = _deck(random, _strata(random, count, _SIZES_USD, logarithmic=True))
    healths = _deck(random, _strata(random, count, _HEALTHS, logarithmic=False))
    to_be_bad_debt = _position(
        _Kind((("wstETH", 1.0),), (("WETH", 1.0),), _ETH_CORRELATED), usd=400e3, health=LEAST_HEALTH + 0.0002
    )
    drawn = [
        _position(kind, usd=usd, health=health)
        for kind, usd, health in zip(kinds[1:], sizes_usd[1:], healths[1:], strict=True)
    ]
    return (to_be_bad_debt, *drawn)


def open_positions(
    chain: Chain,
    market: AaveMarket,
    tokens: Mapping[str, Contract],
    positions: Sequence[Position],
    *,
    admin: Address,
) -> tuple[Address, ...]:
    """Open the positions, each as a borrower of its own, and return who they are."""
    set_loan_to_value(market, tokens, admin=admin, generous=True)
    borrowers = tuple(borrower_address(index) for index in range(len(positions)))
    for borrower, position in zip(borrowers, positions, strict=True):
        chain.set_balance(borrower, _NATIVE_WEI)
        for leg in position.collaterals:
            give(tokens, leg.symbol, leg.raw, to=borrower, market=admin)
            supply(market, tokens, leg.symbol, leg.raw, supplier=borrower)
        if position.e_mode:
            market.pool.send("setUserEMode", position.e_mode, sender=borrower)
        for leg in position.debts:
            market.pool.send("borrow", tokens[leg.symbol], leg.raw, 2, 0, borrower, sender=borrower)
    set_loan_to_value(market, tokens, admin=admin, generous=False)
    return borrowers


def supply(
    market: AaveMarket, tokens: Mapping[str, Contract], symbol: str, amount_raw: int, *, supplier: Address
) -> None:
    """Supply what the supplier holds."""
    tokens[symbol].send("approve", market.pool, amount_raw, sender=supplier)
    market.pool.send("supply", tokens[symbol], amount_raw, supplier, 0, sender=supplier)


# --- the decks

_SIZES_USD = ((50, 900), (900, 2_600), (2_600, 12e3), (12e3, 90e3), (90e3, 700e3), (700e3, 5e6))
"""Below the least that pays, about the $1000 and $2000 of Aave's rules, and up to what moves the pools."""
_HEALTHS = ((1.021, 1.10), (1.05, 1.20), (1.10, 1.35), (1.30, 1.99))


def _strata(
    random: Random, count: int, strata: Sequence[tuple[float, float]], *, logarithmic: bool
) -> list[float]:
    """Return so many numbers, as many from each stratum, the ends of the whole range among them."""
    numbers = []
    for index in range(count):
        low, high = strata[index % len(strata)]
        if logarithmic:
            numbers.append(math.exp(random.uniform(math.log(low), math.log(high))))
        else:
            numbers.append(random.uniform(low, high))
    numbers[0], numbers[1] = strata[0][0], strata[-1][1]
    return numbers


def _kinds(random: Random, count: int) -> list[_Kind]:
    """Return so many kinds, each about as often."""
    made = []
    for index in range(count):
        one, other = random.sample(_VOLATILE, 2)
        stable, other_stable = random.sample(_STABLE, 2)
        share = random.uniform(0.25, 0.75)
        both = ((one, share), (other, 1 - share))
        stables = ((stable, share), (other_stable, 1 - share))
        made.append(
            (
                _Kind(((one, 1.0),), ((stable, 1.0),)),
                _Kind((("WETH", 1.0),), (("USDC", 1.0),)),
                _Kind(both, ((stable, 1.0),)),
                _Kind(((one, 1.0),), stables),
                _Kind((("wstETH", 1.0),), (("WETH", 1.0),), _ETH_CORRELATED),
                _Kind(both, stables),
                _Kind((("WBTC", 1.0),), (("WETH", 1.0),)),
                _Kind(((stable, 1.0),), ((one, 1.0),)),
                _Kind((("WETH", share), (stable, 1 - share)), ((other_stable, 1.0),)),
            )[index % 9]
        )
    return made


def _deck(random: Random, cards: Sequence[Card]) -> list[Card]:
    shuffled = list(cards)
    random.shuffle(shuffled)
    return shuffled


def _position(kind: _Kind, *, usd: float, health: float) -> Position:
    """Return the position of a kind with so much collateral, and as much debt as gives the health."""
    thresholds = {symbol: _threshold_bps(symbol, kind.e_mode) / 1e4 for symbol, _ in kind.collaterals}
    debt_usd = usd * sum(share * thresholds[symbol] for symbol, share in kind.collaterals) / health
    return Position(
        collaterals=tuple(
            Leg(symbol=symbol, raw=TOKENS[symbol].raw(usd * share)) for symbol, share in kind.collaterals
        ),
        debts=tuple(
            Leg(symbol=symbol, raw=TOKENS[symbol].raw(debt_usd * share)) for symbol, share in kind.debts
        ),
        e_mode=kind.e_mode,
    )


def _threshold_bps(symbol: str, e_mode: int) -> int:
    if e_mode and symbol in E_MODES[e_mode].collaterals:
        return E_MODES[e_mode].liquidation_threshold
    return RESERVES[symbol].liquidation_threshold
