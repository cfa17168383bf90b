"""A reserve without cash is liquidated all the same: the vault pays the debt, and keeps the aTokens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from keeper.abi import interface, load, uint
from keeper.contracts import vault as built_vault
from keeper.devnet import Devnet
from keeper.devnet.aave import compile_aave
from keeper.devnet.chain import Contract
from keeper.devnet.tokens import TOKENS, give
from keeper.devnet.variables import aave_market
from keeper.domain.address import Address, checksum, parse_address
from keeper.domain.calls import ContractCall
from keeper.domain.carriage import Carriage, Carried
from keeper.domain.declined import Reason
from keeper.domain.events import Concluded, Left, Planned
from keeper.domain.fixed_point import WAD
from keeper.domain.plan import Plan
from keeper.domain.submission import Included
from keeper.domain.token_rules import TokenClass, TokenRules
from keeper.erc20 import balance_of, transferred
from keeper.planner.calldata import Leg, Program, Step, execute_calldata
from tests.fork.test_commands import EVERY_EVENT, TIMEOUT_S, User, until
from tests.fork.test_engine import Sending, sending
from tests.fork.test_hazards import SYMBOL, without_cash

T = TypeVar("T")

VAULT = interface(built_vault().abi)
ERC20 = load("erc20")
DEBTS = ("WETH", "USDC", "USDT")
HEADS = 8
"""Within so many it is done."""
STOCK_USD = 20_000_000
"""More than anybody owes of any of them."""


@dataclass(slots=True)
class Scene:
    """A keeper that may carry the aToken of a reserve without cash, and borrowers who have nothing else."""

    keeper: Sending
    devnet: Devnet
    a_token: Address

    def balance_raw(self, token: Address) -> int:
        """Return what the vault has of a token."""
        call = balance_of(token, self.keeper.on.vault)
        return uint(self.devnet.chain.call(call.to, call.data))

    def left_raw(self, spent: Address) -> int:
        """Return how much of a token the owner still lets be spent."""
        function = VAULT.function("carriage")
        told = self.devnet.chain.call(self.keeper.on.vault, function.encode(spent, self.a_token))
        return int(function.decode(told)[0])

    def allow(self, *, most_raw: int = 2**100, ratio_wad: int = WAD) -> None:
        """Have the owner allow that debts are paid, for so much value by the market's oracle."""
        there = self.devnet.addresses
        self._owners("setLendsTo", self.keeper.on.planner.desk.executor, True)
        for symbol in DEBTS:
            spent = there.tokens[symbol]
            least_wad = ratio_wad * 10 ** (18 - TOKENS[symbol].decimals)
            asked = (spent, self.a_token, most_raw, least_wad, there.oracle, there.tokens[SYMBOL])
            self._owners("setCarriage", *asked)

    def _owners(self, name: str, *arguments: object) -> None:
        data = VAULT.function(name).encode(*arguments)
        self.devnet.chain.send(self.devnet.owner.address, self.keeper.on.vault, data)

    def stock(self) -> None:
        """Put more of each debt into the vault than anybody owes."""
        for symbol in DEBTS:
            raw, market = TOKENS[symbol].raw(STOCK_USD), self.devnet.market.address
            give(tokens(self.devnet), symbol, raw, to=self.keeper.on.vault, market=market)

    def give_a_tokens(self, to: Address, raw: int) -> None:
        """Supply so much for somebody, who lets the executor take it."""
        there, market = self.devnet.addresses, self.devnet.market.address
        give(tokens(self.devnet), SYMBOL, raw, to=market, market=market)
        approve, executor = ERC20.function("approve"), self.keeper.on.planner.desk.executor
        pool = compile_aave()["PoolInstance"].interface
        supply = pool.encode("supply", there.tokens[SYMBOL], raw, to, 0)
        self.devnet.chain.send(market, there.tokens[SYMBOL], approve.encode(there.pool, raw))
        self.devnet.chain.send(market, there.pool, supply)
        self.devnet.chain.send(to, self.a_token, approve.encode(executor, raw))

    async def crash(self) -> None:
        """Let the market fall, and the keeper take that in."""
        fallen = {one: self.devnet.price_base(one) * 85 // 100 for one in ("WETH", SYMBOL)}
        self.devnet.market_block(fallen)
        await self.keeper.step()

    def heard(self, kind: type[T]) -> list[T]:
        """Return what the keeper told of a kind."""
        return [event for event in self.keeper.on.heard if isinstance(event, kind)]

    @property
    def carries(self) -> list[Plan]:
        """Return the plans by which something is carried."""
        return [one.plan for one in self.heard(Planned) if one.plan.draft.carry is not None]

    async def declined_now(self) -> dict[Reason, str]:
        """Return why somebody is left alone in the next block."""
        self.keeper.on.heard.clear()
        self.devnet.mine()
        await self.keeper.step()
        return self.declined

    @property
    def declined(self) -> dict[Reason, str]:
        """Return why somebody was left alone, with the last one's figures."""
        return {one.why.reason: one.why.detail for one in self.heard(Left)}


def tokens(devnet: Devnet) -> dict[str, Contract]:
    """Return the tokens that are given, as contracts."""
    kinds = {symbol: "WETH9" if symbol == "WETH" else "TestnetERC20" for symbol in (*DEBTS, SYMBOL)}
    return {
        symbol: devnet.contract(devnet.addresses.tokens[symbol], compile_aave()[kind].interface)
        for symbol, kind in kinds.items()
    }


@contextmanager
def at_once(devnet: Devnet) -> Iterator[None]:
    """Have each transaction mined at once meanwhile."""
    devnet.anvil.rpc("evm_setAutomine", True)
    yield
    devnet.anvil.rpc("evm_setAutomine", False)


@asynccontextmanager
async def scene(devnet: Devnet, folder: Path) -> AsyncIterator[Scene]:
    a_token = devnet.addresses.a_tokens[SYMBOL]
    tokens = TokenRules(named=frozenset({(a_token, TokenClass.CARRY)}))
    async with sending(devnet, folder, tokens=tokens) as keeper:
        without_cash(devnet)
        yield Scene(keeper=keeper, devnet=devnet, a_token=a_token)


async def test_step__reserve_without_cash__the_vault_pays_and_keeps_a_tokens(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    async with scene(manual_devnet, tmp_path) as on:
        with at_once(manual_devnet):
            on.allow()
            on.stock()
        await on.crash()
        (plan, *_) = on.carries
        carry = plan.draft.carry
        assert carry is not None
        assert carry.received.token.address == on.a_token
        assert carry.gain_wei > plan.waterfall.gas_wei > 0
        held_raw = on.balance_raw(on.a_token)
        left_raw = on.left_raw(carry.paid.token.address)
        manual_devnet.mine()
        await on.keeper.step()

        concluded = [one for one in on.heard(Concluded) if one.submission.positions == plan.draft.positions]
        ((outcome),) = [one.outcome for one in concluded]
        assert isinstance(outcome, Included)
        (told,) = outcome.carried
        assert told == Carried(
            spent=carry.paid.token.address,
            carried=on.a_token,
            paid_raw=carry.paid.raw,
            received_raw=carry.received.raw,
        )
        assert on.balance_raw(on.a_token) - held_raw == carry.received.raw
        assert left_raw - on.left_raw(told.spent) == carry.paid.raw
        assert outcome.vault_profit_wei == 0
        assert outcome.realised_profit_wei == -outcome.gas_wei


async def test_step__what_can_not_be_carried__declined_by_its_name(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    async with scene(manual_devnet, tmp_path) as on:
        await on.crash()
        assert "within the transaction: no cash" in on.declined[Reason.NOT_CARRIED]
        with at_once(manual_devnet):
            on.allow()
        assert Reason.NO_STOCK in await on.declined_now()
        with at_once(manual_devnet):
            on.stock()
            on.allow(most_raw=1)
        assert Reason.NO_STOCK in await on.declined_now()
        with at_once(manual_devnet):
            on.allow(ratio_wad=2 * WAD)
        assert "less than the vault's owner asks" in (await on.declined_now())[Reason.NOT_CARRIED]
        assert not on.carries


async def test_execute__stolen_key__has_no_more_of_it_than_the_oracle_says(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    """With the key, and aTokens of its own, a thief buys the vault's money: at the oracle's price or not."""
    async with scene(manual_devnet, tmp_path) as on:
        spent, there = manual_devnet.addresses.tokens["USDC"], manual_devnet.addresses
        most_raw = 10**12
        with at_once(manual_devnet):
            on.allow(most_raw=most_raw)
            on.stock()
        worth_raw = -(
            -most_raw * 10**12 * manual_devnet.price_base("USDC") // manual_devnet.price_base(SYMBOL)
        )
        has_raw = [on.balance_raw(spent), on.balance_raw(on.a_token)]

        def stolen(amount_raw: int, brings_raw: int) -> bool:
            """Return whether the thief's program runs: all that is spent goes to the thief."""
            executor, thief = on.keeper.on.planner.desk.executor, manual_devnet.attacker.address
            carrier = on.keeper.on.planner.desk.carrier
            assert carrier is not None
            carriage = Carriage(
                spent=spent, carried=on.a_token, left_raw=0, stock_raw=0, least_wad=0, by_oracle=True
            )
            pull = compile_aave()["TestnetERC20"].interface.encode(
                "transferFrom", thief, carrier.vault, brings_raw
            )
            inside = (
                Step(call=transferred(spent, amount_raw, to=thief)),
                Step(call=ContractCall(target=on.a_token, data=pull)),
            )
            program = Program(
                wrapped_native=there.weth,
                deadline_s=2**40 - 1,
                floor_wei=0,
                legs=(
                    Leg(
                        steps=(
                            Step(
                                call=carrier.call(carriage, amount_raw=amount_raw, least_raw=0),
                                inside=inside,
                            ),
                        )
                    ),
                ),
            )
            sent = manual_devnet.chain.post(
                manual_devnet.operator.address, executor, execute_calldata(program)
            )
            return bool(manual_devnet.chain.receipt(sent)["status"] == "0x1")

        with at_once(manual_devnet):
            on.give_a_tokens(manual_devnet.attacker.address, 2 * worth_raw)
            assert not stolen(most_raw, worth_raw - worth_raw // 10**6)
            assert not stolen(most_raw + 1, 2 * worth_raw)
            assert [on.balance_raw(spent), on.balance_raw(on.a_token)] == has_raw
            assert stolen(most_raw, worth_raw + 1)
            assert not stolen(1, worth_raw // 10**6)
        assert has_raw[0] - on.balance_raw(spent) == most_raw
        assert on.balance_raw(on.a_token) - has_raw[1] >= worth_raw


def test_run__what_carry_prints_is_signed__liquidated_and_reported_apart(
    manual_devnet: Devnet, tmp_path: Path
) -> None:
    devnet, there = manual_devnet, manual_devnet.addresses
    user = User(devnet, tmp_path)
    a_token = checksum(there.a_tokens[SYMBOL])
    with at_once(devnet):
        set_up = {**user.has_deployed(), **user.key, "KEEPER_TOKENS": f"{a_token}:carry"}
        set_up["KEEPER_MARKETS"] = aave_market(devnet)
        for symbol in ("USDC", "USDT"):
            asked = ("--spend", checksum(there.tokens[symbol]), "--on", a_token, "--most", "2000000")
            printed = user.types("carry", *asked, **set_up)
            assert printed.returncode == 0, printed.stderr
            assert f"spend 2,000,000 {symbol} on awstETH, for at least 100.00% of its value" in printed.stderr
            for one in map(json.loads, printed.stdout.splitlines()):
                data = bytes.fromhex(one["data"][2:])
                devnet.chain.send(devnet.owner.address, parse_address(one["to"]), data)
            give(
                tokens(devnet),
                symbol,
                10**13,
                to=parse_address(set_up["KEEPER_VAULT"]),
                market=devnet.market.address,
            )
    checked = user.types("check", **set_up)
    assert checked.returncode == 0, checked.stdout
    assert "for it may be spent 2,000,000 USDC of the vault's 10,000,000 USDC" in " ".join(
        checked.stdout.split()
    )
    without_cash(devnet)
    devnet.market_block({one: devnet.price_base(one) * 85 // 100 for one in ("WETH", SYMBOL)})
    process = user.start("run", **EVERY_EVENT, **set_up)
    try:
        until(process, "decided")
        outcomes: list[dict[str, object]] = []
        for _ in range(HEADS):
            devnet.mine()
            events = until(process, "decided")
            found = [one["outcome"] for one in events if one["event"] == "concluded"]
            outcomes += [one for one in found if isinstance(one, dict) and one.get("carried")]
            if outcomes:
                break
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT_S)
    (outcome,) = outcomes
    assert outcome["vault_profit_wei"] == "0"
    told = json.loads(user.types("report", "--json", **set_up).stdout)
    (row,) = told["carried"]
    assert row["received"]["token"]["symbol"] == "awstETH"
    assert int(row["booked_wei"]) > int(row["paid_wei"]) > 0
    (entry,) = [one for one in told["entries"] if one["carried"] is not None]
    assert entry["realised"]["net_wei"] == outcome["realised_profit_wei"]
