"""The invariants, fuzzed: an attacker gains control at every external call, or holds the operator's key.

1 and 3, 4, 6 are also proved symbolically (`scripts/audit`). Each test counts what its cases did, and asserts
that the counts are not those of a fuzzer that found nothing to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keeper.abi import interface
from keeper.domain.address import ZERO_ADDRESS, Address
from keeper.domain.calls import ContractCall, Spend
from keeper.domain.fixed_point import WAD
from keeper.planner.calldata import Leg, OptionalLeg, Program, Step, execute_calldata
from tests.contracts.lab import (
    ETHER,
    FLASH_CALLBACK,
    MOST_UINT256,
    Contract,
    Lab,
    committed_bytes,
    executed,
    go_back,
)

STOCK = 10**6
CAP = 10**5
NFT_ID = 7


class Arena:
    """A lab whose every contract hands control to the attacker, and a vault worth attacking."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.attacker = lab.deploy("Attacker")
        self.debt = self._hooked("HookToken")
        self.collateral = self._hooked("HookToken")
        self.plain = lab.deploy("ForwardingToken")
        self.nft = lab.deploy("TestCollectible")
        self.stolen = lab.deploy("Executor", self.attacker.address, lab.vault.address, lab.weth.address)
        self.executors = (lab.executor, self.stolen)
        self.receiver = interface(lab.compiled["IFlashReceiver"].abi)
        self.tokens = (lab.weth, self.debt, self.collateral, self.plain)
        lab.must(lab.stranger, lab.market, "setStranger", self.attacker.address)
        for executor in self.executors:
            lab.must(lab.owner, lab.vault, "setLendsTo", executor.address, True)
        for token in self.tokens[1:]:
            for holder in (lab.vault, lab.market, self.attacker):
                lab.mint(token, holder.address, STOCK)
        for holder in (lab.vault, self.attacker):
            lab.fund_weth(holder.address, STOCK)
        for token in self.tokens:
            lab.must(lab.owner, lab.vault, "setCap", token.address, CAP)
        terms = (CAP, WAD, bytes(20), bytes(20))
        lab.must(lab.owner, lab.vault, "setCarriage", self.debt.address, self.plain.address, *terms)
        lab.must(lab.owner, self.nft, "mint", lab.vault.address, NFT_ID)
        lab.rpc("anvil_setBalance", _hex(self.attacker.address), hex(ETHER))
        lab.rpc("anvil_setBalance", _hex(lab.market.address), hex(ETHER))
        lab.rpc("anvil_setCoinbase", _hex(self.attacker.address))

    def _hooked(self, name: str) -> Contract:
        token = self.lab.deploy(name)
        self.lab.must(self.lab.stranger, token, "setStranger", self.attacker.address)
        return token

    def arm(self, strikes: list[Strike]) -> None:
        told = [(strike.target, strike.value_wei, strike.data, strike.insists) for strike in strikes]
        self.lab.must(self.lab.stranger, self.attacker, "arm", told)

    def facts(self) -> Facts:
        """Return all that the invariants speak of, read in one batch."""
        lab = self.lab
        holders = tuple(one.address for one in (lab.vault, self.attacker, *self.executors))
        spenders = tuple(one.address for one in (lab.market, lab.vault, self.attacker))
        executors = tuple(one.address for one in self.executors)
        balances = {
            (holder, token.address): _asked(token, "balanceOf", holder)
            for token in self.tokens
            for holder in holders
        }
        allowances = {
            (token.address, executor, spender): _asked(token, "allowance", executor, spender)
            for token in self.tokens
            for executor in executors
            for spender in spenders
        }
        configuration = (
            _asked(lab.vault, "owner"),
            _asked(lab.vault, "nextOwner"),
            _asked(self.nft, "ownerOf", NFT_ID),
            _asked(self.nft, "isApprovedForAll", lab.vault.address, self.attacker.address),
            *(_asked(lab.vault, "lendsTo", one) for one in (*executors, self.attacker.address)),
            *(_asked(lab.vault, "cap", token.address) for token in self.tokens),
        )
        carriage = _asked(lab.vault, "carriage", self.debt.address, self.plain.address)
        native = [("eth_getBalance", (_hex(holder), "latest")) for holder in holders]
        asked = [*balances.values(), *allowances.values(), *configuration, *native, carriage]
        answers = iter([int(answer, 16) for answer in lab.rpc.batch(asked)])
        return Facts(
            balances={key: next(answers) for key in balances},
            allowances={key: next(answers) for key in allowances},
            configuration=tuple(next(answers) for _ in configuration),
            native={holder: next(answers) for holder in holders},
            carriage=next(answers),
        )


