"""What the executor costs, on the real contracts: over a hard-wired one, and when a race is lost."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from keeper.abi import load
from keeper.contracts import executor_creation_code, vault_creation_code
from keeper.devnet.aave import compile_aave
from keeper.devnet.accounts import account
from keeper.devnet.attacks import compile_attackers
from keeper.devnet.chain import Contract
from keeper.devnet.devnet import Devnet
from keeper.devnet.tokens import TOKENS
from keeper.domain.address import ZERO_ADDRESS, Address
from keeper.domain.calls import ContractCall, Guard, Spend
from keeper.domain.depth import Hop, Route
from keeper.domain.fixed_point import BPS, WAD
from keeper.domain.funding import Offer
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.planner.calldata import Leg, Program, Step, execute_calldata
from keeper.venues.uniswap_v3 import UNISWAP
from keeper.venues.uniswap_v3.calls import Router
from tests.contracts.lab import go_back

MOST = 2**256 - 1
OVERHEAD_LIMIT_GAS = 60_000
LOST_RACE_LIMIT_GAS = 60_000

POOL = load("aave_v3_pool")
ERC20 = load("erc20")
SCALED_BALANCE = load("aave_v3_scaled_token").function("scaledBalanceOf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A pair. What is left of the collateral is sold too, unless it is wrapped native coin."""

    collateral: str
    debt: str


CASES = [
    Case(collateral="WBTC", debt="USDC"),
    Case(collateral="WETH", debt="USDC"),
    Case(collateral="WETH", debt="USDT"),
]
FEE_PPM = 500
"""The pools that are sold to."""


