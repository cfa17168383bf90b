"""Exact integers as short, readable texts. Integer arithmetic throughout; rounds toward zero."""

from __future__ import annotations

import re
from collections.abc import Sequence

from keeper.domain.address import Address, Hash32, checksum
from keeper.domain.carriage import Carry
from keeper.domain.fixed_point import WAD
from keeper.domain.plan import Waterfall
from keeper.domain.position import DOLLARS, Currency, PositionId
from keeper.domain.token import TokenAmount

_SIGNIFICANT = 6
_LEAST_DECIMALS = 2
_MOST_DECIMALS = 18
_MICRO = 6
_HEALTH_WITHOUT_DEBT_WAD = 2**255
_ENDLESS = "∞"
_LONG_HEX = re.compile(r"0x[0-9a-fA-F]{40,}")


def amount(value: TokenAmount) -> str:
    """Return an amount with its symbol: ``12,345.67 USDC``, ``0.0123456 WETH``."""
    return f"{number(value.raw, value.token.unit_raw)} {value.token.symbol}"


def number(value: int, unit: int) -> str:
    """Return value / unit with thousands, to six significant digits and at least two decimals.

    Zeros at the end are left out where nothing was cut off: ``5``, but ``5.00000`` for a little more.
    """
    if value == 0:
        return "0"
    decimals = min(max(_SIGNIFICANT - _integer_digits(abs(value), unit), _LEAST_DECIMALS), _MOST_DECIMALS)
    text = _truncated(value, unit, decimals)
    exact = abs(value) * 10**decimals % unit == 0
    return text.rstrip("0").rstrip(".") if exact else text


def native(value_wei: int) -> str:
    """Return an amount of the native coin to a millionth, or in gwei where it is smaller: ``0.012345``."""
    if 0 < abs(value_wei) < WAD // 10**_MICRO:
        return f"{number(value_wei, 10**9)} gwei"
    return _truncated(value_wei, WAD, _MICRO)


def gwei(value_wei: int) -> str:
    """Return a price of gas: ``12.34 gwei``."""
    return f"{number(value_wei, 10**9)} gwei"


def worth(value_base: int, currency: Currency) -> str:
    """Return a value: dollars with cents below 1,000, as ``$12,345``, ``$12.34``; others as ``1.2 WETH``."""
    unit = currency.unit_base
    if currency.symbol != DOLLARS.symbol:
        return f"{number(value_base, unit)} {currency.symbol}"
    text = _truncated(abs(value_base), unit, 2 if abs(value_base) < 1000 * unit else 0)
    return f"-${text}" if value_base < 0 else f"${text}"


def health(value_wad: int) -> str:
    """Return a health factor to the fourth decimal. 0.99999 is shown as 0.9999: below 1 stays below 1."""
    return _ENDLESS if value_wad >= _HEALTH_WITHOUT_DEBT_WAD else _truncated(value_wad, WAD, 4)


def _integer_digits(value: int, unit: int) -> int:
    """Return how many digits value / unit has before the point; minus the zeros after it below 1."""
    whole = value // unit
    if whole:
        return len(str(whole))
    zeros = 0
    while value * 10 ** (zeros + 1) < unit:
        zeros += 1
    return -zeros


def _truncated(value: int, unit: int, decimals: int) -> str:
    whole, fraction = divmod(abs(value) * 10**decimals // unit, 10**decimals)
    text = f"{whole:,}.{fraction:0{decimals}}" if decimals else f"{whole:,}"
    return f"-{text}" if value < 0 and (whole or fraction) else text


def percent(value_bps: int) -> str:
    """Return bps as a percentage: ``49.99 %``."""
    return f"{number(value_bps, 100)} %"


def short(address: Address) -> str:
    """Return an address for a table: ``0x8787…A4E2``."""
    text = checksum(address)
    return f"{text[:6]}…{text[-4:]}"


def borrowers(positions: Sequence[PositionId]) -> str:
    """Return whose positions they are: ``0x8787…A4E2 and 0x1234…5678``."""
    return " and ".join(short(one.borrower) for one in positions)


def short_hash(value: Hash32) -> str:
    """Return a hash for a line: ``0x12345678…9abc``."""
    text = value.hex()
    return f"0x{text[:8]}…{text[-4:]}"


def short_market(name: str) -> str:
    """Return a market's name with what is long in it shortened: ``morpho:0xBBBB…FFCb/0x3a85…8c41``."""
    return _LONG_HEX.sub(lambda found: f"{found[0][:6]}…{found[0][-4:]}", name)


def carried(carry: Carry) -> str:
    """Return what the vault pays and keeps: ``1,000 USDC (0.33) for 0.35 aWETH, booked at 0.35``."""
    return (
        f"{amount(carry.paid)} ({native(carry.paid_wei)}) for {amount(carry.received)}, "
        f"booked at {native(carry.booked_wei)}"
    )


def waterfall(value: Waterfall) -> str:
    """Return a waterfall as one sum: ``bonus 0.5 − impact 0.1 − flash 0.01 − gas 0.02 = 0.37``."""
    tip = f"− tip {native(value.tip_wei)} " if value.tip_wei else ""
    return (
        f"bonus {native(value.bonus_wei)} − impact {native(value.price_impact_wei)} "
        f"− flash {native(value.flash_fee_wei)} {tip}− gas {native(value.gas_wei)} = {native(value.net_wei)}"
    )
