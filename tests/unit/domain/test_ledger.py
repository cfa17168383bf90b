"""Profits split: every part adds up to what was measured, to the wei."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.address import Address, Hash32
from keeper.domain.ledger import Entry, Split, total
from keeper.domain.plan import Waterfall
from keeper.domain.position import PositionId
from keeper.domain.submission import Expired, Included, Outcome, Reverted, Superseded

OWN = Address(b"\x0b" * 20)
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


_shares = st.lists(_plans, min_size=2, max_size=5)


@given(data=st.data(), shares=_shares, profit_wei=st.integers(-(2**80), 2**80), tip_wei=_wei, l1_fee_wei=_wei)
def test_parts__some_left_out__add_up_to_what_was_planned_and_measured(
    data: st.DataObject, shares: list[Waterfall], profit_wei: int, tip_wei: int, l1_fee_wei: int
) -> None:
    positions = [PositionId("aave-v3:test", Address(bytes([at]) * 20)) for at in range(len(shares))]
    left_out = data.draw(st.lists(st.sampled_from(positions), unique=True))
    outcome = replace(
        INCLUDED,
        vault_profit_wei=profit_wei,
        tip_wei=tip_wei,
        l1_fee_wei=l1_fee_wei,
        left_out=tuple(left_out),
    )
    entry = joined(shares, positions, outcome)
    parts = entry.parts
    assert [part.position for part in parts] == positions
    assert total(part.predicted for part in parts) == entry.predicted
    assert total(part.realised for part in parts) == entry.realised
    assert entry.realised.net_wei == outcome.realised_profit_wei
    out = [part for part in parts if part.became == "left out"]
    if len(left_out) < len(positions):
        assert {part.position for part in out} == set(left_out)
        ran = [one for one, part in zip(shares, parts, strict=True) if part not in out]
        assert entry.realised.bonus_wei == sum(one.bonus_wei for one in ran)
    assert all(part.realised == Split() for part in out)


def test_parts__came_true__each_one_brought_what_it_was_to_bring() -> None:
    shares = [
        Waterfall(bonus_wei=900, price_impact_wei=100, flash_fee_wei=9, gas_wei=0),
        Waterfall(bonus_wei=400, price_impact_wei=90, flash_fee_wei=1, gas_wei=0),
    ]
    positions = [PositionId("aave-v3:test", OWN), PositionId("morpho:test", OWN)]
    outcome = replace(INCLUDED, vault_profit_wei=1_100, tip_wei=0)
    parts = joined(shares, positions, outcome).parts
    assert [part.protocol for part in parts] == ["aave-v3", "morpho"]
    assert [part.realised.net_wei for part in parts] == [900 - 100 - 9 - 10, 400 - 90 - 1 - 11]
    assert [part.became for part in parts] == ["included"] * 2
    costs = joined(shares, positions, REVERTED).parts
    assert [part.realised for part in costs] == [Split(gas_wei=10), Split(gas_wei=11)]
    assert [part.became for part in costs] == ["reverted"] * 2


def test_parts__of_one_position_or_of_unknown_shares__is_the_whole() -> None:
    for others in ((), (PositionId("morpho:test", OWN),)):
        entry = replace(joined([], [PositionId("aave-v3:test", OWN)], INCLUDED), others=others)
        (part,) = entry.parts
        assert (part.predicted, part.realised) == (entry.predicted, entry.realised)
        assert part.position.market == "aave-v3:test"


def joined(shares: Sequence[Waterfall], positions: Sequence[PositionId], outcome: Outcome) -> Entry:
    """Return a transaction that was to close these, and what came of it."""
    nothing = Waterfall(bonus_wei=0, price_impact_wei=0, flash_fee_wei=0, gas_wei=0)
    plan = replace(sum(shares, start=nothing), gas_wei=21)
    return Entry(
        at_s=0,
        market=positions[0].market,
        borrower=positions[0].borrower,
        others=tuple(positions[1:]),
        transaction=Hash32(bytes(32)),
        predicted_wei=plan.net_wei,
        plan=plan,
        shares=tuple(shares),
        outcome=outcome,
    )


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
