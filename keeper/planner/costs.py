"""What a transaction costs, and what it must earn to be worth it."""

from __future__ import annotations

from fractions import Fraction

from keeper.domain.declined import Declined, Reason
from keeper.domain.fixed_point import BPS, mul_div_up
from keeper.domain.head import NextBlock
from keeper.domain.plan import Fees
from keeper.domain.surcharge import Surcharge
from keeper.planner.options import PlannerOptions

_GAS_LIMIT_OVER_USED_BPS = 15_000
# A transaction needs more than it is charged for: up to a fifth comes back as refunds (EIP-3529), and each
# nested call keeps a 64th behind.

_BASE_FEE_ROOM = 2
# The base fee doubles in six full blocks: a plan is dropped long before.


LOST_RACE_GAS = 52_000
"""What a lost race uses: the first guard ends it."""

LOST_CLOSE_GAS = 25_000
"""What each further close in the transaction adds to that, by its calldata."""


def gas_price_wei(block: NextBlock, options: PlannerOptions) -> int:
    """Return what a unit of gas costs in that block: its base fee and the priority fee."""
    return block.base_fee_wei + options.priority_fee_wei


def transaction_wei(
    *, gas_used: int, calldata: bytes, block: NextBlock, surcharge: Surcharge, options: PlannerOptions
) -> int:
    """Return what a transaction costs that uses so much gas: its gas, and what the chain takes beside it."""
    beside_wei = surcharge.wei(calldata_bytes=len(calldata), gas_used=gas_used)
    return gas_used * gas_price_wei(block, options) + beside_wei


def gas_limit(gas_used: int) -> int:
    """Return the gas limit of a transaction that used so much in its simulation."""
    return mul_div_up(gas_used, _GAS_LIMIT_OVER_USED_BPS, BPS)


def fees(*, gas_used: int, block: NextBlock, options: PlannerOptions) -> Fees | Declined:
    """Return gas limit and fees for a transaction that used `gas_used`, or why it may not be sent."""
    price_wei = gas_price_wei(block, options)
    if price_wei > options.max_fee_per_gas_wei:
        return Declined(
            reason=Reason.BASE_FEE,
            detail=f"gas at {price_wei / 1e9:.2f} gwei is over the cap of "
            f"{options.max_fee_per_gas_wei / 1e9:.2f} gwei",
        )
    return Fees(
        gas_limit=gas_limit(gas_used),
        max_fee_per_gas_wei=min(
            _BASE_FEE_ROOM * block.base_fee_wei + options.priority_fee_wei, options.max_fee_per_gas_wei
        ),
        max_priority_fee_per_gas_wei=options.priority_fee_wei,
    )


def least_vault_wei(*, gas_wei: int, repaid_wei: int, options: PlannerOptions) -> int:
    """Return what must reach the vault: the gas, and the largest of the three minimums after it.

    `repaid_wei` is the repay's value. Each minimum rounds up.
    """
    return gas_wei + max(
        options.min_profit_wei,
        mul_div_up(gas_wei, options.min_profit_gas_ratio_bps, BPS),
        mul_div_up(repaid_wei, options.min_profit_bps, BPS),
    )


def below_minimum(
    *, vault_wei: int, gas_wei: int, repaid_wei: int, options: PlannerOptions
) -> Declined | None:
    """Return why a liquidation that brings `vault_wei` to the vault is not worth its gas, or None."""
    least_wei = least_vault_wei(gas_wei=gas_wei, repaid_wei=repaid_wei, options=options)
    if vault_wei >= least_wei:
        return None
    net_wei = vault_wei - gas_wei
    reason = Reason.UNPROFITABLE if net_wei <= 0 else Reason.BELOW_MINIMUM
    return Declined(
        reason=reason,
        detail=f"{net_wei / 1e18:.6f} after {gas_wei / 1e18:.6f} of gas, where "
        f"{(least_wei - gas_wei) / 1e18:.6f} is the least",
    )


def too_risky(*, net_wei: int, lost_wei: int, chance: Fraction) -> Declined | None:
    """Return why a liquidation is not worth its race, or None: p · net must be more than (1 - p) · loss.

    `net_wei` is what is left of it after gas and bid where it is won, and `lost_wei` what a lost race costs.
    """
    if chance * net_wei > (1 - chance) * lost_wei:
        return None
    return Declined(
        reason=Reason.ODDS,
        detail=f"{net_wei / 1e18:.6f} if it is won, which happens in {float(chance):.0%} of all races, and "
        f"{lost_wei / 1e18:.6f} lost in the others",
    )


def too_large(*, repaid_wei: int, options: PlannerOptions) -> Declined | None:
    """Return why so large a repay is not sent, or None."""
    if options.max_value_wei is None or repaid_wei <= options.max_value_wei:
        return None
    return Declined(
        reason=Reason.TOO_LARGE,
        detail=f"{repaid_wei / 1e18:.6f} would be repaid, and {options.max_value_wei / 1e18:.6f} is the most",
    )


def floor_wei(*, profit_wei: int, options: PlannerOptions) -> int:
    """Return what the executor must see arrive in the vault, tip deducted, or revert.

    The larger of the minimum and the predicted profit less the tolerance, rounded up.
    """
    after_tip_wei = profit_wei - tip_wei(profit_wei=profit_wei, options=options)
    tolerated_wei = mul_div_up(after_tip_wei, BPS - options.floor_tolerance_bps, BPS)
    return max(options.min_profit_wei, tolerated_wei)


def tip_wei(*, profit_wei: int, options: PlannerOptions) -> int:
    """Return the builder's share of a measured profit, floored, as the executor pays it."""
    return min(profit_wei * options.tip_bps // BPS, options.max_tip_wei)
