"""Profits split: every part adds up to what was measured, to the wei."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.address import Address, Hash32
from keeper.domain.ledger import Entry, Split, total
from keeper.domain.plan import Waterfall
from keeper.domain.submission import Expired, Included, Reverted, Superseded

_wei = st.integers(0, 2**80)
_plans = st.builds(
    Waterfall, bonus_wei=_wei, price_impact_wei=_wei, flash_fee_wei=_wei, gas_wei=_wei, tip_wei=_wei
)
INCLUDED = Included(
    block_number=1,
    block_hash=Hash32(bytes(32)),
    gas_used=3,
    effective_gas_price_wei=7,
    vault_profit_wei=1_000,
    tip_wei=50,
)
REVERTED = Reverted(block_number=1, block_hash=Hash32(bytes(32)), gas_used=3, effective_gas_price_wei=7)


@given(plan=st.none() | _plans, profit_wei=_wei, tip_wei=_wei, l1_fee_wei=_wei)
def test_realised__included__adds_up_to_what_was_measured(
    plan: Waterfall | None, profit_wei: int, tip_wei: int, l1_fee_wei: int
) -> None:
    outcome = replace(INCLUDED, vault_profit_wei=profit_wei, tip_wei=tip_wei, l1_fee_wei=l1_fee_wei)
    split = Split.realised(outcome, plan)
    assert split.net_wei == outcome.realised_profit_wei == profit_wei - 21 - l1_fee_wei
    assert (split.bid_wei, split.gas_wei, split.l1_fee_wei) == (tip_wei, 21, l1_fee_wei)


@given(plan=_plans)
def test_predicted__any_plan__adds_up_to_its_net(plan: Waterfall) -> None:
    assert Split.predicted(plan).net_wei == plan.net_wei


def test_realised__less_arrived_than_was_planned__is_price_impact() -> None:
    plan = Waterfall(bonus_wei=2_000, price_impact_wei=500, flash_fee_wei=100, gas_wei=20, tip_wei=50)
    assert Split.realised(INCLUDED, plan).price_impact_wei == 2_000 - 100 - 50 - 1_000


def test_realised__not_included__costs_its_gas_or_nothing() -> None:
    assert Split.realised(REVERTED, None) == Split(gas_wei=21)
    assert Split.realised(replace(REVERTED, l1_fee_wei=4), None) == Split(gas_wei=21, l1_fee_wei=4)
    for outcome in (Expired(head_number=1, why=""), Superseded(head_number=1)):
        assert Split.realised(outcome, None) == Split()


def test_total__of_none_and_of_several__part_by_part() -> None:
    assert total(()) == Split()
    assert total((Split(bonus_wei=3, gas_wei=1), Split(bonus_wei=4, l1_fee_wei=2))) == Split(
        bonus_wei=7, gas_wei=1, l1_fee_wei=2
    )


def test_entry__its_plan_is_not_known__the_net_is_all_that_is() -> None:
    entry = Entry(
        at_s=0,
        market="morpho:0x12/0x34",
        borrower=Address(bytes(20)),
        transaction=Hash32(bytes(32)),
        predicted_wei=77,
        plan=None,
        outcome=None,
    )
    assert (entry.protocol, entry.predicted.net_wei, entry.realised) == ("morpho", 77, Split())
