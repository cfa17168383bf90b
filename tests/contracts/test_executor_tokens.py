"""Tokens as they are met: each habit, and what becomes of the executor's balances and allowances."""

from __future__ import annotations

import pytest

from keeper.domain.calls import ContractCall, Spend
from keeper.planner.calldata import Step
from tests.contracts.lab import Contract, Lab


def _token(lab: Lab, name: str, *arguments: object) -> Contract:
    token = lab.deploy(name, *arguments)
    lab.must(lab.owner, token, "mint", lab.market.address, 10**9)
    return token


def _silent(lab: Lab) -> Contract:
    return _token(lab, "SilentToken", "Silent", "SIL", 6)


@pytest.mark.parametrize("name", ["TestToken", "NoZeroToken", "BlockingToken", "FalseToken", "HookToken"])
@pytest.mark.parametrize("place", ["debt", "collateral"])
def test_execute__each_kind_of_token__liquidates(lab: Lab, name: str, place: str) -> None:
    token = _token(lab, name)
    other = lab.collateral if place == "debt" else lab.debt
    program = lab.program(lab.liquidation(**{place: token}), touched=(token.address, other.address))
    assert lab.succeed(program) == 99
    lab.assert_empty(token, other)


@pytest.mark.parametrize("place", ["debt", "collateral"])
def test_execute__token_that_returns_nothing_and_refuses_changes__liquidates(lab: Lab, place: str) -> None:
    """The same token is approved to the same market three times over: from zero each time."""
    token = _silent(lab)
    program = lab.program(lab.liquidation(**{place: token}), touched=(token.address,))
    assert lab.succeed(program) == 99
    lab.assert_empty(token)


def test_spend__approval_left_unused__is_taken_back(lab: Lab) -> None:
    token = _silent(lab)
    unused = lab.trade(token, 0, lab.collateral, 0, approve=500)
    lab.succeed(lab.program(unused, unused))
    lab.assert_empty(token)


def test_spend__token_that_refuses_to_take_an_approval_back__reverts(lab: Lab) -> None:
    token = _token(lab, "NoZeroToken")
    lab.mint(token, lab.executor.address, 2)
    left_over = lab.trade(token, 1, lab.collateral, 1, approve=2)
    assert lab.revert_of(lab.program(left_over)).name == "ApprovalRefused"
    lab.succeed(lab.program(lab.trade(token, 2, lab.collateral, 1), touched=(lab.collateral.address,)))


def test_spend__allowance_planted_before__does_not_stand_in_the_way(lab: Lab) -> None:
    """A token that refuses a non-zero change, with an allowance that nobody should have got it to give."""
    token = _silent(lab)
    slot = lab.allowance_slot(token, lab.market.address)
    lab.rpc("anvil_setStorageAt", "0x" + token.address.hex(), slot, "0x" + (7).to_bytes(32, "big").hex())
    assert lab.allowance(token, lab.market.address) == 7
    lab.succeed(lab.program(lab.liquidation(debt=token)))
    lab.assert_empty(token)


def test_spend__to_another_than_the_target__is_approved_there(lab: Lab) -> None:
    relay = lab.deploy("Relay")
    lab.mint(lab.debt, lab.executor.address, 100)
    pull = lab.debt.encode("transferFrom", lab.executor.address, lab.stranger, 60)
    call = ContractCall(
        target=lab.debt.address, data=pull, spend=Spend(token=lab.debt.address, amount_raw=60)
    )
    lab.succeed(lab.program(Step(call=call, spender=lab.executor.address)))
    assert lab.balance(lab.debt, lab.stranger) == 60
    through = ContractCall(
        target=relay.address,
        data=relay.encode("relay", lab.debt.address, pull),
        spend=Spend(token=lab.debt.address, amount_raw=60),
    )
    assert not lab.execute(lab.program(Step(call=through, spender=lab.market.address))).succeeded
    lab.assert_empty(lab.debt)


