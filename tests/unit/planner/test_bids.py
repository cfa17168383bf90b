"""What a plan bids, in each form, and that it never costs more than the plan may."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.domain.head import NextBlock
from keeper.domain.plan import Bid, Fees, Plan, Waterfall
from keeper.planner.bids import with_bid
from keeper.planner.options import PlannerOptions
from keeper.ports import BidForm

GWEI = 10**9
BLOCK = NextBlock(number=1, timestamp_s=1, base_fee_wei=10 * GWEI, coinbase=Address(bytes(20)))
DRAFT: Any = None  # nothing of it decides


def plan(*, bonus_wei: int, gas_used: int = 500_000) -> Plan:
    gas_wei = gas_used * 11 * GWEI
    fees = Fees(gas_limit=gas_used, max_fee_per_gas_wei=21 * GWEI, max_priority_fee_per_gas_wei=GWEI)
    waterfall = Waterfall(
        bonus_wei=bonus_wei, price_impact_wei=0, flash_fee_wei=0, gas_wei=gas_wei, tip_wei=bonus_wei // 10
    )
    return Plan(draft=DRAFT, gas_used=gas_used, waterfall=waterfall, fees=fees)


def options(form: BidForm, bid_bps: int = 2_000) -> PlannerOptions:
    return PlannerOptions(bid_form=form, bid_bps=bid_bps, max_fee_per_gas_wei=300 * GWEI)


def test_with_bid__none_taken__the_plan_as_it_was() -> None:
    one = plan(bonus_wei=10**17)
    assert with_bid(one, least_net_wei=0, block=BLOCK, options=options(BidForm.NONE)) == one


def test_with_bid__coinbase__the_tip_that_it_has_is_the_bid() -> None:
    one = plan(bonus_wei=10**17)
    bidden = with_bid(one, least_net_wei=0, block=BLOCK, options=options(BidForm.COINBASE))
    assert bidden == replace(one, bid=Bid(share_bps=2_000, of_wei=10**17))


def test_with_bid__priority_fee__a_share_of_what_is_left_after_gas() -> None:
    one = plan(bonus_wei=10**17)
    net_wei = one.waterfall.net_wei
    bidden = with_bid(one, least_net_wei=0, block=BLOCK, options=options(BidForm.PRIORITY_FEE))
    per_gas_wei = net_wei // 5 // one.gas_used
    assert bidden.fees.max_priority_fee_per_gas_wei == GWEI + per_gas_wei
    assert bidden.fees.max_fee_per_gas_wei == 21 * GWEI + per_gas_wei
    assert bidden.waterfall.net_wei == net_wei - per_gas_wei * one.gas_used
    assert bidden.bid is not None and bidden.bid.of_wei == net_wei
    assert bidden.bid.share_bps in (1_999, 2_000)


@given(
    bonus_wei=st.integers(0, 10**20),
    bid_bps=st.integers(0, 9_999),
    least_net_wei=st.integers(0, 10**18),
    cap_gwei=st.integers(11, 400),
)
def test_with_bid__anything__leaves_the_least_and_keeps_below_the_cap(
    bonus_wei: int, bid_bps: int, least_net_wei: int, cap_gwei: int
) -> None:
    one = plan(bonus_wei=bonus_wei)
    capped = replace(options(BidForm.PRIORITY_FEE, bid_bps), max_fee_per_gas_wei=cap_gwei * GWEI)
    one = replace(one, fees=replace(one.fees, max_fee_per_gas_wei=min(21, cap_gwei) * GWEI))
    bidden = with_bid(one, least_net_wei=least_net_wei, block=BLOCK, options=capped)
    fees = bidden.fees
    assert bidden.waterfall.net_wei >= min(least_net_wei, one.waterfall.net_wei)
    assert BLOCK.base_fee_wei + fees.max_priority_fee_per_gas_wei <= fees.max_fee_per_gas_wei
    assert fees.max_fee_per_gas_wei <= capped.max_fee_per_gas_wei
    assert bidden.bid is not None and bidden.bid.share_bps <= bid_bps


@pytest.mark.parametrize("bonus_wei", [0, 10**15])
def test_with_bid__no_profit__nothing_is_bid(bonus_wei: int) -> None:
    one = plan(bonus_wei=bonus_wei)
    bidden = with_bid(one, least_net_wei=0, block=BLOCK, options=options(BidForm.PRIORITY_FEE))
    assert bidden.fees == one.fees and bidden.bid is not None and bidden.bid.share_bps == 0
