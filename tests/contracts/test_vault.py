"""The vault: what its owner may do, what an executor may borrow, and what nobody else may."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from keeper.domain.address import Address
from keeper.domain.calls import ContractCall
from keeper.domain.fixed_point import WAD
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
        ("setCarriage", (lab.debt.address, lab.collateral.address, 1, WAD, lab.stranger, lab.stranger)),
        ("withdraw", (lab.debt.address, lab.stranger, 0)),
        ("call", (lab.debt.address, 0, lab.debt.encode("approve", lab.stranger, 1))),
        ("offerOwner", (lab.stranger,)),
    )


def _stock(lab: Lab, token: Contract, amount: int, cap: int) -> None:
    lab.mint(token, lab.vault.address, amount)
    lab.must(lab.owner, lab.vault, "setLendsTo", lab.executor.address, True)
    lab.must(lab.owner, lab.vault, "setCap", token.address, cap)


# --- the owner's


@pytest.mark.parametrize("index", range(6))
def test_owners_calls__by_the_owner__succeed(lab: Lab, index: int) -> None:
    name, arguments = _owners_calls(lab)[index]
    lab.must(lab.owner, lab.vault, name, *arguments)


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize("who", ["operator", "stranger"])
def test_owners_calls__by_anybody_else__revert(lab: Lab, who: str, index: int) -> None:
    name, arguments = _owners_calls(lab)[index]
    assert _reverted(lab, getattr(lab, who), name, *arguments) == "NotOwner"


@pytest.mark.parametrize("index", range(6))
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


# --- what is carried


def _allow(
    lab: Lab,
    *,
    most: int = 1_000,
    least_wad: int = WAD,
    oracle: Contract | None = None,
    stock: int = 5_000,
    spent: Contract | None = None,
) -> None:
    """Have the owner allow that debt token, of which the vault has some, is spent on collateral."""
    spent = spent or lab.debt
    if stock:
        lab.mint(spent, lab.vault.address, stock)
    told = bytes(20) if oracle is None else oracle.address
    terms = (most, least_wad, told, lab.collateral.address)
    lab.must(lab.owner, lab.vault, "setLendsTo", lab.executor.address, True)
    lab.must(lab.owner, lab.vault, "setCarriage", spent.address, lab.collateral.address, *terms)


def _left(lab: Lab) -> int:
    return int(lab.read(lab.vault, "carriage", lab.debt.address, lab.collateral.address)[0])


def _carry(
    lab: Lab, amount: int, received: int, *more: Step, paid: int | None = None, least: int = 0
) -> Step:
    """Return a step that spends `paid` of `amount` at the market, and brings the vault what that gives."""
    paid = amount if paid is None else paid
    back = (lab.transfer(lab.debt, lab.vault.address, amount - paid),) if paid < amount else ()
    return lab.vault_carry(
        lab.debt,
        amount,
        lab.collateral,
        lab.trade(lab.debt, paid, lab.collateral, received),
        lab.transfer(lab.collateral, lab.vault.address, received),
        *back,
        *more,
        least=least,
    )


def _held(lab: Lab) -> tuple[int, int]:
    return (lab.balance(lab.debt, lab.vault.address), lab.balance(lab.collateral, lab.vault.address))


def test_carry__within_the_cap__spends_and_keeps_what_came(lab: Lab) -> None:
    _allow(lab)
    assert lab.succeed(lab.program(_carry(lab, 600, 650, least=650))) == 0
    assert (*_held(lab), _left(lab)) == (4_400, 650, 400)
    lab.assert_empty(lab.debt, lab.collateral)


def test_carry__what_comes_back__is_not_spent(lab: Lab) -> None:
    _allow(lab)
    assert lab.succeed(lab.program(_carry(lab, 1_000, 600, paid=600))) == 0
    assert (*_held(lab), _left(lab)) == (4_400, 600, 400)


def test_carry__tells_what_was_paid_and_what_came(lab: Lab) -> None:
    _allow(lab)
    receipt = lab.execute(lab.program(_carry(lab, 1_000, 700, paid=600)))
    event = lab.vault.interface.event("Carried")
    ((topics, data),) = [
        ([bytes.fromhex(topic[2:]) for topic in log["topics"]], bytes.fromhex(log["data"][2:]))
        for log in receipt.logs
        if log["topics"][0] == "0x" + event.topic.hex()
    ]
    told = event.decode(topics, data)
    assert told == {
        "spent": lab.debt.address,
        "carried": lab.collateral.address,
        "paid": 600,
        "received": 700,
    }


def test_carry__wrapped_native_spent__is_no_profit_and_no_loss(lab: Lab) -> None:
    """The executor counts the vault's wrapped native coin: what is carried was not lost, nor earned."""
    lab.fund_weth(lab.vault.address, 5_000)
    _allow(lab, spent=lab.weth, stock=0)
    step = lab.vault_carry(
        lab.weth,
        600,
        lab.collateral,
        lab.trade(lab.weth, 600, lab.collateral, 600),
        lab.transfer(lab.collateral, lab.vault.address, 600),
    )
    assert lab.revert_of(lab.program(step, floor_wei=1)).name == "FloorNotMet"
    assert lab.succeed(lab.program(step, tip_bps=500, tip_cap_wei=10)) == 0
    assert lab.balance(lab.weth, lab.vault.address) == 4_400


