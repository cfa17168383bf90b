"""How adapters compute their answer, in ints, as their contracts do. They know no chain.

A rule is given the answers of what the adapter is computed from, then its constants, then what else it reads,
each in the order of its kind's getters; and the block's time. Division floors: what it divides is above zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

Rule: TypeAlias = Callable[[Sequence[int], Sequence[int], Sequence[int], int], int]

_RATE_UNIT = 10**18


def capped_ratio(parts: Sequence[int], constants: Sequence[int], own: Sequence[int], at_s: int) -> int:
    """Return the base's price times a ratio that may grow by so much a second and no faster.

    Mirrors ``PriceCapAdapterBase.latestAnswer``, aave-capo.
    """
    (base,), (ratio_decimals,) = parts, constants
    ratio, snapshot_ratio, snapshot_s, most_growth_per_s = own
    if base <= 0 or _signed(ratio) <= 0:
        return 0
    most = snapshot_ratio + most_growth_per_s * (at_s - snapshot_s)
    return base * min(ratio, most) // _ten(ratio_decimals)


def capped(parts: Sequence[int], constants: Sequence[int], own: Sequence[int], at_s: int) -> int:
    """Return the asset's price, a cap at most. Mirrors ``PriceCapAdapterStable.latestAnswer``."""
    return min(parts[0], own[0])


def capped_by_base(parts: Sequence[int], constants: Sequence[int], own: Sequence[int], at_s: int) -> int:
    """Return the asset's price, at most so many times the base's.

    Mirrors ``EURPriceCapAdapterStable.latestAnswer``.
    """
    asset, base = parts
    return min(asset, base * own[0] // _ten(constants[0]))


def discounted(parts: Sequence[int], constants: Sequence[int], own: Sequence[int], at_s: int) -> int:
    """Return the asset's price less a share of it, in parts of the constant.

    Mirrors both editions of ``PendlePriceCapAdapter.latestAnswer``: that in bps floors what is taken off, the
    one in wads what is left.
    """
    (asset,), (whole,), (discount,) = parts, constants, own
    if asset <= 0:
        return 0
    if whole == _RATE_UNIT:
        return asset * (whole - discount) // whole
    return asset - asset * discount // whole


def peg_to_base(parts: Sequence[int], constants: Sequence[int], own: Sequence[int], at_s: int) -> int:
    """Return asset in peg times peg in base.

    Mirrors ``CLSynchronicityPriceAdapterPegToBase.latestAnswer``.
    """
    asset, peg = parts
    decimals, denominator = constants
    return asset * peg * _ten(decimals) // denominator if asset > 0 and peg > 0 else 0


def base_to_peg(parts: Sequence[int], constants: Sequence[int], own: Sequence[int], at_s: int) -> int:
    """Return asset in peg over base in peg.

    Mirrors ``CLSynchronicityPriceAdapterBaseToPeg.latestAnswer``.
    """
    asset, base = parts
    return asset * _ten(constants[0]) // base if asset > 0 and base > 0 else 0


def wrapped(parts: Sequence[int], constants: Sequence[int], own: Sequence[int], at_s: int) -> int:
    """Return the price of what a token wraps times how much of it it wraps.

    Mirrors ``WstETHSynchronicityPriceAdapter.latestAnswer``.
    """
    (base,), (rate,) = parts, own
    return base * rate // _RATE_UNIT if base > 0 else 0


def rate(parts: Sequence[int], constants: Sequence[int], own: Sequence[int], at_s: int) -> int:
    """Return how much a token wraps. Mirrors ``WstEthStEthExchangeRateChainlinkAdapter.latestRoundData``."""
    return own[0]


def morpho(parts: Sequence[int], constants: Sequence[int], own: Sequence[int], at_s: int) -> int:
    """Return collateral in loan, raw for raw, times 1e36. Mirrors ``MorphoChainlinkOracleV2.price``."""
    base_1, base_2, quote_1, quote_2 = parts
    base_rate, quote_rate = own
    below = quote_rate * quote_1 * quote_2
    return constants[0] * base_rate * base_1 * base_2 // below if below > 0 else 0


def morpho_v1(parts: Sequence[int], constants: Sequence[int], own: Sequence[int], at_s: int) -> int:
    """Return the same where only the collateral may be a vault's. Mirrors ``MorphoChainlinkOracle.price``."""
    return morpho(parts, constants, (*own, 1), at_s)


def _signed(word: int) -> int:
    return word - 2**256 if word >> 255 else word


def _ten(power: int) -> int:
    return int(10**power)
