"""The vault: what its owner may do, what an executor may borrow, and what nobody else may."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from keeper.domain.address import Address
from keeper.domain.calls import ContractCall
from keeper.planner.calldata import Step
from tests.contracts.lab import MOST_UINT256, Contract, Lab, Reverted


def _reverted(lab: Lab, sender: Address, name: str, *arguments: object) -> str:
    with pytest.raises(Reverted) as reverted:
        lab.call(sender, lab.vault.address, lab.vault.encode(name, *arguments))
    return reverted.value.name


def _owners_calls(lab: Lab) -> Sequence[tuple[str, tuple[object, ...]]]:
    return (
        ("setLendsTo", (lab.stranger, True)),
        ("setCap", (lab.debt.address, 1)),
        ("withdraw", (lab.debt.address, lab.stranger, 0)),
        ("call", (lab.debt.address, 0, lab.debt.encode("approve", lab.stranger, 1))),
        ("offerOwner", (lab.stranger,)),
    )


def _stock(lab: Lab, token: Contract, amount: int, cap: int) -> None:
    lab.mint(token, lab.vault.address, amount)
    lab.must(lab.owner, lab.vault, "setLendsTo", lab.executor.address, True)
    lab.must(lab.owner, lab.vault, "setCap", token.address, cap)


# --- the owner's


@pytest.mark.parametrize("index", range(5))
def test_owners_calls__by_the_owner__succeed(lab: Lab, index: int) -> None:
    name, arguments = _owners_calls(lab)[index]
    lab.must(lab.owner, lab.vault, name, *arguments)


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize("who", ["operator", "stranger"])
def test_owners_calls__by_anybody_else__revert(lab: Lab, who: str, index: int) -> None:
    name, arguments = _owners_calls(lab)[index]
    assert _reverted(lab, getattr(lab, who), name, *arguments) == "NotOwner"


@pytest.mark.parametrize("index", range(5))
def test_owners_calls__by_the_executor__revert(lab: Lab, index: int) -> None:
    name, arguments = _owners_calls(lab)[index]
    step = Step(call=ContractCall(target=lab.vault.address, data=lab.vault.encode(name, *arguments)))
    assert lab.revert_of(lab.program(step)).name == "NotOwner"


@pytest.mark.parametrize("token", ["TestToken", "SilentToken"])
def test_withdraw__by_the_owner__moves_tokens(lab: Lab, token: str) -> None:
    held = lab.deploy(token, *(("Silent", "SIL", 6) if token == "SilentToken" else ()))
    lab.mint(held, lab.vault.address, 10)
    lab.must(lab.owner, lab.vault, "withdraw", held.address, lab.stranger, 4)
    assert (lab.balance(held, lab.vault.address), lab.balance(held, lab.stranger)) == (6, 4)


def test_withdraw__token_that_says_false__reverts(lab: Lab) -> None:
    token = lab.deploy("FalseToken")
    lab.mint(token, lab.vault.address, 10)
    lab.must(lab.stranger, token, "setRefuses", True)
    assert _reverted(lab, lab.owner, "withdraw", token.address, lab.owner, 10) == "TransferRefused"


def test_withdraw__token_without_code__reverts(lab: Lab) -> None:
    assert _reverted(lab, lab.owner, "withdraw", lab.stranger, lab.owner, 10) == "TransferRefused"


def test_withdraw__to_nobody__reverts(lab: Lab) -> None:
    assert _reverted(lab, lab.owner, "withdraw", lab.debt.address, Address(bytes(20)), 0) == "ZeroAddress"


def test_call__native_coin__is_the_owners_to_send(lab: Lab) -> None:
    assert lab.send(lab.stranger, lab.vault.address, b"", value_wei=7).succeeded
    lab.must(lab.owner, lab.vault, "call", lab.market.address, 5, b"")
    assert lab.native_balance(lab.market.address) == 5


def test_call__failing__passes_its_reason_on(lab: Lab) -> None:
    token = lab.deploy("NoZeroToken")
    assert (
        _reverted(lab, lab.owner, "call", token.address, 0, token.encode("approve", lab.owner, 0))
        == "Nothing"
    )


def test_owner__offered__changes_when_accepted(lab: Lab) -> None:
    lab.must(lab.owner, lab.vault, "offerOwner", lab.stranger)
    assert lab.read(lab.vault, "owner") == lab.owner
    assert _reverted(lab, lab.operator, "acceptOwner") == "NotNextOwner"
    lab.must(lab.stranger, lab.vault, "acceptOwner")
    assert (lab.read(lab.vault, "owner"), lab.read(lab.vault, "nextOwner")) == (lab.stranger, bytes(20))
    assert _reverted(lab, lab.owner, "setCap", lab.debt.address, 1) == "NotOwner"
    assert _reverted(lab, lab.stranger, "acceptOwner") == "NotNextOwner"


def test_constructor__no_owner__reverts(lab: Lab) -> None:
    with pytest.raises(Reverted) as reverted:
        lab.create(lab.compiled["Vault"].creation_code(bytes(20)))
    assert reverted.value.name == "ZeroAddress"


# --- loans


def test_lend__within_the_cap_and_paid_back__funds_a_liquidation(lab: Lab) -> None:
    _stock(lab, lab.debt, 1_000, 1_000)
    loan = lab.vault_loan(
        lab.debt,
        1_000,
        lab.trade(lab.debt, 1_000, lab.collateral, 1_100),
        lab.trade(lab.collateral, 1_000, lab.debt, 1_000),
        lab.transfer(lab.debt, lab.vault.address, 1_000),
        lab.sell_all(lab.collateral, lab.weth, (1, 1)),
    )
    assert lab.succeed(lab.program(loan, floor_wei=100)) == 100
    assert lab.balance(lab.debt, lab.vault.address) == 1_000
    lab.assert_empty(lab.debt, lab.collateral)


def test_lend__wrapped_native__is_not_counted_as_profit(lab: Lab) -> None:
    lab.fund_weth(lab.vault.address, 1_000)
    lab.must(lab.owner, lab.vault, "setLendsTo", lab.executor.address, True)
    lab.must(lab.owner, lab.vault, "setCap", lab.weth.address, 1_000)
    loan = lab.vault_loan(lab.weth, 1_000, lab.transfer(lab.weth, lab.vault.address, 1_000))
    assert lab.revert_of(lab.program(loan, floor_wei=1)).name == "FloorNotMet"
    assert lab.succeed(lab.program(loan)) == 0


@pytest.mark.parametrize("missing", [1, 1_000])
def test_lend__not_paid_back__reverts(lab: Lab, missing: int) -> None:
    _stock(lab, lab.debt, 1_000, 1_000)
    loan = lab.vault_loan(lab.debt, 1_000, lab.transfer(lab.debt, lab.vault.address, 1_000 - missing))
    reverted = lab.revert_of(lab.program(loan))
    assert (reverted.name, reverted.arguments[1]) == ("NotRepaid", missing)


def test_lend__swept_after_the_loan__is_too_late(lab: Lab) -> None:
    _stock(lab, lab.debt, 1_000, 1_000)
    assert lab.revert_of(lab.program(lab.vault_loan(lab.debt, 1_000), touched=(lab.debt.address,))).name == (
        "NotRepaid"
    )


def test_lend__over_the_cap__reverts(lab: Lab) -> None:
    _stock(lab, lab.debt, 1_000, 999)
    assert lab.revert_of(lab.program(lab.vault_loan(lab.debt, 1_000))).name == "OverCap"


@pytest.mark.parametrize("amount", [0, 1])
def test_lend__token_that_the_owner_did_not_name__reverts(lab: Lab, amount: int) -> None:
    _stock(lab, lab.debt, 1_000, MOST_UINT256)
    lab.mint(lab.collateral, lab.vault.address, 1)
    assert lab.revert_of(lab.program(lab.vault_loan(lab.collateral, amount))).name == "NotLent"


def test_lend__twice_at_once__reverts(lab: Lab) -> None:
    """Two loans within each other could be over the cap together."""
    _stock(lab, lab.debt, 1_000, 500)
    back = lab.transfer(lab.debt, lab.vault.address, 500)
    assert (
        lab.succeed(lab.program(lab.vault_loan(lab.debt, 500, back), lab.vault_loan(lab.debt, 500, back)))
        == 0
    )
    nested = lab.vault_loan(lab.debt, 500, lab.vault_loan(lab.debt, 500, back), back)
    assert lab.revert_of(lab.program(nested)).name == "OnLoan"


def test_lend__two_tokens_at_once__runs(lab: Lab) -> None:
    _stock(lab, lab.debt, 1_000, 500)
    _stock(lab, lab.collateral, 1_000, 500)
    inner = lab.vault_loan(lab.collateral, 500, lab.transfer(lab.collateral, lab.vault.address, 500))
    outer = lab.vault_loan(lab.debt, 500, inner, lab.transfer(lab.debt, lab.vault.address, 500))
    assert lab.succeed(lab.program(outer)) == 0


@pytest.mark.parametrize("who", ["owner", "operator", "stranger"])
def test_lend__to_anybody_but_an_executor__reverts(lab: Lab, who: str) -> None:
    _stock(lab, lab.debt, 1_000, 1_000)
    assert _reverted(lab, getattr(lab, who), "lend", lab.debt.address, 1, b"") == "NotExecutor"


def test_lend__to_an_executor_named_no_more__reverts(lab: Lab) -> None:
    _stock(lab, lab.debt, 1_000, 1_000)
    lab.must(lab.owner, lab.vault, "setLendsTo", lab.executor.address, False)
    assert lab.revert_of(lab.program(lab.vault_loan(lab.debt, 1))).name == "NotExecutor"


def test_lend__token_with_a_fee__reverts(lab: Lab) -> None:
    token = lab.deploy("FeeToken")
    _stock(lab, token, 1_000, 1_000)
    loan = lab.vault_loan(token, 500, lab.transfer(token, lab.vault.address, 495))
    assert lab.revert_of(lab.program(loan)).name == "NotRepaid"
