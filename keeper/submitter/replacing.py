"""What a replacement must pay, and what that costs. Anvil takes a wei more; real nodes want a tenth."""

from __future__ import annotations

from collections.abc import Iterable

from keeper.domain.fixed_point import BPS, mul_div_up
from keeper.domain.plan import Fees, Plan

REPLACEMENT_BPS = 11_000
"""Of what is replaced, on both fees: geth, Nethermind, Erigon, Besu and reth ask for a tenth more."""


def most(all_fees: Iterable[Fees]) -> Fees | None:
    """Return the highest of each fee, None where there are none."""
    listed = tuple(all_fees)
    if not listed:
        return None
    return Fees(
        gas_limit=max(one.gas_limit for one in listed),
        max_fee_per_gas_wei=max(one.max_fee_per_gas_wei for one in listed),
        max_priority_fee_per_gas_wei=max(one.max_priority_fee_per_gas_wei for one in listed),
    )


def outbidding(wanted: Fees, over: Fees | None) -> Fees:
    """Return the wanted fees, raised to what nodes ask of a replacement of `over`; the gas limit stays."""
    if over is None:
        return wanted
    priority_wei = max(wanted.max_priority_fee_per_gas_wei, _raised(over.max_priority_fee_per_gas_wei))
    return Fees(
        gas_limit=wanted.gas_limit,
        max_fee_per_gas_wei=max(wanted.max_fee_per_gas_wei, _raised(over.max_fee_per_gas_wei), priority_wei),
        max_priority_fee_per_gas_wei=priority_wei,
    )


def extra_wei(plan: Plan, fees: Fees) -> int:
    """Return what these fees cost over the plan's own, in wei, for the gas that it used.

    The base fee is what it is: only the priority fee is paid on top.
    """
    over_wei = fees.max_priority_fee_per_gas_wei - plan.fees.max_priority_fee_per_gas_wei
    return plan.gas_used * max(over_wei, 0)


def _raised(fee_wei: int) -> int:
    return max(mul_div_up(fee_wei, REPLACEMENT_BPS, BPS), fee_wei + 1)
