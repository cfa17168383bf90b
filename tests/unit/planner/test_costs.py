"""Fees, minimums and the floor, each at its edge."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.head import NextBlock
from keeper.domain.plan import Fees
from keeper.domain.surcharge import NO_SURCHARGE, Surcharge
from keeper.planner.costs import (
    below_minimum,
    fees,
    floor_wei,
    gas_price_wei,
    least_vault_wei,
    tip_wei,
    too_risky,
    transaction_wei,
)
from keeper.planner.options import PlannerOptions

GWEI = 10**9
OPTIONS = PlannerOptions(
    min_profit_wei=1_000,
    min_profit_gas_ratio_bps=2_000,
    min_profit_bps=10,
    max_fee_per_gas_wei=100 * GWEI,
    priority_fee_wei=2 * GWEI,
)


def block(*, base_fee_wei: int) -> NextBlock:
    return NextBlock(number=1, timestamp_s=1, base_fee_wei=base_fee_wei, coinbase=Address(bytes(20)))


def test_fees__below_the_cap__room_for_a_doubled_base_fee() -> None:
    assert fees(gas_used=400_001, block=block(base_fee_wei=10 * GWEI), options=OPTIONS) == Fees(
        gas_limit=600_002, max_fee_per_gas_wei=22 * GWEI, max_priority_fee_per_gas_wei=2 * GWEI
    )


def test_fees__at_the_cap__sent_with_the_cap() -> None:
    bound = fees(gas_used=1, block=block(base_fee_wei=98 * GWEI), options=OPTIONS)
    assert isinstance(bound, Fees) and bound.max_fee_per_gas_wei == 100 * GWEI


def test_fees__over_the_cap__declined_with_both_figures() -> None:
    refused = fees(gas_used=1, block=block(base_fee_wei=99 * GWEI), options=OPTIONS)
    assert isinstance(refused, Declined) and refused.reason is Reason.BASE_FEE
    assert "101.00 gwei" in refused.detail and "100.00 gwei" in refused.detail


@pytest.mark.parametrize(
    ("gas_wei", "repaid_wei", "least_wei"),
    [
        (100, 0, 1_100),  # the flat minimum
        (50_000, 0, 60_000),  # a fifth of the gas at risk
        (100, 5_000_000, 5_100),  # a thousandth of the repay
        (5_001, 1, 6_002),  # rounded up: 1000.2 -> 1001
    ],
)
def test_least_vault_wei__each_minimum_in_turn__the_largest_counts(
    gas_wei: int, repaid_wei: int, least_wei: int
) -> None:
    assert least_vault_wei(gas_wei=gas_wei, repaid_wei=repaid_wei, options=OPTIONS) == least_wei


@given(st.integers(0, 10**21), st.integers(0, 10**19), st.integers(0, 10**22))
def test_below_minimum__any_profit__declined_exactly_below_the_least(
    vault_wei: int, gas_wei: int, repaid_wei: int
) -> None:
    least_wei = least_vault_wei(gas_wei=gas_wei, repaid_wei=repaid_wei, options=OPTIONS)
    why = below_minimum(vault_wei=vault_wei, gas_wei=gas_wei, repaid_wei=repaid_wei, options=OPTIONS)
    assert (why is None) == (vault_wei >= least_wei)
    if why is not None:
        expected = Reason.UNPROFITABLE if vault_wei <= gas_wei else Reason.BELOW_MINIMUM
        assert why.reason is expected


def test_floor_wei__tolerance_and_tip__off_what_is_predicted() -> None:
    tipping = replace(OPTIONS, tip_bps=5_000, max_tip_wei=10**30, floor_tolerance_bps=100)
    assert floor_wei(profit_wei=10**18, options=tipping) == 495 * 10**15
    assert floor_wei(profit_wei=1_001, options=OPTIONS) == 1_000  # never below the minimum


def test_tip_wei__a_large_profit__capped() -> None:
    tipping = replace(OPTIONS, tip_bps=9_000, max_tip_wei=500)
    assert tip_wei(profit_wei=100, options=tipping) == 90
    assert tip_wei(profit_wei=10**18, options=tipping) == 500
    assert tip_wei(profit_wei=10**18, options=OPTIONS) == 0


def test_gas_price_wei__next_block__base_and_priority() -> None:
    assert gas_price_wei(block(base_fee_wei=7), OPTIONS) == 7 + 2 * GWEI


def test_transaction_wei__rollup__its_gas_and_what_the_chain_takes_beside() -> None:
    surcharge = Surcharge(fixed_wei=Fraction(7), per_byte_wei=Fraction(3, 2), per_gas_wei=Fraction(1, 10))
    options = PlannerOptions(priority_fee_wei=2)
    cost = transaction_wei(
        gas_used=1_000,
        calldata=bytes(101),
        block=block(base_fee_wei=GWEI),
        surcharge=surcharge,
        options=options,
    )
    assert cost == 1_000 * (GWEI + 2) + 7 + 152 + 100  # 151.5 rounds up
    none = transaction_wei(
        gas_used=1_000,
        calldata=bytes(101),
        block=block(base_fee_wei=GWEI),
        surcharge=NO_SURCHARGE,
        options=options,
    )
    assert none == 1_000 * (GWEI + 2)


# --- the chance to lose -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net_wei", "lost_wei", "chance", "is_sent"),
    [
        (401, 100, Fraction(1, 5), True),
        (400, 100, Fraction(1, 5), False),  # what is expected is nothing
        (26, 100, Fraction(4, 5), True),
        (25, 100, Fraction(4, 5), False),
        (1, 0, Fraction(1, 5), True),  # a lost race costs nothing: a bundle
        (0, 0, Fraction(1, 5), False),
        (10**18, 1, Fraction(0), False),
        (1, 10**18, Fraction(1), True),
    ],
)
def test_too_risky__by_chance_and_loss__sent_where_more_is_expected_than_nothing(
    net_wei: int, lost_wei: int, chance: Fraction, is_sent: bool
) -> None:
    declined = too_risky(net_wei=net_wei, lost_wei=lost_wei, chance=chance)
    assert (declined is None) == is_sent
    assert declined is None or declined.reason is Reason.ODDS


def test_too_risky__declined__says_what_is_won_how_often_and_what_is_lost() -> None:
    declined = too_risky(net_wei=10**15, lost_wei=10**15, chance=Fraction(1, 5))
    assert str(declined) == (
        "odds: 0.001000 if it is won, which happens in 20% of all races, and 0.001000 lost in the others"
    )
