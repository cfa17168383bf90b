"""What a plan bids for its place in a block, in the form that its channel takes bids in. Mirrors no contract.

To the coinbase a share is paid by the executor, of the profit that it measures: it is in the draft already.
As a priority fee it is a share of what is left after gas, spread over the gas that was used; where no bids
are taken, nothing.
"""

from __future__ import annotations

from dataclasses import replace

from keeper.domain.fixed_point import BPS
from keeper.domain.head import NextBlock
from keeper.domain.plan import Bid, Plan
from keeper.planner.options import PlannerOptions
from keeper.ports import BidForm


def with_bid(plan: Plan, *, least_net_wei: int, block: NextBlock, options: PlannerOptions) -> Plan:
    """Return the plan with its bid, and with what that costs. It leaves `least_net_wei` at least."""
    waterfall = plan.waterfall
    match options.bid_form:
        case BidForm.NONE:
            return plan
        case BidForm.COINBASE:
            of_wei = waterfall.vault_wei + waterfall.tip_wei
            return replace(plan, bid=Bid(share_bps=options.bid_bps, of_wei=of_wei))
        case BidForm.PRIORITY_FEE:
            net_wei, fees = waterfall.net_wei, plan.fees
            wanted_wei = min(net_wei * options.bid_bps // BPS, max(net_wei - least_net_wei, 0))
            room_wei = options.max_fee_per_gas_wei - block.base_fee_wei - fees.max_priority_fee_per_gas_wei
            per_gas_wei = max(min(wanted_wei // plan.gas_used, room_wei), 0)
            return replace(
                plan,
                waterfall=replace(waterfall, gas_wei=waterfall.gas_wei + per_gas_wei * plan.gas_used),
                fees=replace(
                    fees,
                    max_fee_per_gas_wei=min(
                        fees.max_fee_per_gas_wei + per_gas_wei, options.max_fee_per_gas_wei
                    ),
                    max_priority_fee_per_gas_wei=fees.max_priority_fee_per_gas_wei + per_gas_wei,
                ),
                bid=Bid(share_bps=per_gas_wei * plan.gas_used * BPS // max(net_wei, 1), of_wei=net_wei),
            )
