"""The one callback that a step commits to: from whom, how, with which bytes, and once."""

from __future__ import annotations

from enum import IntEnum

import pytest

from keeper.domain.address import Address
from keeper.domain.calls import Callback, ContractCall, Spend
from keeper.planner.calldata import Step, encode
from tests.contracts.lab import TRUE, Contract, Lab, Reverted, committed_bytes


class Crime(IntEnum):
    """What `CrookedLender` may do, by its own numbers."""

    NONE = 0
    OTHER_BYTES = 1
    LONGER_BYTES = 2
    OTHER_INITIATOR = 3
    OTHER_SELECTOR = 4
    OTHER_CALLER = 5
    TWICE = 6
    NEVER = 7
    TRUNCATED = 8


def _crooked(lab: Lab, crime: Crime) -> Contract:
    lender = lab.deploy("CrookedLender")
    lab.mint(lab.debt, lender.address, 10**6)
    lab.must(lab.stranger, lender, "setCrime", crime.value)
    return lender


def _loan(lab: Lab, lender: Contract) -> Step:
    return lab.flash(lab.debt, 1_000, lender=lender, repay=Spend(token=lab.debt.address, amount_raw=1_000))


def test_callback__as_committed__runs(lab: Lab) -> None:
    assert lab.succeed(lab.program(_loan(lab, _crooked(lab, Crime.NONE)))) == 0
    lab.assert_empty(lab.debt)


@pytest.mark.parametrize(
    ("crime", "error"),
    [
        (Crime.OTHER_BYTES, "UnexpectedCallback"),
        (Crime.LONGER_BYTES, "UnexpectedCallback"),
        (Crime.OTHER_INITIATOR, "WrongInitiator"),
        (Crime.OTHER_SELECTOR, "UnexpectedCallback"),
        (Crime.OTHER_CALLER, "UnexpectedCallback"),
        (Crime.TWICE, "UnexpectedCallback"),
    ],
)
def test_callback__otherwise_than_committed__reverts(lab: Lab, crime: Crime, error: str) -> None:
    assert lab.revert_of(lab.program(_loan(lab, _crooked(lab, crime)))).name == error


def test_callback__with_too_little_data__reverts(lab: Lab) -> None:
    program = lab.program(_loan(lab, _crooked(lab, Crime.TRUNCATED)))
    assert not lab.execute(program).succeeded


def test_callback__never_made__reverts(lab: Lab) -> None:
    """The lender takes back what it lent, or would: nothing else is wrong but that the steps did not run."""
    lender = _crooked(lab, Crime.NEVER)
    call = ContractCall(
        target=lender.address,
        data=lender.encode("flashLoanSimple", lab.executor.address, lab.debt.address, 0, b"", 0),
        spend=Spend(token=lab.debt.address, amount_raw=0),
        callback=_loan(lab, lender).call.callback,
    )
    assert lab.revert_of(lab.program(Step(call=call))).name == "CallbackMissing"


def test_callback__missing_inside_a_leg_of_another__reverts(lab: Lab) -> None:
    """A commitment made inside a callback must be used before that callback ends."""
    inner = lab.flash(lab.debt, 0, lender=_crooked(lab, Crime.NEVER))
    assert lab.revert_of(lab.program(lab.flash(lab.debt, 1_000, inner))).name == "CallbackMissing"


def test_callback__from_a_caller_that_was_not_named__reverts(lab: Lab) -> None:
    step = lab.flash(lab.debt, 1_000, caller=lab.weth.address)
    assert lab.revert_of(lab.program(step)).name == "UnexpectedCallback"


def test_callback__initiator_not_asked_for__runs_for_any(lab: Lab) -> None:
    """Lenders that call back only whom they were called by need not say so."""
    lender = _crooked(lab, Crime.OTHER_INITIATOR)
    step = lab.flash(
        lab.debt,
        1_000,
        lender=lender,
        initiator_argument=None,
        repay=Spend(token=lab.debt.address, amount_raw=1_000),
    )
    lab.succeed(lab.program(step))


def test_callback__answer_missing__is_the_lenders_to_refuse(lab: Lab) -> None:
    assert not lab.execute(lab.program(lab.flash(lab.debt, 1_000, answer=b""))).succeeded
    assert not lab.execute(lab.program(lab.flash(lab.debt, 1_000, answer=bytes(32)))).succeeded


