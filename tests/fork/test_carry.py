"""A reserve without cash is liquidated all the same: the vault pays the debt, and keeps the aTokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from keeper.abi import interface, uint
from keeper.contracts import vault as built_vault
from keeper.devnet import Devnet
from keeper.devnet.aave import compile_aave
from keeper.devnet.tokens import TOKENS, give
from keeper.domain.address import Address
from keeper.domain.carriage import Carried
from keeper.domain.declined import Reason
from keeper.domain.events import Concluded, Left, Planned
from keeper.domain.fixed_point import WAD
from keeper.domain.plan import Plan
from keeper.domain.submission import Included
from keeper.domain.token_rules import TokenClass, TokenRules
from keeper.erc20 import balance_of
from tests.fork.test_engine import Sending, sending
from tests.fork.test_hazards import SYMBOL, without_cash

pytestmark = pytest.mark.asyncio

T = TypeVar("T")

VAULT = interface(built_vault().abi)
DEBTS = ("WETH", "USDC", "USDT")
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
        there, market = self.devnet.addresses, self.devnet.market.address
        tokens = {
            symbol: self.devnet.contract(there.tokens[symbol], compile_aave()[kind].interface)
            for symbol, kind in (("WETH", "WETH9"), ("USDC", "TestnetERC20"), ("USDT", "TestnetERC20"))
        }
        for symbol in DEBTS:
            raw = TOKENS[symbol].raw(STOCK_USD)
            give(tokens, symbol, raw, to=self.keeper.on.vault, market=market)

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

    @property
    def declined(self) -> dict[Reason, str]:
        """Return why somebody was left alone, with the last one's figures."""
        return {one.why.reason: one.why.detail for one in self.heard(Left)}


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


@pytest.mark.parametrize(
    ("most_raw", "stocked", "ratio_wad", "reason"),
    [
        (0, True, WAD, Reason.NOT_CARRIED),
        (2**100, False, WAD, Reason.NO_STOCK),
        (1, True, WAD, Reason.NO_STOCK),
        (2**100, True, 2 * WAD, Reason.NOT_CARRIED),
    ],
    ids=["not allowed", "no money", "cap used up", "too dear"],
)
async def test_step__what_can_not_be_carried__declined_by_its_name(
    manual_devnet: Devnet, tmp_path: Path, most_raw: int, stocked: bool, ratio_wad: int, reason: Reason
) -> None:
    async with scene(manual_devnet, tmp_path) as on:
        with at_once(manual_devnet):
            if most_raw:
                on.allow(most_raw=most_raw, ratio_wad=ratio_wad)
            if stocked:
                on.stock()
        await on.crash()
        assert not on.carries
        assert reason in on.declined
        assert "within the transaction: no cash" in on.declined[reason]
