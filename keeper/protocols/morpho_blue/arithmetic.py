"""Morpho's own arithmetic: 256 bits, checked, its rounding in each name; shares with their virtual amounts.

Mirrors ``MathLib``, ``SharesMathLib`` and ``UtilsLib`` of morpho-blue 1.0.0. Markets are anybody's to create,
so absurd prices and totals do occur: what overflows on the chain raises :class:`Refused` here.
"""

from __future__ import annotations

from enum import StrEnum

from keeper.domain.fixed_point import WAD

MAX_UINT = 2**256 - 1
_MAX_UINT128 = 2**128 - 1
VIRTUAL_SHARES = 10**6
VIRTUAL_ASSETS = 1


class Refusal(StrEnum):
    """Why a call reverts: the contract's message, or the compiler's panic."""

    NOT_CREATED = "market not created"
    INCONSISTENT = "inconsistent input"
    HEALTHY = "position is healthy"
    TOO_LARGE = "max uint128 exceeded"
    OVERFLOW = "Panic(0x11)"
    """More is repaid than is owed, more is seized than there is, or a product exceeds 256 bits."""
    ZERO_PRICE = "Panic(0x12)"
    """A price of zero is divided by."""


class Refused(ArithmeticError):
    """The contract reverts here."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


# --- checked ------------------------------------------------------------------------------------------------


def checked(value: int) -> int:
    """Return a result that fits 256 bits. Raises Refused where it does not, or is below zero."""
    if not 0 <= value <= MAX_UINT:
        raise Refused(Refusal.OVERFLOW)
    return value


def uint128(value: int) -> int:
    """Return what is stored in 128 bits. Raises Refused where it does not fit."""
    if value > _MAX_UINT128:
        raise Refused(Refusal.TOO_LARGE)
    return value


def sum_uint128(a: int, b: int) -> int:
    """Return a sum of two stored amounts, stored again. Raises Refused where it does not fit."""
    if a + b > _MAX_UINT128:
        raise Refused(Refusal.OVERFLOW)
    return a + b


def mul_div_down(a: int, b: int, denominator: int) -> int:
    """Return a * b / denominator, floored."""
    product = checked(a * b)
    if denominator == 0:
        raise Refused(Refusal.ZERO_PRICE)
    return product // denominator


def mul_div_up(a: int, b: int, denominator: int) -> int:
    """Return a * b / denominator, rounded up; the denominator is never zero."""
    return checked(checked(a * b) + denominator - 1) // denominator


def wad_mul_down(a: int, b_wad: int) -> int:
    """Return a * b_wad / 1e18, floored."""
    return mul_div_down(a, b_wad, WAD)


def wad_div_up(a: int, b_wad: int) -> int:
    """Return a * 1e18 / b_wad, rounded up."""
    return mul_div_up(a, WAD, b_wad)


def taylor_compounded_wad(rate_wad: int, seconds: int) -> int:
    """Return e^(rate * seconds) - 1 to the third term, each floored."""
    first = checked(rate_wad * seconds)
    second = mul_div_down(first, first, 2 * WAD)
    third = mul_div_down(second, first, 3 * WAD)
    return checked(first + second + third)


# --- shares -------------------------------------------------------------------------------------------------


def shares_down(assets: int, total_assets: int, total_shares: int) -> int:
    """Return the shares that these assets are, floored."""
    return mul_div_down(assets, total_shares + VIRTUAL_SHARES, total_assets + VIRTUAL_ASSETS)


def shares_up(assets: int, total_assets: int, total_shares: int) -> int:
    """Return the shares that these assets are, rounded up."""
    return mul_div_up(assets, total_shares + VIRTUAL_SHARES, total_assets + VIRTUAL_ASSETS)


def assets_down(shares: int, total_assets: int, total_shares: int) -> int:
    """Return the assets that these shares are, floored."""
    return mul_div_down(shares, total_assets + VIRTUAL_ASSETS, total_shares + VIRTUAL_SHARES)


def assets_up(shares: int, total_assets: int, total_shares: int) -> int:
    """Return the assets that these shares are, rounded up."""
    return mul_div_up(shares, total_assets + VIRTUAL_ASSETS, total_shares + VIRTUAL_SHARES)


def each_unit_has_shares(total_assets: int, total_shares: int) -> bool:
    """Return whether a share is worth no more than one unit of assets: then any amount can be repaid."""
    return total_assets + VIRTUAL_ASSETS <= total_shares + VIRTUAL_SHARES
