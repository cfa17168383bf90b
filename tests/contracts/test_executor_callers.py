"""Who may call the executor, and when: the operator, and whoever it has committed to."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from keeper.domain.address import Address
from keeper.domain.calls import ContractCall
from keeper.planner.calldata import Step, encode, execute_calldata
from tests.contracts.lab import TRUE, Contract, Lab, Reverted, committed_bytes


def _reverted(lab: Lab, sender: Address, data: bytes, *, value_wei: int = 0) -> str:
    with pytest.raises(Reverted) as reverted:
        lab.call(sender, lab.executor.address, data, value_wei=value_wei)
    return reverted.value.name


def _attacker(lab: Lab, *strikes: tuple[Address, bytes], insists: bool = True) -> Contract:
    """Return an attacker that makes these calls in turn, one each time that it is given control."""
    attacker = lab.deploy("Attacker")
    lab.must(lab.stranger, attacker, "arm", [(target, 0, data, insists) for target, data in strikes])
    return attacker


def test_execute__by_the_operator__runs(lab: Lab) -> None:
    program = lab.program(lab.liquidation(), touched=(lab.debt.address,))
    assert lab.succeed(program) == 99
    assert lab.balance(lab.weth, lab.vault.address) == 99
    lab.assert_empty(lab.debt, lab.collateral)


@pytest.mark.parametrize("who", ["stranger", "owner"])
def test_execute__by_anybody_else__reverts(lab: Lab, who: str) -> None:
    data = execute_calldata(lab.program(lab.liquidation()))
    assert _reverted(lab, getattr(lab, who), data) == "NotOperator"


def test_execute__empty_program_of_a_stranger__reverts(lab: Lab) -> None:
    assert _reverted(lab, lab.stranger, execute_calldata(lab.program())) == "NotOperator"


def test_execute__with_native_coin__reverts(lab: Lab) -> None:
    with pytest.raises(Reverted):
        lab.call(lab.operator, lab.executor.address, execute_calldata(lab.program()), value_wei=1)


@pytest.mark.parametrize("who", ["operator", "owner", "stranger"])
def test_run_leg__by_anybody__reverts(lab: Lab, who: str) -> None:
    data = lab.executor.encode("runLeg", bytes(2))
    assert _reverted(lab, getattr(lab, who), data) == "NotSelf"


@pytest.mark.parametrize("who", ["operator", "owner", "stranger"])
def test_receive__outside_a_program__reverts(lab: Lab, who: str) -> None:
    assert _reverted(lab, getattr(lab, who), b"", value_wei=1) == "NotOperator"


@pytest.mark.parametrize("who", ["operator", "owner", "stranger"])
def test_fallback__forged_callback_outside_a_program__reverts(lab: Lab, who: str) -> None:
    forged = lab.compiled["IFlashReceiver"].interface.encode(
        "executeOperation", lab.debt.address, 1_000, 1, lab.executor.address, bytes(4)
    )
    assert _reverted(lab, getattr(lab, who), forged) == "UnexpectedCallback"


def test_fallback__is_valid_signature__reverts(lab: Lab) -> None:
    asked = bytes.fromhex("1626ba7e") + bytes(32) + (64).to_bytes(32, "big") + bytes(32)
    assert _reverted(lab, lab.stranger, asked) == "UnexpectedCallback"


def test_fallback__lender_that_a_stranger_sent__reverts(lab: Lab) -> None:
    data = lab.market.encode("flashLoanSimple", lab.executor.address, lab.debt.address, 1_000, bytes(4), 0)
    with pytest.raises(Reverted) as reverted:
        lab.call(lab.stranger, lab.market.address, data)
    assert reverted.value.name == "UnexpectedCallback"


def test_fallback__stranger_during_a_committed_call__reverts(lab: Lab) -> None:
    """The stranger knows the program, and sends the very callback that the lender is to make."""
    program = lab.program(lab.liquidation())
    forged = lab.compiled["IFlashReceiver"].interface.encode(
        "executeOperation", lab.debt.address, 1_000, 1, lab.executor.address, committed_bytes(program)
    )
    attacker = _attacker(lab, (lab.executor.address, forged), insists=False)
    lab.must(lab.stranger, lab.market, "setStranger", attacker.address)
    assert lab.succeed(program) == 99
    assert lab.read(attacker, "entered") > 3
    assert lab.read(attacker, "landed") == 0


@pytest.mark.parametrize("initiator_argument", [3, None])
def test_fallback__right_lender_and_bytes_but_the_strangers_loan__reverts(
    lab: Lab, initiator_argument: int | None
) -> None:
    """Within the committed call the stranger makes the lender call back, in the stranger's own name.

    Where the lender does not say whose loan it is, that takes the commitment, which the program's own
    callback then misses: all is undone. Where it says so, it is refused, and nothing else happens.
    """
    token = lab.deploy("HookToken")
    lab.mint(token, lab.market.address, 10**6)
    program = lab.program(
        lab.liquidation(debt=token, initiator_argument=initiator_argument), touched=(token.address,)
    )
    loan = lab.market.encode(
        "flashLoanSimple", lab.executor.address, token.address, 1_000, committed_bytes(program), 0
    )
    nothing = (lab.weth.address, lab.weth.encode("balanceOf", lab.stranger))
    attacker = _attacker(lab, (lab.market.address, loan), *[nothing] * 60, insists=False)
    lab.must(lab.stranger, token, "setStranger", attacker.address)
    if initiator_argument is None:
        assert lab.revert_of(program).name == "UnexpectedCallback"
    else:
        assert lab.succeed(program) == 99
        assert lab.read(attacker, "entered") - lab.read(attacker, "landed") == 1, "the loan"


def test_execute__again_from_within__reverts(lab: Lab) -> None:
    """Even where the operator's key is a contract that is given control: one program at a time."""
    attacker = lab.deploy("Attacker")
    executor = lab.deploy("Executor", attacker.address, lab.vault.address, lab.weth.address)
    lab.must(lab.stranger, attacker, "arm", [(executor.address, 0, execute_calldata(lab.program()), True)])
    step = Step(call=ContractCall(target=attacker.address, data=b"\0\0\0\1"))
    outer = attacker.encode("act", executor.address, execute_calldata(lab.program(step)))
    with pytest.raises(Reverted) as reverted:
        lab.call(lab.stranger, attacker.address, outer)
    assert reverted.value.name == "Reentered"


