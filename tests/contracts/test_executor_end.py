"""How a program begins and ends: deadline, guards, floor, tip."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.domain.calls import BalanceWord, ContractCall, Guard
from keeper.planner.calldata import Leg, OptionalLeg, Step
from tests.contracts.lab import MOST_UINT256, Contract, Lab, Receipt, executed

# --- floor


@pytest.mark.parametrize("floor_wei", [0, 1, 98, 99])
def test_floor__met__runs(lab: Lab, floor_wei: int) -> None:
    assert lab.succeed(lab.program(lab.liquidation(), floor_wei=floor_wei)) == 99


@pytest.mark.parametrize("floor_wei", [100, 10**18, 2**128, MOST_UINT256])
def test_floor__not_met__reverts(lab: Lab, floor_wei: int) -> None:
    reverted = lab.revert_of(lab.program(lab.liquidation(), floor_wei=floor_wei))
    assert (reverted.name, reverted.arguments) == ("FloorNotMet", (99, floor_wei))


def test_floor__profit_in_another_token__does_not_count(lab: Lab) -> None:
    steps = (
        lab.trade(lab.debt, 1_000, lab.collateral, 10**12),
        lab.trade(lab.collateral, 1_001, lab.debt, 1_001),
    )
    reverted = lab.revert_of(lab.program(lab.flash(lab.debt, 1_000, *steps), floor_wei=1))
    assert (reverted.name, reverted.arguments) == ("FloorNotMet", (0, 1))


def test_floor__wrapped_native_elsewhere__does_not_count(lab: Lab) -> None:
    lab.fund_weth(lab.executor.address, 500)
    step = lab.transfer(lab.weth, lab.operator, 500)
    assert lab.revert_of(lab.program(step, floor_wei=1)).name == "FloorNotMet"


def test_floor__wrapped_native_sent_to_the_vault_by_a_step__counts(lab: Lab) -> None:
    lab.fund_weth(lab.executor.address, 500)
    assert lab.succeed(lab.program(lab.transfer(lab.weth, lab.vault.address, 300), floor_wei=500)) == 500


def test_floor__what_lay_in_the_vault_before__does_not_count(lab: Lab) -> None:
    lab.fund_weth(lab.vault.address, 10**18)
    reverted = lab.revert_of(lab.program(lab.liquidation(), floor_wei=100))
    assert reverted.arguments == (99, 100)


# --- deadline


def test_deadline__not_passed__runs(lab: Lab) -> None:
    lab.rpc("evm_setNextBlockTimestamp", now := _now_s(lab) + 100)
    assert lab.execute(lab.program(lab.liquidation(), deadline_s=now)).succeeded


def test_deadline__passed_by_a_second__reverts(lab: Lab) -> None:
    lab.rpc("evm_setNextBlockTimestamp", now := _now_s(lab) + 100)
    program = lab.program(lab.liquidation(), deadline_s=now - 1)
    assert not lab.execute(program).succeeded
    reverted = lab.revert_of(program)
    assert (reverted.name, reverted.arguments) == ("Expired", (now - 1,))


def _now_s(lab: Lab) -> int:
    return int(lab.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)


# --- guards


@pytest.mark.parametrize(
    ("least", "most", "holds"),
    [
        (0, MOST_UINT256, True),
        (70, MOST_UINT256, True),
        (71, MOST_UINT256, False),
        (0, 70, True),
        (0, 69, False),
        (70, 70, True),
        (0, 0, False),
        (MOST_UINT256, MOST_UINT256, False),
    ],
)
def test_guard__bounds__hold_inclusively(lab: Lab, least: int, most: int, holds: bool) -> None:
    lab.must(lab.stranger, lab.market, "setOwed", 70)
    program = lab.program(lab.liquidation(), guards=(lab.guard(least=least, most=most),))
    if holds:
        assert lab.succeed(program) == 99
    else:
        assert lab.revert_of(program).name == "GuardFailed"


def test_guard__several__names_the_one_that_failed(lab: Lab) -> None:
    lab.must(lab.stranger, lab.market, "setOwed", 70)
    guards = (lab.guard(least=70), lab.guard(most=70), lab.guard(least=71), lab.guard(most=1))
    reverted = lab.revert_of(lab.program(lab.liquidation(), guards=guards))
    assert (reverted.name, reverted.arguments) == ("GuardFailed", (2,))


def test_guard__in_a_leg__is_read_before_its_steps(lab: Lab) -> None:
    leg = Leg(steps=(lab.liquidation(),), guards=(lab.guard(least=1),))
    assert lab.revert_of(lab.program(legs=(leg,))).name == "GuardFailed"


def test_guard__position_healthy_again__fails_before_anything_moves(lab: Lab) -> None:
    """The borrower repaid first: a fraction of the gas, though the liquidation itself would have run."""
    lab.must(lab.stranger, lab.market, "setOwed", 0)
    unguarded = lab.execute(lab.program(lab.liquidation()))
    guarded = lab.execute(lab.program(lab.liquidation(), guards=(lab.guard(least=1),)))
    assert unguarded.succeeded and not guarded.succeeded
    assert guarded.gas_used < 60_000


@pytest.mark.parametrize("word_index", [2, 63])
def test_guard__word_beyond_the_answer__fails(lab: Lab, word_index: int) -> None:
    program = lab.program(lab.liquidation(), guards=(lab.guard(word_index=word_index),))
    assert lab.revert_of(program).name == "GuardFailed"


def test_guard__target_that_reverts_or_has_no_code__fails(lab: Lab) -> None:
    for target, data in ((lab.market.address, b"\1\2\3\4"), (lab.stranger, b"\1\2\3\4")):
        guard = Guard(target=target, data=data, word_index=0, least=0, most=MOST_UINT256)
        assert lab.revert_of(lab.program(lab.liquidation(), guards=(guard,))).name == "GuardFailed"


def test_guard__call_that_would_change_something__fails(lab: Lab) -> None:
    data = lab.debt.encode("mint", lab.executor.address, 1)
    guard = Guard(target=lab.debt.address, data=data, word_index=0, least=0, most=MOST_UINT256)
    assert lab.revert_of(lab.program(guards=(guard,))).name == "GuardFailed"


# --- tip


@pytest.mark.parametrize(
    ("tip_bps", "tip_cap_wei", "tip_wei"),
    [(0, 10**18, 0), (1_000, 10**18, 9), (1_000, 5, 5), (9_000, 0, 0), (10_000, 10**18, 99), (1, 10**18, 0)],
)
def test_tip__share_of_what_was_measured__capped(
    lab: Lab, tip_bps: int, tip_cap_wei: int, tip_wei: int
) -> None:
    builder = _builder(lab)
    lab.fund_weth(lab.vault.address, 10**6)
    program = lab.program(lab.liquidation(), tip_bps=tip_bps, tip_cap_wei=tip_cap_wei, floor_wei=99 - tip_wei)
    before = lab.balance(lab.weth, lab.vault.address)
    receipt = lab.execute(program)
    assert receipt.succeeded
    assert executed(lab.executor, receipt) == (99 - tip_wei, tip_wei)
    assert lab.balance(lab.weth, lab.vault.address) - before == 99 - tip_wei
    assert lab.native_balance(builder.address) == tip_wei
    lab.assert_empty(lab.debt, lab.collateral)


def test_tip__floor__is_what_is_left_after_it(lab: Lab) -> None:
    _builder(lab)
    program = lab.program(lab.liquidation(), tip_bps=1_000, tip_cap_wei=10**18, floor_wei=91)
    reverted = lab.revert_of(program)
    assert (reverted.name, reverted.arguments) == ("FloorNotMet", (90, 91))


def test_tip__more_than_all__reverts(lab: Lab) -> None:
    program = lab.program(lab.liquidation(), tip_bps=10_001 * 2, tip_cap_wei=10**18)
    assert not lab.execute(program).succeeded


def test_tip__no_profit__is_none(lab: Lab) -> None:
    builder = _builder(lab)
    lab.succeed(lab.program(tip_bps=5_000, tip_cap_wei=10**18))
    assert lab.native_balance(builder.address) == 0


def test_tip__profit_that_lies_in_the_vault_already__can_not_be_tipped_from(lab: Lab) -> None:
    """The tip comes out of what the executor holds, never out of the vault."""
    lab.fund_weth(lab.executor.address, 500)
    lab.fund_weth(lab.vault.address, 10**6)
    program = lab.program(lab.transfer(lab.weth, lab.vault.address, 480), tip_bps=5_000, tip_cap_wei=10**18)
    assert not lab.execute(program).succeeded


def test_tip__refused__reverts(lab: Lab) -> None:
    _builder(lab, "TestToken")
    program = lab.program(lab.liquidation(), tip_bps=1_000, tip_cap_wei=10**18)
    assert lab.revert_of_mined(program) == "TipRefused"


def test_tip__coinbase_that_strikes_back__gets_its_tip_and_no_more(lab: Lab) -> None:
    builder = _builder(lab)
    strikes = [
        (lab.weth.address, lab.weth.encode("transferFrom", lab.executor.address, builder.address, 1)),
        (lab.executor.address, lab.executor.encode("execute", b"")),
        (lab.executor.address, lab.executor.encode("runLeg", bytes(2))),
    ]
    for target, data in strikes:
        lab.must(lab.stranger, builder, "arm", [(target, 0, data, False)])
        assert lab.execute(lab.program(lab.liquidation(), tip_bps=1_000, tip_cap_wei=5)).succeeded
        assert (lab.read(builder, "entered"), lab.read(builder, "landed")) == (1, 0)
    assert lab.native_balance(builder.address) == 15
    assert lab.balance(lab.weth, lab.vault.address) == 3 * 94


def test_tip__coinbase_that_donates_tokens__leaves_them_for_the_next_sweep(lab: Lab) -> None:
    """It is called last, when all has been swept."""
    builder = _builder(lab)
    lab.mint(lab.debt, builder.address, 7)
    donate = lab.debt.encode("transfer", lab.executor.address, 7)
    lab.must(lab.stranger, builder, "arm", [(lab.debt.address, 0, donate, True)])
    assert lab.execute(lab.program(lab.liquidation(), tip_bps=1_000, tip_cap_wei=5)).succeeded
    assert lab.balance(lab.debt, lab.executor.address) == 7
    assert lab.execute(lab.program(touched=(lab.debt.address,))).succeeded
    assert lab.balance(lab.debt, lab.vault.address) == 7
    lab.assert_empty(lab.debt)


def _builder(lab: Lab, contract: str = "Attacker") -> Contract:
    """Return the coinbase of the blocks to come."""
    builder = lab.deploy(contract)
    lab.rpc("anvil_setCoinbase", "0x" + builder.address.hex())
    return builder


# --- native coin


def test_value__unwrapped_by_an_earlier_step__is_sent_along(lab: Lab) -> None:
    lab.fund_weth(lab.executor.address, 500)
    unwrap = Step(call=ContractCall(target=lab.weth.address, data=lab.weth.encode("withdraw", 400)))
    buy = lab.market.encode("sellForNative", lab.debt.address, 7)
    program = lab.program(
        unwrap,
        Step(call=ContractCall(target=lab.market.address, data=buy), value_wei=300),
        touched=(lab.debt.address,),
    )
    assert lab.succeed(program) == 200
    assert lab.native_balance(lab.market.address) == 300
    assert lab.balance(lab.debt, lab.vault.address) == 7
    lab.assert_empty(lab.debt)


def test_receive__market_that_pays_in_native_coin__is_profit(lab: Lab) -> None:
    lab.rpc("anvil_setBalance", "0x" + lab.market.address.hex(), hex(1_000))
    step = Step(call=ContractCall(target=lab.market.address, data=lab.market.encode("payNative", 600)))
    assert lab.succeed(lab.program(step, floor_wei=600)) == 600
    lab.assert_empty()


# --- a balance put into a call


def test_balance_word__below_its_least__reverts(lab: Lab) -> None:
    lab.mint(lab.debt, lab.executor.address, 10)
    reverted = lab.revert_of(lab.program(lab.sell_all(lab.debt, lab.weth, (1, 1), least=11)))
    assert (reverted.name, reverted.arguments) == ("BalanceTooLow", (reverted.arguments[0], 10, 11))


def test_balance_word__below_its_least_where_it_may_be__leaves_the_step_out(lab: Lab) -> None:
    lab.mint(lab.debt, lab.executor.address, 10)
    skipped = lab.sell_all(lab.debt, lab.weth, (1, 1), least=11, skip_if_too_low=True)
    sold = lab.sell_all(lab.debt, lab.weth, (1, 1), least=10, skip_if_too_low=True)
    assert lab.succeed(lab.program(skipped, touched=(lab.debt.address,))) == 0
    lab.mint(lab.debt, lab.executor.address, 10)
    assert lab.succeed(lab.program(skipped, sold)) == 10


def test_balance_word__of_one_token_while_another_is_spent__is_independent(lab: Lab) -> None:
    lab.mint(lab.debt, lab.executor.address, 10)
    lab.mint(lab.collateral, lab.executor.address, 4)
    step = lab.trade(lab.debt, 10, lab.weth, 0, approve=9)
    call = ContractCall(
        target=step.call.target,
        data=step.call.data,
        spend=step.call.spend,
        balance_word=BalanceWord(token=lab.collateral.address, offset=4 + 3 * 32, minimum_raw=4),
    )
    assert not lab.execute(lab.program(Step(call=call))).succeeded
    step = lab.trade(lab.debt, 10, lab.weth, 0)
    call = ContractCall(
        target=step.call.target, data=step.call.data, spend=step.call.spend, balance_word=call.balance_word
    )
    assert lab.succeed(lab.program(Step(call=call))) == 4


# --- legs


def _failing(lab: Lab) -> Step:
    """Return a liquidation that fails in its last step: the collateral is worth too little."""
    return lab.flash(
        lab.debt,
        1_000,
        lab.trade(lab.debt, 1_000, lab.collateral, 1_100),
        lab.sell_all(lab.collateral, lab.weth, (1, 1), least=1_101),
    )


def _legs_failed(lab: Lab, receipt: Receipt) -> list[dict[str, Any]]:
    event = lab.executor.interface.event("LegFailed")
    return [
        event.decode([event.topic], bytes.fromhex(log["data"][2:]))
        for log in receipt.logs
        if log["topics"][0] == "0x" + event.topic.hex()
    ]


def test_leg__failing__takes_the_transaction_with_it(lab: Lab) -> None:
    legs = (Leg(steps=(lab.liquidation(),)), Leg(steps=(_failing(lab),)))
    assert lab.revert_of(lab.program(legs=legs)).name == "BalanceTooLow"


@pytest.mark.parametrize("failing_first", [False, True])
def test_optional_leg__failing__leaves_nothing_and_costs_the_others_nothing(
    lab: Lab, failing_first: bool
) -> None:
    legs = [OptionalLeg(steps=(lab.liquidation(),)), OptionalLeg(steps=(_failing(lab),))]
    if failing_first:
        legs.reverse()
    receipt = lab.execute(lab.program(legs=tuple(legs), touched=(lab.debt.address,), floor_wei=99))
    assert receipt.succeeded
    assert executed(lab.executor, receipt) == (99, 0)
    lab.assert_empty(lab.debt, lab.collateral)
    assert lab.balance(lab.collateral, lab.vault.address) == 0
    told = _legs_failed(lab, receipt)
    assert [one["index"] for one in told] == [0 if failing_first else 1]
    assert told[0]["reason"][:4] == lab.executor.interface.error("BalanceTooLow").selector


def test_optional_leg__all_failing__meets_no_floor(lab: Lab) -> None:
    legs = (OptionalLeg(steps=(_failing(lab),)),) * 3
    assert lab.revert_of(lab.program(legs=legs, floor_wei=1)).name == "FloorNotMet"
    assert lab.succeed(lab.program(legs=legs)) == 0


def test_optional_leg__guard_fails__is_left_out(lab: Lab) -> None:
    legs = (
        OptionalLeg(steps=(lab.liquidation(),), guards=(lab.guard(least=1),)),
        OptionalLeg(steps=(lab.liquidation(),)),
    )
    assert lab.succeed(lab.program(legs=legs)) == 99


def test_optional_leg__commitment_left_unused__is_undone_with_it(lab: Lab) -> None:
    """A leg that fails between its commitment and its callback leaves no commitment for a stranger."""
    lab.rpc("anvil_setBalance", "0x" + lab.market.address.hex(), "0x0")
    empty = lab.deploy("Market")
    legs = (
        OptionalLeg(steps=(lab.flash(lab.debt, 1_000, lender=empty),)),
        OptionalLeg(steps=(lab.liquidation(),)),
    )
    assert lab.succeed(lab.program(legs=legs, floor_wei=99)) == 99


@pytest.mark.parametrize(("body", "fails"), [("0000", False), ("000000", True), ("00", True)])
def test_optional_leg__bytes_after_its_body_or_too_few__fails(lab: Lab, body: str, fails: bool) -> None:
    header, no_tokens, one_leg = "ffffffffff 00 0000 00", "00 00 00", "01"
    leg = f"01 000000 {len(body) // 2:04x} {body}"
    data = lab.executor.encode("execute", bytes.fromhex(header + no_tokens + one_leg + leg))
    receipt = lab.send(lab.operator, lab.executor.address, data)
    assert receipt.succeeded
    reasons = [told["reason"][:4] for told in _legs_failed(lab, receipt)]
    assert reasons == ([lab.executor.interface.error("Malformed").selector] if fails else [])


def test_optional_leg__gas_burnt__is_limited(lab: Lab) -> None:
    burner = lab.deploy("GasBurner")
    burn = Step(call=ContractCall(target=burner.address, data=b"\0\0\0\1"))
    legs = (OptionalLeg(steps=(burn,), gas_limit=100_000), Leg(steps=(lab.liquidation(),)))
    receipt = lab.execute(lab.program(legs=legs, floor_wei=99), gas=1_500_000)
    assert receipt.succeeded
    plain = lab.execute(lab.program(lab.liquidation()), gas=1_500_000)
    assert receipt.gas_used - plain.gas_used < 200_000


def test_optional_leg__answer_of_a_megabyte__costs_the_others_nothing(lab: Lab) -> None:
    burner = lab.deploy("GasBurner")
    shout = Step(call=ContractCall(target=burner.address, data=burner.encode("shout", 50_000)))
    legs = (OptionalLeg(steps=(shout,), gas_limit=200_000), Leg(steps=(lab.liquidation(),)))
    assert lab.succeed(lab.program(legs=legs)) == 99
