"""A bare chain with an executor, its vault, and contracts to play with: what the contract tests act on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import decode

from keeper.abi import Error, Interface, interface, load
from keeper.devnet.attacks import compile_attackers
from keeper.devnet.compile import Compiled
from keeper.domain.address import Address
from keeper.domain.calls import BalanceWord, Callback, ContractCall, Guard, Spend
from keeper.node.anvil import Anvil
from keeper.node.blocking_rpc import BlockingRpc, RpcError
from keeper.planner.calldata import Leg, OptionalLeg, Program, Step, encode, execute_calldata

ETHER = 10**18
GAS_LIMIT = 10_000_000
MOST_UINT256 = 2**256 - 1
TRUE = (1).to_bytes(32, "big")
FAR_S = 2**40 - 1
FLASH_CALLBACK = load("aave_v3_flash_receiver").function("executeOperation").selector


class Reverted(Exception):
    """A call reverted: with which error, and its arguments."""

    def __init__(self, name: str, arguments: tuple[Any, ...]) -> None:
        super().__init__(name, arguments)
        self.name = name
        self.arguments = arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A deployed contract."""

    address: Address
    interface: Interface = field(repr=False)

    def encode(self, name: str, *arguments: object) -> bytes:
        """Return a call's data."""
        return self.interface.function(name).encode(*arguments)

    def word_offset(self, argument: int) -> int:
        """Return where a static argument lies in a call's data."""
        return 4 + 32 * argument


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """How a transaction ended."""

    succeeded: bool
    gas_used: int
    logs: tuple[dict[str, Any], ...]