def test_execute__twice_in_one_transaction__runs_both(lab: Lab) -> None:
    """What the first has written to transient storage does not stand in the second one's way."""
    attacker = lab.deploy("Attacker")
    executor = lab.deploy("Executor", attacker.address, lab.vault.address, lab.weth.address)
    programs = (lab.program(touched=(lab.debt.address, lab.collateral.address)), lab.program())
    strikes = [(executor.address, 0, execute_calldata(program), True) for program in programs]
    lab.must(lab.stranger, attacker, "arm", strikes)
    lab.must(lab.stranger, lab.market, "setStranger", attacker.address)
    lab.must(lab.stranger, lab.market, "trade", lab.debt.address, 0, lab.debt.address, 0)
    assert lab.read(attacker, "landed") == 2


@pytest.mark.parametrize(
    "signature",
    [
        "approve(address,uint256)",
        "increaseAllowance(address,uint256)",
        "setApprovalForAll(address,bool)",
        "approve(address,address,uint160,uint48)",
        "setAuthorization(address,bool)",
        "approveDelegation(address,uint256)",
        "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
    ],
)
def test_step__raw_approval__reverts(lab: Lab, signature: str) -> None:
    data = keccak(text=signature)[:4] + bytes(224)
    step = Step(call=ContractCall(target=lab.debt.address, data=data))
    assert lab.revert_of(lab.program(step)).name == "ForbiddenCall"


def test_step__raw_approval_inside_a_callback__reverts(lab: Lab) -> None:
    approval = Step(
        call=ContractCall(target=lab.debt.address, data=lab.debt.encode("approve", lab.stranger, 1))
    )
    assert lab.revert_of(lab.program(lab.flash(lab.debt, 1_000, approval))).name == "ForbiddenCall"