@pytest.mark.parametrize(("most", "amount"), [(999, 1_000), (1_000, 1_001), (1, 2**128)])
def test_carry__over_the_cap__reverts(lab: Lab, most: int, amount: int) -> None:
    _allow(lab, most=most)
    assert lab.revert_of(lab.program(_carry(lab, amount, amount))).name == "OverCap"


def test_carry__again_and_again__ends_at_the_cap(lab: Lab) -> None:
    _allow(lab, most=1_000)
    for _ in range(2):
        assert lab.succeed(lab.program(_carry(lab, 500, 500))) == 0
    assert lab.revert_of(lab.program(_carry(lab, 1, 1))).name == "NotCarried"
    assert _held(lab) == (4_000, 1_000)


@pytest.mark.parametrize("least_wad", [WAD, 2 * WAD, WAD // 2, WAD + 1])
def test_carry__less_than_the_owner_asks__reverts(lab: Lab, least_wad: int) -> None:
    _allow(lab, least_wad=least_wad)
    asked = -(-600 * least_wad // WAD)
    assert lab.revert_of(lab.program(_carry(lab, 600, asked - 1))).name == "TooLittle"
    assert lab.succeed(lab.program(_carry(lab, 600, asked))) == 0


def test_carry__less_than_the_program_asks__reverts(lab: Lab) -> None:
    _allow(lab, least_wad=1)
    assert lab.revert_of(lab.program(_carry(lab, 600, 599, least=600))).name == "TooLittle"


def test_carry__nothing_brought__reverts(lab: Lab) -> None:
    _allow(lab, least_wad=1)
    thief = lab.transfer(lab.debt, lab.stranger, 1_000)
    assert lab.revert_of(lab.program(lab.vault_carry(lab.debt, 1_000, lab.collateral, thief))).name == (
        "TooLittle"
    )


@pytest.mark.parametrize(("spent_price", "carried_price"), [(1, 1), (3, 7), (7, 3), (2_000, 1)])
def test_carry__by_the_oracle__asks_for_as_much_value(lab: Lab, spent_price: int, carried_price: int) -> None:
    oracle = lab.deploy("TestOracle")
    lab.must(lab.stranger, oracle, "setPrice", lab.debt.address, spent_price)
    lab.must(lab.stranger, oracle, "setPrice", lab.collateral.address, carried_price)
    _allow(lab, oracle=oracle)
    asked = -(-600 * spent_price // carried_price)
    assert lab.revert_of(lab.program(_carry(lab, 600, asked - 1))).name == "TooLittle"
    assert lab.succeed(lab.program(_carry(lab, 600, asked))) == 0


@pytest.mark.parametrize("unpriced", ["debt", "collateral"])
def test_carry__no_price__reverts(lab: Lab, unpriced: str) -> None:
    """Of the token that is spent it would mean that it may be had for nothing."""
    oracle = lab.deploy("TestOracle")
    for name in {"debt", "collateral"} - {unpriced}:
        lab.must(lab.stranger, oracle, "setPrice", getattr(lab, name).address, 1)
    _allow(lab, oracle=oracle)
    assert lab.revert_of(lab.program(_carry(lab, 600, 600))).name == "Unpriced"


def test_carry__pair_that_the_owner_did_not_name__reverts(lab: Lab) -> None:
    _allow(lab)
    lab.mint(lab.collateral, lab.vault.address, 1_000)
    other_way = lab.vault_carry(lab.collateral, 1, lab.debt)
    assert lab.revert_of(lab.program(other_way)).name == "NotCarried"
    assert lab.revert_of(lab.program(lab.vault_carry(lab.debt, 1, lab.weth))).name == "NotCarried"


def test_carry__named_no_more__reverts(lab: Lab) -> None:
    _allow(lab)
    _allow(lab, most=0, least_wad=0, stock=0)
    assert lab.revert_of(lab.program(_carry(lab, 1, 1))).name == "NotCarried"


@pytest.mark.parametrize("who", ["owner", "operator", "stranger"])
def test_carry__by_anybody_but_an_executor__reverts(lab: Lab, who: str) -> None:
    _allow(lab)
    arguments = (lab.debt.address, 1, lab.collateral.address, 0, b"")
    assert _reverted(lab, getattr(lab, who), "carry", *arguments) == "NotExecutor"


@pytest.mark.parametrize("least_wad", [0, WAD])
def test_set_carriage__for_nothing_or_for_itself__reverts(lab: Lab, least_wad: int) -> None:
    carried = lab.collateral if least_wad == 0 else lab.debt
    arguments = (lab.debt.address, carried.address, 1, least_wad, bytes(20), bytes(20))
    assert _reverted(lab, lab.owner, "setCarriage", *arguments) == "NothingAsked"


# --- what a thief with the key would try of it


def test_carry__within_a_loan_of_what_is_carried__reverts(lab: Lab) -> None:
    """Or the loan would be paid back with what counts as carried."""
    _allow(lab)
    _stock(lab, lab.collateral, 1_000, 1_000)
    take = lab.transfer(lab.debt, lab.stranger, 1_000)
    inner = lab.vault_carry(
        lab.debt, 1_000, lab.collateral, take, lab.transfer(lab.collateral, lab.vault.address, 1_000)
    )
    assert lab.revert_of(lab.program(lab.vault_loan(lab.collateral, 1_000, inner))).name == "OnLoan"


@pytest.mark.parametrize("token", ["debt", "collateral"])
def test_lend__within_a_carry_of_the_token__reverts(lab: Lab, token: str) -> None:
    _allow(lab)
    lent = getattr(lab, token)
    _stock(lab, lent, 1_000, 1_000)
    loan = lab.vault_loan(lent, 1_000, lab.transfer(lent, lab.vault.address, 1_000))
    assert lab.revert_of(lab.program(_carry(lab, 1_000, 1_000, loan))).name == "OnLoan"


@pytest.mark.parametrize("inner", ["debt", "other"])
def test_carry__within_another_of_the_same_token__reverts(lab: Lab, inner: str) -> None:
    """Or what came of one would count for both."""
    _allow(lab)
    other = lab.deploy("TestToken")
    _allow(lab, spent=other)
    spent = lab.debt if inner == "debt" else other
    nested = lab.vault_carry(
        spent,
        1_000,
        lab.collateral,
        lab.transfer(spent, lab.stranger, 1_000),
        lab.transfer(lab.collateral, lab.vault.address, 1_000),
    )
    step = lab.vault_carry(
        lab.debt, 1_000, lab.collateral, lab.trade(lab.debt, 1_000, lab.collateral, 1_000), nested
    )
    assert lab.revert_of(lab.program(step)).name == "OnLoan"


def test_carry__behind_a_loan__runs(lab: Lab) -> None:
    _allow(lab)
    _stock(lab, lab.collateral, 1_000, 1_000)
    loan = lab.vault_loan(lab.collateral, 1_000, lab.transfer(lab.collateral, lab.vault.address, 1_000))
    assert lab.succeed(lab.program(loan, _carry(lab, 1_000, 1_000), loan)) == 0


def test_carry__token_with_a_fee__counts_what_came(lab: Lab) -> None:
    token = lab.deploy("FeeToken")
    lab.mint(lab.debt, lab.vault.address, 1_000)
    lab.mint(token, lab.market.address, 10**6)
    lab.must(lab.owner, lab.vault, "setLendsTo", lab.executor.address, True)
    terms = (1_000, WAD, bytes(20), bytes(20))
    lab.must(lab.owner, lab.vault, "setCarriage", lab.debt.address, token.address, *terms)

    def carry(bought: int) -> Step:
        arrives = bought - bought // 100
        return lab.vault_carry(
            lab.debt,
            990,
            token,
            lab.trade(lab.debt, 990, token, bought),
            lab.transfer(token, lab.vault.address, arrives),
        )

    assert lab.revert_of(lab.program(carry(1_000))).name == "TooLittle"
    assert lab.succeed(lab.program(carry(1_011))) == 0