class Bench:
    """A liquidatable borrower, an executor and a hard-wired contract, both ready."""

    def __init__(self, devnet: Devnet, case: Case) -> None:
        self.devnet, self.case = devnet, case
        self.chain = devnet.chain
        tokens = devnet.addresses.tokens
        self.collateral, self.debt, self.weth = tokens[case.collateral], tokens[case.debt], tokens["WETH"]
        self.pool = devnet.contract(devnet.addresses.pool, compile_aave()["PoolInstance"].interface)
        self.borrower = account(7).address
        self.cover_raw = self._borrow() // 4
        self._crash()
        self.operator = devnet.operator.address
        self.vault = self._create(vault_creation_code(owner=devnet.owner.address))
        self.executor = self._create(
            executor_creation_code(operator=self.operator, vault=self.vault, wrapped_native=self.weth)
        )
        self.hard_wired = self._hard_wired()
        for holder in (self.vault, self.operator):  # neither is to pay for its first balance
            self._send_weth(holder, 1)

    def _borrow(self) -> int:
        """Open a position of $100,000 for the borrower, borrow all it may, and return the debt."""
        market, spec = self.devnet.market.address, TOKENS[self.case.collateral]
        amount_raw = spec.raw(100_000)
        if self.case.collateral == "WETH":
            self._send_weth(self.borrower, amount_raw)
        else:
            mint = compile_aave()["TestnetERC20"].interface.encode("mint", self.borrower, amount_raw)
            self.chain.send(market, self.collateral, mint)
        approval = ERC20.function("approve").encode(self.pool.address, amount_raw)
        self.chain.send(self.borrower, self.collateral, approval)
        self.pool.send("supply", self.collateral, amount_raw, self.borrower, 0, sender=self.borrower)
        available_base = int(self.pool.call("getUserAccountData", self.borrower)[2])
        owed_raw = available_base * 99 // 100 * 10 ** TOKENS[self.case.debt].decimals // 10**8
        self.pool.send("borrow", self.debt, owed_raw, 2, 0, self.borrower, sender=self.borrower)
        return owed_raw

    def _crash(self) -> None:
        """Let the collateral fall until the borrower is at a health of about 0.98."""
        health_wad = int(self.pool.call("getUserAccountData", self.borrower)[5])
        price_base = TOKENS[self.case.collateral].price_base * 98 * 10**16 // health_wad
        self.devnet.market_block({self.case.collateral: price_base})
        assert self.pool.call("getUserAccountData", self.borrower)[5] < 10**18

    def _create(self, code: bytes) -> Address:
        receipt = self.chain.receipt(self.chain.send(self.devnet.market.address, None, code))
        return Address(bytes.fromhex(receipt["contractAddress"][2:]))

    def _hard_wired(self) -> Contract:
        artifact = compile_attackers()["HardWired"]
        addresses = self.devnet.addresses
        contract = self.chain.deploy(
            artifact, addresses.pool, addresses.router, self.weth, sender=self.operator
        )
        for token in (self.collateral, self.debt):
            contract.send("approve", token, sender=self.operator)
        return contract

    def _send_weth(self, to: Address, amount_wei: int) -> None:
        market, deposit = self.devnet.market.address, compile_aave()["WETH9"].interface.encode("deposit")
        self.chain.send(market, self.weth, deposit, value_wei=amount_wei)
        self.chain.send(market, self.weth, ERC20.function("transfer").encode(to, amount_wei))

    # --- the same liquidation, two ways

    def program(self) -> Program:
        case, addresses = self.case, self.devnet.addresses
        flash = AaveV3Flash(pool=addresses.pool)
        offer = Offer(token=self.debt, available_raw=self.cover_raw, premium_wad=5 * WAD // BPS)
        loan = flash.call(offer, amount_raw=self.cover_raw, executor=self.executor)
        liquidation = ContractCall(
            target=addresses.pool,
            data=POOL.function("liquidationCall").encode(
                self.collateral, self.debt, self.borrower, self.cover_raw, False
            ),
            spend=Spend(token=self.debt, amount_raw=self.cover_raw),
        )
        router = Router(address=addresses.router, fork=UNISWAP)
        buy = router.buy(
            self._route(case.debt),
            amount_out_raw=self.cover_raw + offer.fee_raw(self.cover_raw),
            most_in_raw=10**24,
            recipient=self.executor,
        )
        afterwards = ()
        if case.collateral != "WETH":
            sell = router.sell(
                self._route("WETH"),
                amount_in_raw=1,
                least_out_raw=0,
                recipient=self.executor,
            )
            afterwards = (Step(call=sell),)
        return Program(
            wrapped_native=self.weth,
            deadline_s=self.devnet.now_s + 120,
            floor_wei=10**15,
            guards=(
                self._guard(addresses.debt_tokens[case.debt]),
                self._guard(addresses.a_tokens[case.collateral]),
            ),
            legs=(
                Leg(steps=(Step(call=loan, inside=(Step(call=liquidation), Step(call=buy))), *afterwards)),
            ),
            touched=(self.debt, self.collateral),
        )

    def _route(self, to: str) -> Route:
        # the router finds the pool by itself
        to_token = self.devnet.addresses.tokens[to]
        return Route(
            hops=(
                Hop(
                    pool=ZERO_ADDRESS,
                    venue="uniswap-v3",
                    token_in=self.collateral,
                    token_out=to_token,
                    fee_ppm=FEE_PPM,
                ),
            )
        )

    def _guard(self, token: Address) -> Guard:
        data = SCALED_BALANCE.encode(self.borrower)
        scaled = int.from_bytes(self.chain.call(token, data), "big")
        return Guard(target=token, data=data, word_index=0, least=scaled, most=MOST)

    def run_program(self, program: Program) -> tuple[bool, int]:
        """Send it, and return whether it succeeded, and the gas it used."""
        return self._used(self.executor, execute_calldata(program))

    def run_hard_wired(self) -> tuple[bool, int]:
        told = (
            self.collateral,
            self.debt,
            self.borrower,
            self.cover_raw,
            self.cover_raw,
            FEE_PPM,
            FEE_PPM,
        )
        data = self.hard_wired.interface.encode("liquidate", told)
        return self._used(self.hard_wired.address, data)

    def _used(self, to: Address, data: bytes) -> tuple[bool, int]:
        receipt = self.chain.receipt(self.chain.post(self.operator, to, data))
        return receipt["status"] == "0x1", int(receipt["gasUsed"], 16)


@pytest.fixture(params=CASES, ids=lambda case: f"{case.collateral}-{case.debt}")
def bench(devnet: Devnet, request: pytest.FixtureRequest) -> Bench:
    return Bench(devnet, request.param)


def test_execute__over_a_hard_wired_contract__costs_little(bench: Bench) -> None:
    program = bench.program()
    snapshot = bench.chain.rpc("evm_snapshot")
    succeeded, hard_wired_gas = bench.run_hard_wired()
    assert succeeded
    go_back(bench.chain.rpc, snapshot)
    succeeded, gas = bench.run_program(program)
    assert succeeded
    print(f"{gas} gas, {gas - hard_wired_gas} over a hard-wired contract")
    assert 0 < gas - hard_wired_gas < OVERHEAD_LIMIT_GAS


def test_execute__after_a_rival__costs_little(bench: Bench) -> None:
    program = bench.program()
    succeeded, _ = bench.run_hard_wired()
    assert succeeded
    succeeded, gas = bench.run_program(program)
    assert not succeeded
    print(f"{gas} gas for a lost race")
    assert gas < LOST_RACE_LIMIT_GAS