def test_callback__loans_within_a_loan__run_last_in_first_out(lab: Lab) -> None:
    other = _crooked(lab, Crime.NONE)
    innermost = lab.flash(lab.collateral, 500, lab.trade(lab.collateral, 400, lab.weth, 350))
    pay_back = lab.trade(lab.debt, 401, lab.collateral, 401)
    middle = _loan(lab, other)
    outer = lab.flash(
        lab.debt,
        2_000,
        Step(call=middle.call, inside=(lab.transfer(lab.debt, lab.stranger, 0),)),
        Step(call=innermost.call, inside=(*innermost.inside, pay_back)),
        lab.trade(lab.weth, 300, lab.debt, 402),
    )
    assert lab.succeed(lab.program(outer)) == 50
    lab.assert_empty(lab.debt, lab.collateral)


def test_callback__same_lender_within_itself__runs(lab: Lab) -> None:
    """The repayment approved to a lender inside is not what the outer loan's repayment needs."""
    inner = lab.flash(lab.debt, 500, lab.trade(lab.collateral, 10, lab.debt, 10))
    outer = lab.flash(lab.debt, 1_000, lab.trade(lab.debt, 1_000, lab.collateral, 1_020), inner)
    buy = lab.trade(lab.collateral, 1_000, lab.debt, 992)
    program = lab.program(
        Step(call=outer.call, inside=(*outer.inside, buy)), touched=(lab.collateral.address,)
    )
    assert lab.succeed(program) == 0
    lab.assert_empty(lab.debt, lab.collateral)
    assert lab.balance(lab.collateral, lab.vault.address) == 10


def test_callback__of_a_protocol_that_pays_first__needs_no_loan(lab: Lab) -> None:
    """As Morpho calls back: two arguments, no initiator, no answer, and a pull afterwards."""
    lab.must(lab.stranger, lab.market, "setOwed", 1)
    call = ContractCall(
        target=lab.market.address,
        data=lab.market.encode(
            "liquidateWithCallback", lab.debt.address, 1_000, lab.collateral.address, 1_100, b""
        ),
        callback=Callback(
            caller=lab.market.address,
            selector=lab.compiled["IMorphoReceiver"].interface.encode("onMorphoLiquidate", 0, b"")[:4],
            program_argument=1,
            initiator_argument=None,
            answer=b"",
            repay=Spend(token=lab.debt.address, amount_raw=1_000),
        ),
    )
    inside = (
        lab.trade(lab.collateral, 1_000, lab.debt, 1_000),
        lab.sell_all(lab.collateral, lab.weth, (1, 2)),
    )
    assert lab.succeed(lab.program(Step(call=call, inside=inside), floor_wei=50)) == 50
    lab.assert_empty(lab.debt, lab.collateral)


def test_callback__repayment_not_pulled__is_taken_back(lab: Lab) -> None:
    lender = _crooked(lab, Crime.NONE)
    step = lab.flash(lab.debt, 1_000, lender=lender, repay=Spend(token=lab.debt.address, amount_raw=10**30))
    lab.succeed(lab.program(step))
    assert lab.allowance(lab.debt, lender.address) == 0


def test_callback__balance_put_into_its_program__reverts(lab: Lab) -> None:
    """What runs inside is what was committed to, and what is revoked afterwards what was approved inside."""
    flash = lab.flash(lab.debt, 1_000, lab.transfer(lab.debt, lab.vault.address, 0))
    balance = lab.sell_all(lab.debt, lab.weth, (1, 1), least=0).call.balance_word
    assert balance is not None
    length_at = len(flash.call.data) - 32
    moved = type(balance)(token=balance.token, offset=length_at, minimum_raw=0)
    call = ContractCall(
        target=flash.call.target, data=flash.call.data, balance_word=moved, callback=flash.call.callback
    )
    assert not lab.execute(lab.program(Step(call=call, inside=flash.inside))).succeeded


def test_callback__bytes_after_its_program__reverts(lab: Lab) -> None:
    """The lender is honest: what was committed to is itself one byte too long."""
    lab.mint(lab.debt, lab.executor.address, 1)  # the premium
    program = lab.program(lab.flash(lab.debt, 1_000))
    size, packed = len(committed_bytes(program)), encode(program)
    longer = packed.replace(size.to_bytes(32, "big"), (size + 1).to_bytes(32, "big"))
    with pytest.raises(Reverted) as reverted:
        lab.call(lab.operator, lab.executor.address, lab.executor.encode("execute", longer))
    assert reverted.value.name == "Malformed"
    assert lab.succeed(program) == 0


def test_callback__by_an_account_without_code__cannot_be(lab: Lab) -> None:
    """A caller that is a key can't answer a call, so what it was committed to is missing in the end."""
    step = lab.flash(lab.debt, 0, caller=Address(lab.stranger), repay=None, answer=TRUE)
    assert lab.revert_of(lab.program(step)).name == "UnexpectedCallback"