def test_execute__fee_on_transfer__sells_what_arrived(lab: Lab) -> None:
    token = _token(lab, "FeeToken")
    steps = (
        lab.trade(lab.debt, 1_000, token, 1_100),  # 1089 arrive
        lab.sell_all(token, lab.weth, (1, 1), least=1_089),  # 1079 arrive at the market
        lab.trade(lab.weth, 1_001, lab.debt, 1_001),
    )
    assert lab.succeed(lab.program(lab.flash(lab.debt, 1_000, *steps), floor_wei=78)) == 78
    lab.assert_empty(token, lab.debt)


def test_execute__fee_on_transfer_where_more_was_expected__reverts(lab: Lab) -> None:
    token = _token(lab, "FeeToken")
    steps = (lab.trade(lab.debt, 1_000, token, 1_100), lab.sell_all(token, lab.weth, (1, 1), least=1_090))
    reverted = lab.revert_of(lab.program(lab.flash(lab.debt, 1_000, *steps)))
    assert (reverted.name, reverted.arguments[1:]) == ("BalanceTooLow", (1_089, 1_090))


def test_execute__shares_that_lose_a_unit_or_two__liquidates(lab: Lab) -> None:
    """What arrives is less than what was sent, what is sent less than asked, and a last unit may stay."""
    token = _token(lab, "ShareToken")
    losses = set()
    for seized in range(1_100, 1_120):
        steps = (
            lab.trade(lab.debt, 1_000, token, seized),
            lab.sell_all(token, lab.weth, (1, 1), least=seized - 2),
            lab.trade(lab.weth, 1_001, lab.debt, 1_001),
        )
        profit = lab.succeed(lab.program(lab.flash(lab.debt, 1_000, *steps)))
        losses.add(seized - 1_001 - profit)
        lab.assert_empty(token, dust=2)
    assert min(losses) >= 0 and {1, 2} & losses


def test_sweep__shares__leaves_at_most_the_last_units(lab: Lab) -> None:
    token = _token(lab, "ShareToken")
    left = set()
    for amount in range(1, 60):
        lab.mint(token, lab.executor.address, amount)
        lab.succeed(lab.program(touched=(token.address,)))
        left.add(lab.balance(token, lab.executor.address))
    assert left <= {0, 1, 2} and len(left) > 1


def test_sweep__plain_token__leaves_nothing(lab: Lab) -> None:
    for amount in (1, 2, 3, 10**20):
        lab.mint(lab.debt, lab.executor.address, amount)
        lab.succeed(lab.program(touched=(lab.debt.address,)))
        lab.assert_empty(lab.debt)
    assert lab.balance(lab.debt, lab.vault.address) == 6 + 10**20


def test_sweep__nothing_to_sweep__transfers_nothing(lab: Lab) -> None:
    token, attacker = _token(lab, "HookToken"), lab.deploy("Attacker")
    lab.must(lab.stranger, token, "setStranger", attacker.address)
    nothing = (lab.market.address, 0, lab.market.encode("position"), False)
    lab.must(lab.stranger, attacker, "arm", [nothing])
    lab.succeed(lab.program(touched=(token.address,)))
    assert lab.read(attacker, "entered") == 0
    lab.succeed(lab.program(lab.transfer(token, lab.vault.address, 0)))
    assert lab.read(attacker, "entered") == 2


def test_sweep__token_that_reverts_on_nothing__runs(lab: Lab) -> None:
    token = _token(lab, "NoZeroToken")
    assert lab.revert_of(lab.program(lab.transfer(token, lab.vault.address, 0))).name == "Nothing"
    lab.succeed(lab.program(touched=(token.address,)))


def test_sweep__token_that_returns_nothing__reaches_the_vault(lab: Lab) -> None:
    token = _silent(lab)
    lab.mint(token, lab.executor.address, 5)
    lab.succeed(lab.program(touched=(token.address,)))
    assert lab.balance(token, lab.vault.address) == 5
    lab.assert_empty(token)