def test_step__call_to_the_executor_itself__reverts(lab: Lab) -> None:
    step = Step(call=ContractCall(target=lab.executor.address, data=lab.executor.encode("runLeg", bytes(2))))
    assert lab.revert_of(lab.program(step)).name == "ForbiddenCall"


def test_step__target_without_code__reverts(lab: Lab) -> None:
    step = Step(call=ContractCall(target=lab.stranger, data=TRUE))
    assert lab.revert_of(lab.program(step)).name == "NoCode"


def test_step__failing_call__passes_its_reason_on(lab: Lab) -> None:
    token = lab.deploy("NoZeroToken")
    assert lab.revert_of(lab.program(lab.transfer(token, lab.stranger, 0))).name == "Nothing"


def test_execute__bytes_after_the_program__reverts(lab: Lab) -> None:
    packed = encode(lab.program()) + b"\0"
    data = lab.executor.encode("execute", packed)
    assert _reverted(lab, lab.operator, data) == "Malformed"


def test_execute__every_shorter_program__reverts(lab: Lab) -> None:
    packed = encode(lab.program(lab.liquidation(), guards=(lab.guard(most=5),), touched=(lab.debt.address,)))
    for length in range(0, len(packed), 7):
        with pytest.raises(Reverted):
            lab.call(lab.operator, lab.executor.address, lab.executor.encode("execute", packed[:length]))


@pytest.mark.parametrize(("size", "fits"), [(32, True), (33, False), (255, False)])
def test_execute__number_of_more_than_a_word__reverts(lab: Lab, size: int, fits: bool) -> None:
    """It would otherwise be taken for zero, and here be no floor."""
    packed = bytes.fromhex("ffffffffff") + bytes((size,)) + bytes(size) + bytes.fromhex("0000 00 00 00 00 00")
    data = lab.executor.encode("execute", packed)
    if fits:
        lab.call(lab.operator, lab.executor.address, data)
    else:
        assert _reverted(lab, lab.operator, data) == "Malformed"


@pytest.mark.parametrize("beyond", [1, 500])
def test_step__balance_put_beyond_the_data__reverts(lab: Lab, beyond: int) -> None:
    lab.mint(lab.debt, lab.executor.address, 7)
    step = lab.sell_all(lab.debt, lab.weth, (1, 1))
    assert step.call.balance_word is not None
    packed = encode(lab.program(step))
    assert lab.profit_of(lab.program(step)) == 7
    field, least = step.call.balance_word.offset.to_bytes(2, "big"), b"\1\1"
    assert packed.count(b"\1" + field + least) == 1
    moved = (len(step.call.data) - 32 + beyond).to_bytes(2, "big")
    data = lab.executor.encode("execute", packed.replace(b"\1" + field + least, b"\1" + moved + least))
    assert _reverted(lab, lab.operator, data) == "Malformed"


def test_step__token_beyond_the_touched_ones__reverts(lab: Lab) -> None:
    """Only touched tokens are swept, so nothing else may be spent or measured."""
    program = lab.program(lab.trade(lab.debt, 0, lab.collateral, 0))
    packed = bytearray(encode(program))
    tokens_at = 5 + 1 + 2 + 1
    assert packed[tokens_at] == 1
    packed[tokens_at] = 0
    with pytest.raises(Reverted) as reverted:
        lab.call(lab.operator, lab.executor.address, lab.executor.encode("execute", bytes(packed)))
    assert (reverted.value.name, reverted.value.arguments) == ("UntouchedToken", (1,))


def test_constructor__zero_address__reverts(lab: Lab) -> None:
    artifact = lab.compiled["Executor"]
    for missing in range(3):
        arguments = [lab.operator, lab.vault.address, lab.weth.address]
        arguments[missing] = Address(bytes(20))
        with pytest.raises(Reverted) as reverted:
            lab.create(artifact.creation_code(*arguments))
        assert reverted.value.name == "ZeroAddress"