class Lab:
    """Accounts, contracts, and what they do. Owner, operator and stranger are plain keys."""

    def __init__(self, anvil: Anvil) -> None:
        self.rpc = anvil.rpc
        self.compiled: Compiled = compile_attackers()
        self._errors: dict[bytes, Error] = {
            error.selector: error
            for name in self.compiled
            for error in interface(self.compiled[name].abi).errors
        }
        self.owner, self.operator, self.stranger = (
            Address(bytes.fromhex(account[2:])) for account in self.rpc("eth_accounts")[:3]
        )
        self.weth = self.deploy("TestWrappedNative")
        self.vault = self.deploy("Vault", self.owner)
        self.executor = self.deploy("Executor", self.operator, self.vault.address, self.weth.address)
        self.debt = self.deploy("TestToken")
        self.collateral = self.deploy("TestToken")
        self.market = self.deploy("Market")
        for token in (self.debt, self.collateral):
            self.mint(token, self.market.address, 10**30)
        self.fund_weth(self.market.address, 1_000 * ETHER)

    # --- transactions and reads

    def deploy(self, name: str, *arguments: object) -> Contract:
        """Deploy a contract from its source's name."""
        artifact = self.compiled[name]
        receipt = self.rpc(
            "eth_sendTransactionSync",
            {
                "from": _hex(self.owner),
                "data": _hex(artifact.creation_code(*arguments)),
                "gas": hex(GAS_LIMIT),
            },
        )
        assert receipt["status"] == "0x1", f"{name} does not deploy"
        address = Address(bytes.fromhex(receipt["contractAddress"][2:]))
        return Contract(address=address, interface=interface(artifact.abi))

    def send(
        self, sender: Address, to: Address, data: bytes, *, value_wei: int = 0, gas: int = GAS_LIMIT
    ) -> Receipt:
        """Send a transaction and return how it ended."""
        receipt = self.rpc(
            "eth_sendTransactionSync",
            {
                "from": _hex(sender),
                "to": _hex(to),
                "data": _hex(data),
                "value": hex(value_wei),
                "gas": hex(gas),
                "maxFeePerGas": hex(10**10),
                "maxPriorityFeePerGas": "0x0",  # a coinbase gets its tip from the executor, or nothing
            },
        )
        return Receipt(
            succeeded=receipt["status"] == "0x1",
            gas_used=int(receipt["gasUsed"], 16),
            logs=tuple(receipt["logs"]),
        )

    def must(self, sender: Address, contract: Contract, name: str, *arguments: object) -> Receipt:
        """Send a transaction that has to succeed."""
        receipt = self.send(sender, contract.address, contract.encode(name, *arguments))
        assert receipt.succeeded, f"{name} reverted"
        return receipt

    def call(self, sender: Address, to: Address, data: bytes, *, value_wei: int = 0) -> bytes:
        """Return what a call answers. Raises Reverted with the error's name and arguments."""
        request = {"from": _hex(sender), "to": _hex(to), "data": _hex(data), "value": hex(value_wei)}
        try:
            answer: str = self.rpc("eth_call", request | {"gas": hex(GAS_LIMIT)}, "latest")
        except RpcError as error:
            raise self._reverted(error) from error
        return bytes.fromhex(answer[2:])

    def create(self, creation_code: bytes) -> bytes:
        """Return the code that creating a contract leaves. Raises Reverted."""
        try:
            code: str = self.rpc("eth_call", {"data": _hex(creation_code), "gas": hex(GAS_LIMIT)}, "latest")
        except RpcError as error:
            raise self._reverted(error) from error
        return bytes.fromhex(code[2:])

    def read(self, contract: Contract, name: str, *arguments: object) -> Any:
        """Return a view's value: one, or a tuple."""
        answer = self.call(self.stranger, contract.address, contract.encode(name, *arguments))
        values = contract.interface.function(name).decode(answer)
        return values[0] if len(values) == 1 else values

    def _reverted(self, error: RpcError) -> Reverted:
        data = bytes.fromhex(str(error.data or "0x")[2:])
        known = self._errors.get(data[:4])
        if known is None:
            return Reverted(error.message, ())
        return Reverted(known.name, tuple(decode(known.inputs, data[4:])))

    # --- balances

    def balance(self, token: Contract, account: Address) -> int:
        return int(self.read(token, "balanceOf", account))

    def native_balance(self, account: Address) -> int:
        return int(self.rpc("eth_getBalance", _hex(account), "latest"), 16)

    def allowance(self, token: Contract, spender: Address) -> int:
        """Return what `spender` may take from the executor."""
        return int(self.read(token, "allowance", self.executor.address, spender))

    def allowance_slot(self, token: Contract, spender: Address) -> str:
        """Return where `token` keeps what `spender` may take from the executor, found by looking."""
        data = token.encode("allowance", self.executor.address, spender)
        asked = {"to": _hex(token.address), "data": _hex(data)}
        for access in self.rpc("eth_createAccessList", asked)["accessList"]:
            (slot,) = access["storageKeys"]
            return str(slot)
        raise AssertionError("the token keeps no allowances")

    def mint(self, token: Contract, to: Address, amount: int) -> None:
        self.must(self.owner, token, "mint", to, amount)

    def fund_weth(self, account: Address, amount_wei: int) -> None:
        sent = self.send(self.owner, self.weth.address, self.weth.encode("deposit"), value_wei=amount_wei)
        assert sent.succeeded
        self.must(self.owner, self.weth, "transfer", account, amount_wei)

    # --- programs

    def program(self, *steps: Step, **fields: Any) -> Program:
        """Return a program of one leg, with no floor and no deadline to speak of, unless told."""
        legs: tuple[Leg | OptionalLeg, ...] = (Leg(steps=steps),) if steps else ()
        defaults = {"wrapped_native": self.weth.address, "deadline_s": FAR_S, "floor_wei": 0, "legs": legs}
        return Program(**(defaults | fields))

    def execute(self, program: Program, **options: Any) -> Receipt:
        """Send a program from the operator and return how it ended."""
        return self.send(self.operator, self.executor.address, execute_calldata(program), **options)

    def succeed(self, program: Program) -> int:
        """Send a program that has to succeed. Returns the profit that it reported, in wei."""
        foreseen = self.profit_of(program)
        receipt = self.execute(program)
        assert receipt.succeeded
        assert executed(self.executor, receipt)[0] == foreseen
        return foreseen

    def profit_of(self, program: Program) -> int:
        """Return what a program would return, in wei. Raises Reverted."""
        answer = self.call(self.operator, self.executor.address, execute_calldata(program))
        return int.from_bytes(answer, "big")

    def revert_of(self, program: Program) -> Reverted:
        """Return what a program reverts with. It has to."""
        try:
            self.profit_of(program)
        except Reverted as reverted:
            return reverted
        raise AssertionError("the program runs through")

    def revert_of_mined(self, program: Program) -> str:
        """Return the name of what a program reverts with in a block, with that block's coinbase."""
        assert not self.execute(program).succeeded
        transaction = self.rpc("eth_getBlockByNumber", "latest", False)["transactions"][-1]
        trace = self.rpc("debug_traceTransaction", transaction, {"tracer": "callTracer"})
        return self._errors[bytes.fromhex(trace["output"][2:10])].name

    # --- steps

    def trade(
        self,
        token_in: Contract,
        amount_in: int,
        token_out: Contract,
        amount_out: int,
        *,
        approve: int | None = None,
    ) -> Step:
        """Return a step that trades at the market, having approved what it takes."""
        data = self.market.encode("trade", token_in.address, amount_in, token_out.address, amount_out)
        spend = Spend(token=token_in.address, amount_raw=amount_in if approve is None else approve)
        return Step(call=ContractCall(target=self.market.address, data=data, spend=spend))

    def sell_all(
        self,
        token_in: Contract,
        token_out: Contract,
        price: tuple[int, int],
        *,
        least: int = 1,
        **fields: Any,
    ) -> Step:
        """Return a step that sells the executor's whole balance, at a price as a fraction."""
        data = self.market.encode("tradeAt", token_in.address, 0, token_out.address, *price)
        return Step(
            call=ContractCall(
                target=self.market.address,
                data=data,
                spend=Spend(token=token_in.address, amount_raw=0),
                balance_word=BalanceWord(
                    token=token_in.address, offset=self.market.word_offset(1), minimum_raw=least
                ),
            ),
            **fields,
        )

    def transfer(self, token: Contract, to: Address, amount: int) -> Step:
        """Return a step that sends tokens."""
        return Step(call=ContractCall(target=token.address, data=token.encode("transfer", to, amount)))

    def flash(
        self, token: Contract, amount: int, *inside: Step, lender: Contract | None = None, **changes: Any
    ) -> Step:
        """Return a step that borrows as from Aave. `changes` are to the callback it commits to."""
        lender = lender or self.market
        premium = (amount * 5 + 9_999) // 10_000
        executor = self.executor.address
        callback = {
            "caller": lender.address,
            "selector": FLASH_CALLBACK,
            "program_argument": 4,
            "initiator_argument": 3,
            "answer": TRUE,
            "repay": Spend(token=token.address, amount_raw=amount + premium),
        }
        data = lender.encode("flashLoanSimple", executor, token.address, amount, b"", 0)
        return Step(
            call=ContractCall(target=lender.address, data=data, callback=Callback(**(callback | changes))),
            inside=inside,
        )

    def vault_loan(self, token: Contract, amount: int, *inside: Step) -> Step:
        """Return a step that borrows the vault's inventory. Paying it back is for `inside`."""
        return self._with_vaults_callback(self.vault.encode("lend", token.address, amount, b""), inside)

    def vault_carry(
        self, spent: Contract, amount: int, carried: Contract, *inside: Step, least: int = 0
    ) -> Step:
        """Return a step that spends the vault's money on a token. Bringing that there is for `inside`."""
        data = self.vault.encode("carry", spent.address, amount, carried.address, least, b"")
        return self._with_vaults_callback(data, inside)

    def _with_vaults_callback(self, data: bytes, inside: tuple[Step, ...]) -> Step:
        return Step(
            call=ContractCall(
                target=self.vault.address,
                data=data,
                callback=Callback(
                    caller=self.vault.address,
                    selector=self.compiled["IVaultBorrower"].interface.encode(
                        "onVaultLoan", bytes(20), 0, b""
                    )[:4],
                    program_argument=2,
                    initiator_argument=None,
                    answer=b"",
                    repay=None,
                ),
            ),
            inside=inside,
        )

    def liquidation(
        self, *, debt: Contract | None = None, collateral: Contract | None = None, **changes: Any
    ) -> Step:
        """Return an honest liquidation: borrow 1000, repay a debt, be given 1100, buy back, sell the rest.

        1 of either token is worth 1 wei of wrapped native: 99 of 100 less the premium of 1 is the profit.
        """
        debt, collateral = debt or self.debt, collateral or self.collateral
        return self.flash(
            debt,
            1_000,
            self.trade(debt, 1_000, collateral, 1_100),
            self.trade(collateral, 1_001, debt, 1_001),
            self.sell_all(collateral, self.weth, (1, 1)),
            **changes,
        )

    def guard(self, *, least: int = 0, most: int = MOST_UINT256, word_index: int = 1) -> Guard:
        """Return a guard on what the market says is owed."""
        return Guard(
            target=self.market.address,
            data=self.market.encode("position"),
            word_index=word_index,
            least=least,
            most=most,
        )

    # --- what must hold whenever a program has run

    def assert_empty(self, *tokens: Contract, dust: int = 0) -> None:
        """Assert that the executor holds none of these tokens, no native coin, and lets nobody take any."""
        for token in (self.weth, *tokens):
            assert self.balance(token, self.executor.address) <= dust
            for spender in (self.market, self.vault):
                assert self.allowance(token, spender.address) == 0
        assert self.native_balance(self.executor.address) == 0


def go_back(rpc: BlockingRpc, snapshot: str) -> None:
    """Undo all since the snapshot.

    Anvil answers before it has cleared its pool of what it mined; whatever is left there it would mine again.
    """
    while rpc("txpool_status")["pending"] != "0x0":
        time.sleep(0.0005)
    assert rpc("evm_revert", snapshot)


def executed(executor: Contract, receipt: Receipt) -> tuple[int, int]:
    """Return the profit and the tip that a program reported."""
    event = executor.interface.event("Executed")
    for log in receipt.logs:
        topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        if topics and topics[0] == event.topic:
            values = event.decode(topics, bytes.fromhex(log["data"][2:]))
            return values["profit"], values["tip"]
    raise AssertionError("nothing was executed")


def committed_bytes(program: Program) -> bytes:
    """Return what a program's first callback is to carry, as anybody who sees the transaction can read it."""
    packed = encode(program)
    for contract, name, argument in (("Market", "flashLoanSimple", 3), ("Vault", "lend", 2)):
        function = interface(compile_attackers()[contract].abi).function(name)
        if function.selector in packed:
            return bytes(function.arguments(packed[packed.index(function.selector) :])[argument])
    raise ValueError("the program expects no callback")


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