def test_sweep__vault_is_blocked__reverts(lab: Lab) -> None:
    token = _token(lab, "BlockingToken")
    lab.must(lab.stranger, token, "setBlocked", lab.vault.address, True)
    lab.mint(token, lab.executor.address, 5)
    reverted = lab.revert_of(lab.program(touched=(token.address,)))
    assert (reverted.name, reverted.arguments[1]) == ("NotSwept", 5)


def test_sweep__vault_is_blocked_but_nothing_is_left__runs(lab: Lab) -> None:
    token = _token(lab, "BlockingToken")
    lab.must(lab.stranger, token, "setBlocked", lab.vault.address, True)
    assert lab.succeed(lab.program(lab.liquidation(collateral=token))) == 99


def test_execute__executor_is_blocked__reverts(lab: Lab) -> None:
    token = _token(lab, "BlockingToken")
    lab.must(lab.stranger, token, "setBlocked", lab.executor.address, True)
    assert lab.revert_of(lab.program(lab.liquidation(collateral=token))).name == "Blocked"


def test_sweep__token_says_false__reverts(lab: Lab) -> None:
    token = _token(lab, "FalseToken")
    lab.mint(token, lab.executor.address, 5)
    lab.must(lab.stranger, token, "setRefuses", True)
    assert lab.revert_of(lab.program(touched=(token.address,))).name == "NotSwept"


def test_spend__token_says_false__reverts(lab: Lab) -> None:
    token = _token(lab, "FalseToken")
    lab.must(lab.stranger, token, "setRefuses", True)
    assert lab.revert_of(lab.program(lab.trade(token, 1, lab.debt, 1))).name == "ApprovalRefused"


def test_spend__token_without_code__reverts(lab: Lab) -> None:
    nothing = Contract(address=lab.stranger, interface=lab.debt.interface)
    assert not lab.execute(lab.program(lab.trade(nothing, 1, lab.debt, 1))).succeeded


@pytest.mark.parametrize("donated", [1, 10**18])
def test_execute__tokens_donated_before__are_swept(lab: Lab, donated: int) -> None:
    for token in (lab.debt, lab.collateral):
        lab.mint(token, lab.executor.address, donated)
    lab.fund_weth(lab.executor.address, donated)
    program = lab.program(lab.liquidation(), touched=(lab.debt.address,), floor_wei=99)
    # the collateral is sold whole, and what was there of wrapped native is profit
    assert lab.succeed(program) == 99 + 2 * donated
    assert lab.balance(lab.debt, lab.vault.address) == donated
    lab.assert_empty(lab.debt, lab.collateral)


def test_execute__native_coin_forced_in__is_wrapped_for_the_vault(lab: Lab) -> None:
    lab.rpc("anvil_setBalance", "0x" + lab.executor.address.hex(), hex(5))
    assert lab.succeed(lab.program(lab.liquidation())) == 104
    lab.assert_empty()


def test_step__approval_by_another_name__meets_only_this_keys_programs(lab: Lab) -> None:
    """No list of selectors is complete. What a thief plants stays with the one operator's executor."""
    token = _token(lab, "ForwardingToken")
    planted = token.encode("forward", token.encode("approve", lab.stranger, 10**30))
    lab.succeed(lab.program(Step(call=ContractCall(target=token.address, data=planted))))
    assert lab.allowance(token, lab.stranger) == 10**30

    lab.succeed(lab.program(lab.liquidation(collateral=token), touched=(token.address,)))
    assert lab.balance(token, lab.executor.address) == 0  # there is nothing to take between transactions

    replaced = lab.deploy("Executor", lab.operator, lab.vault.address, lab.weth.address)
    assert lab.read(token, "allowance", replaced.address, lab.stranger) == 0