def _asked(contract: Contract, name: str, *arguments: object) -> tuple[str, Sequence[object]]:
    call = {"to": _hex(contract.address), "data": _hex(contract.encode(name, *arguments))}
    return "eth_call", (call, "latest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is so at one moment."""

    balances: Mapping[tuple[Address, Address], int]
    """By holder and token."""
    allowances: Mapping[tuple[Address, Address, Address], int]
    """By token, executor and spender."""
    configuration: tuple[int, ...]
    """The vault's owner, the collectible's, who may borrow what."""
    native: Mapping[Address, int]
    carriage: int
    """How the one token that the owner allows may be spent on another: four words as one number."""

    @property
    def may_be_spent(self) -> int:
        """Return how much of the debt token may still be spent."""
        return self.carriage >> 3 * 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One call that the attacker makes when it is given control."""

    name: str
    target: Address
    data: bytes = b""
    value_wei: int = 0
    insists: bool = False
    """Whether a failure of it is passed on to whoever gave control."""
    donates: Address | None = None
    """The token that it gives to an executor, or the zero address for native coin."""


@pytest.fixture
def arena(_lab: Lab) -> Iterator[Arena]:
    snapshot = _lab.rpc("evm_snapshot")
    yield Arena(_lab)
    go_back(_lab.rpc, snapshot)
    _lab.rpc("anvil_setCoinbase", _hex(bytes(20)))


def _settings(full: bool, quick: int) -> settings:
    return settings(
        max_examples=20 * quick if full else quick,
        deadline=None,
        derandomize=True,  # the counts below are then the same in every run
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


# --- an honest program among attackers


def _honest(arena: Arena, draw: st.DrawFn) -> Program:
    """Return a liquidation that would earn 99 or more, funded and shaped in any way."""
    lab, debt, collateral = arena.lab, arena.debt, arena.collateral
    steps = [
        lab.trade(debt, 1_000, collateral, 1_100, approve=draw(st.sampled_from([1_000, 1_500]))),
        lab.trade(collateral, 1_001, debt, 1_001),
    ]
    sale = lab.sell_all(collateral, lab.weth, (1, 1), skip_if_too_low=draw(st.booleans()))
    if draw(st.booleans()):
        steps.append(lab.vault_loan(arena.plain, 500, lab.transfer(arena.plain, lab.vault.address, 500)))
    match draw(st.sampled_from(["lender", "vault", "both"])):
        case "lender":
            funded = [lab.flash(debt, 1_000, *steps)]
        case "vault":
            funded = [lab.vault_loan(debt, 1_000, *steps, lab.transfer(debt, lab.vault.address, 1_000))]
        case _:
            back = lab.transfer(debt, lab.vault.address, 300)
            funded = [lab.vault_loan(debt, 300, lab.flash(debt, 1_000, *steps), back)]
    legs: list[Leg | OptionalLeg] = [Leg(steps=(*funded, sale))]
    if draw(st.booleans()):
        legs.insert(draw(st.integers(0, 1)), OptionalLeg(steps=(*funded, sale), gas_limit=3_000_000))
    return lab.program(
        legs=tuple(legs),
        touched=(debt.address, collateral.address, arena.plain.address),
        floor_wei=draw(st.sampled_from([0, 50, 90, 99])),
        tip_bps=draw(st.sampled_from([0, 500])),
        tip_cap_wei=draw(st.sampled_from([3, 10**18])),
    )


def _strike_of_a_stranger(arena: Arena, program: Program, draw: st.DrawFn) -> Strike:
    """Return what anybody could try who knows the program and is given control in the middle of it."""
    lab, executor, attacker = arena.lab, arena.lab.executor, arena.attacker.address
    token = draw(st.sampled_from(arena.tokens))
    amount = draw(st.sampled_from([0, 1, 3, 1_000, 1_100]))
    committed = committed_bytes(program)
    sent = draw(st.sampled_from([committed, committed + b"\0", b"", bytes(4)]))
    callback = arena.receiver.function("executeOperation")
    assert callback.selector == FLASH_CALLBACK

    def strike(name: str, target: Contract, data: bytes = b"", **fields: Any) -> Strike:
        return Strike(name=name, target=target.address, data=data, **fields)

    match draw(st.integers(0, 10)):
        case 0:
            return strike("execute", executor, execute_calldata(program))
        case 1:
            return strike("run leg", executor, executor.encode("runLeg", bytes(2)))
        case 2:
            forged = callback.encode(token.address, amount, 0, executor.address, sent)
            return strike("forge a callback", executor, forged)
        case 3:
            loan = (executor.address, token.address, amount, sent, 0)
            return strike("have the lender call", lab.market, lab.market.encode("flashLoanSimple", *loan))
        case 4:
            return strike("take", token, token.encode("transferFrom", executor.address, attacker, amount))
        case 5:
            return strike("borrow", lab.vault, lab.vault.encode("lend", token.address, amount, committed))
        case 6:
            data = lab.vault.encode("withdraw", token.address, attacker, amount)
            return strike("withdraw", lab.vault, data)
        case 7:
            data = token.encode("transfer", executor.address, amount)
            return strike("donate", token, data, donates=token.address)
        case 8:
            return strike("donate native", executor, value_wei=amount, donates=ZERO_ADDRESS)
        case 9:
            data = token.encode("transfer", lab.vault.address, amount)
            return strike("donate to the vault", token, data)
        case _:
            return strike("refuse", lab.market, b"\1\2\3\4", insists=True)


@pytest.mark.timeout(900)
def test_invariants__honest_program_among_attackers__hold(arena: Arena, full: bool) -> None:
    """2, 5, 6 and 7: whoever is given control, and whatever it does with it."""
    lab, counts = arena.lab, Counter[str]()
    vault, attacker, weth = lab.vault.address, arena.attacker.address, lab.weth.address

    @_settings(full, 150)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        program = _honest(arena, data.draw)
        strikes = [
            _strike_of_a_stranger(arena, program, data.draw) for _ in range(data.draw(st.integers(1, 8)))
        ]
        snapshot = lab.rpc("evm_snapshot")
        arena.arm(strikes)
        before = arena.facts()
        receipt = lab.execute(program)
        after = arena.facts()

        counts["succeeded" if receipt.succeeded else "reverted"] += 1
        counts["gave control"] += lab.read(arena.attacker, "entered")
        counts["strikes landed"] += lab.read(arena.attacker, "landed")
        counts.update(strike.name for strike in strikes)
        tip_wei = 0
        if receipt.succeeded:
            profit_wei, tip_wei = executed(lab.executor, receipt)
            counts["tipped"] += tip_wei > 0
            earned_wei = after.balances[vault, weth] - before.balances[vault, weth]
            # what the builder gives the vault, once it has its tip, comes on top
            assert earned_wei >= profit_wei >= program.floor_wei
        else:
            assert after == before
        _assert_vault_is_whole(arena, before, after)
        _assert_executor_is_empty(arena, lab.executor, after, strikes)
        assert after.native[attacker] <= before.native[attacker] + tip_wei
        for token in arena.tokens:
            assert after.balances[attacker, token.address] <= before.balances[attacker, token.address]

        if any(after.balances[lab.executor.address, token.address] for token in arena.tokens):
            counts["donated at the last moment"] += 1
            arena.arm([])
            lab.succeed(lab.program(touched=program.touched))
            _assert_executor_is_empty(arena, lab.executor, arena.facts(), [])
        go_back(lab.rpc, snapshot)

    run()
    print(dict(counts))
    assert counts["succeeded"] >= 30
    assert counts["reverted"] >= 15
    assert counts["gave control"] >= 1_000
    assert counts["strikes landed"] >= 100, "donations, and nothing else, succeed"
    assert counts["tipped"] >= 5


# --- the operator's key in an attacker's hands


def _steps_of_a_thief(arena: Arena, draw: st.DrawFn, depth: int = 0) -> tuple[Step, ...]:
    """Return steps that a thief might try, one after the other."""
    lab, thief, vault = arena.lab, arena.attacker.address, arena.lab.vault
    token, other = draw(st.sampled_from(arena.tokens)), draw(st.sampled_from(arena.tokens))
    amount = draw(st.sampled_from([0, 1, 2, 500, 501, 1_000, CAP, CAP + 1, STOCK]))
    pay_back = lab.transfer(token, vault.address, amount)

    def call(target: Contract, name: str, *arguments: object) -> tuple[Step, ...]:
        spends = draw(st.integers(0, 3)) == 0
        call = ContractCall(
            target=target.address,
            data=target.encode(name, *arguments),
            spend=Spend(token=token.address, amount_raw=amount) if spends else None,
        )
        return (Step(call=call, spender=thief if spends and draw(st.booleans()) else None),)

    def inside() -> tuple[Step, ...]:
        return _steps_of_a_thief(arena, draw, depth + 1) if draw(st.booleans()) else ()

    if depth == 0 and draw(st.integers(0, 3)) == 0:
        # of what it spends it keeps all, and brings as much of the other as it is asked, or nothing
        amount = draw(st.sampled_from([1, 500, CAP // 2, CAP]))
        brought = draw(st.sampled_from([amount, amount, amount, 0]))
        buy = (lab.trade(arena.debt, 0, arena.plain, brought), lab.transfer(arena.debt, thief, amount))
        bring = lab.transfer(arena.plain, vault.address, brought)
        return (lab.vault_carry(arena.debt, amount, arena.plain, *buy, *inside(), bring),)
    match draw(st.integers(0, 17 if depth == 2 else 25)):
        case 0:
            return call(token, "transfer", thief, amount)
        case 1:
            return call(token, "transferFrom", vault.address, thief, amount)
        case 2:
            return call(token, "approve", thief, amount)
        case 3:
            return call(arena.plain, "forward", arena.plain.encode("approve", thief, amount))
        case 4:
            return call(arena.nft, "transferFrom", vault.address, thief, NFT_ID)
        case 5:
            return call(arena.nft, "setApprovalForAll", thief, True)
        case 6:
            return call(vault, "withdraw", token.address, thief, amount)
        case 7:
            return call(vault, "setCap", token.address, MOST_UINT256)
        case 8:
            return call(vault, "setLendsTo", thief, True)
        case 9:
            return call(vault, "offerOwner", thief)
        case 10:
            return call(vault, "acceptOwner")
        case 11:
            return call(vault, "call", token.address, 0, token.encode("approve", thief, amount))
        case 12:
            return call(lab.weth, "withdraw", amount)
        case 13:
            pull = token.encode("transferFrom", arena.stolen.address, thief, amount)
            return call(arena.attacker, "act", token.address, pull)
        case 14 | 15:
            return (lab.trade(token, draw(st.integers(0, 1)), other, amount),)
        case 16 | 17:
            return (lab.trade(arena.plain, 0, token, amount), lab.transfer(token, thief, amount))
        case 18 | 19 | 20:
            return (lab.vault_loan(token, amount, *inside(), pay_back),)
        case 21 | 22:
            return (lab.vault_loan(token, amount, *inside()),)
        case 25:
            return (lab.vault_carry(token, amount, other, *inside()),)
        case _:
            keep, replace = lab.transfer(token, thief, amount), lab.trade(other, 0, token, amount)
            return (lab.vault_loan(token, amount, keep, *inside(), replace, pay_back),)


def _strike_of_a_thief(arena: Arena, draw: st.DrawFn) -> Strike:
    """Return what the thief's contract tries when it is given control, being the operator itself."""
    lab, executor, thief = arena.lab, arena.stolen, arena.attacker.address
    token = draw(st.sampled_from(arena.tokens))
    amount = draw(st.sampled_from([0, 1, 500, CAP]))

    def strike(name: str, target: Contract, data: bytes = b"", **fields: Any) -> Strike:
        return Strike(name=name, target=target.address, data=data, **fields)

    match draw(st.integers(0, 6)):
        case 0:
            again = lab.program(lab.transfer(lab.weth, thief, 1))
            return strike("execute again", executor, execute_calldata(again))
        case 1:
            return strike("take", token, token.encode("transferFrom", executor.address, thief, amount))
        case 2:
            data = token.encode("transferFrom", lab.vault.address, thief, amount)
            return strike("take from the vault", token, data)
        case 3:
            return strike("borrow", lab.vault, lab.vault.encode("lend", token.address, amount, b""))
        case 4:
            data = token.encode("transfer", executor.address, amount)
            return strike("donate", token, data, donates=token.address)
        case 5:
            return strike("donate native", executor, value_wei=amount, donates=ZERO_ADDRESS)
        case _:
            data = token.encode("transfer", lab.vault.address, amount)
            return strike("pay the vault back", token, data)


def _program_of_a_thief(arena: Arena, draw: st.DrawFn) -> Program:
    """Return a program of legs of which most may fail, so that what can succeed does."""
    legs: list[Leg | OptionalLeg] = []
    for _ in range(draw(st.integers(1, 4))):
        steps = _steps_of_a_thief(arena, draw)
        legs.append(Leg(steps=steps) if draw(st.integers(0, 4)) == 0 else OptionalLeg(steps=steps))
    return arena.lab.program(
        legs=tuple(legs),
        touched=tuple(token.address for token in arena.tokens),
        floor_wei=draw(st.sampled_from([0, 0, 0, 1])),
        tip_bps=draw(st.sampled_from([0, 10_000, 20_000])),
        tip_cap_wei=10**18,
    )


@pytest.mark.timeout(900)
def test_invariants__stolen_key__hold(arena: Arena, full: bool) -> None:
    """2, 4 and 5: a thief with the key, a contract that is called by all, and any program."""
    lab, counts = arena.lab, Counter[str]()
    leg_failed = _hex(arena.stolen.interface.event("LegFailed").topic)

    @_settings(full, 250)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        program = _program_of_a_thief(arena, data.draw)
        strikes = [_strike_of_a_thief(arena, data.draw) for _ in range(data.draw(st.integers(0, 6)))]
        snapshot = lab.rpc("evm_snapshot")
        arena.arm(strikes)
        before = arena.facts()
        use_key = arena.attacker.encode("act", arena.stolen.address, execute_calldata(program))
        receipt = lab.send(lab.stranger, arena.attacker.address, use_key)
        after = arena.facts()

        counts["succeeded" if receipt.succeeded else "reverted"] += 1
        counts["legs"] += len(program.legs) if receipt.succeeded else 0
        counts["legs failed"] += sum(log["topics"][0] == leg_failed for log in receipt.logs)
        counts["earned for itself"] += any(
            after.balances[arena.attacker.address, token.address]
            > before.balances[arena.attacker.address, token.address]
            for token in arena.tokens
        )
        counts["carried"] += after.may_be_spent < before.may_be_spent
        counts["earned for the vault"] += any(
            after.balances[lab.vault.address, token.address]
            > before.balances[lab.vault.address, token.address]
            for token in arena.tokens
        )
        _assert_vault_is_whole(arena, before, after)
        _assert_executor_is_empty(arena, arena.stolen, after, strikes)
        go_back(lab.rpc, snapshot)

    run()
    print(dict(counts))
    assert counts["succeeded"] >= 40
    assert counts["reverted"] >= 20
    assert counts["legs failed"] >= 40
    assert counts["legs"] - counts["legs failed"] >= 40
    assert counts["earned for itself"] >= 3
    assert counts["earned for the vault"] >= 1
    assert counts["carried"] >= 10


# --- what must hold


def _assert_vault_is_whole(arena: Arena, before: Facts, after: Facts) -> None:
    """Assert 2 and 4: no vault token decreased, nothing of the owner's changed.

    But for what may be spent: that is within the cap, comes off it, and what the owner asks for it is there.
    """
    vault = arena.lab.vault.address
    spent = before.may_be_spent - after.may_be_spent
    assert 0 <= spent <= before.may_be_spent
    assert after.carriage == before.carriage - (spent << 3 * 256)
    came = {arena.debt.address: -spent, arena.plain.address: spent}
    for token in arena.tokens:
        least = before.balances[vault, token.address] + came.get(token.address, 0)
        assert after.balances[vault, token.address] >= least
    assert after.native[vault] >= before.native[vault]
    assert after.configuration == before.configuration


def _assert_executor_is_empty(
    arena: Arena, executor: Contract, after: Facts, strikes: Sequence[Strike]
) -> None:
    """Assert 5: nothing is left but what was donated after the sweep, and nobody may take any of it.

    The token that approves under another name is the exception that one operator for each executor is for.
    """
    donated = {strike.donates for strike in strikes}
    for token in arena.tokens:
        left = after.balances[executor.address, token.address]
        assert left == 0 or token.address in donated
        for spender in (arena.lab.market, arena.lab.vault, arena.attacker):
            if (token, spender) != (arena.plain, arena.attacker):
                assert after.allowances[token.address, executor.address, spender.address] == 0
    assert after.native[executor.address] == 0 or ZERO_ADDRESS in donated


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
