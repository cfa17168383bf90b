"""Wrappers on real contracts, through the real executor: what reaches the vault is what was predicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import pytest

from keeper.abi import load
from keeper.devnet import Devnet
from keeper.devnet.chain import Contract
from keeper.devnet.keeper_contracts import deploy
from keeper.devnet.own import compile_own
from keeper.domain.address import Address
from keeper.domain.calls import ContractCall
from keeper.domain.depth import Hop, Pool, Route
from keeper.planner.calldata import Leg, Program, Step, execute_calldata
from keeper.ports import Venue
from keeper.query import Call, Reverted, attempt
from keeper.venues.uniswap_v2 import UniswapV2
from keeper.venues.uniswap_v3 import UniswapV3
from keeper.venues.wrappers import Erc4626, Wrapper, WstEth
from tests.fork.uniswap_v3_stage import Stage

_BALANCE = load("erc20").function("balanceOf")
_PREVIEW = load("erc4626").function("previewRedeem")


@dataclass(frozen=True, kw_only=True)
class Lab:
    devnet: Devnet
    stage: Stage
    executor: Address
    vault: Address

    def deploy(self, name: str, *arguments: object) -> Contract:
        return self.devnet.chain.deploy(compile_own()[name], *arguments, sender=self.devnet.market.address)

    async def pool(self, venue: Venue, pool: Address, *tokens: Address) -> Pool:
        found = await self.stage.ask(venue.discover([(tokens[0], tokens[-1])]))
        assert pool in found
        loaded: Mapping[Address, Pool] = await self.stage.ask(venue.load([pool]))
        return loaded[pool]

    def balance_raw(self, token: Address, holder: Address) -> int:
        return int.from_bytes(self.devnet.chain.call(token, _BALANCE.encode(holder)))

    def run(self, steps: Sequence[Step], *touched: Address) -> int:
        """Have the executor take these steps, and return the gas; they must succeed."""
        program = Program(
            wrapped_native=self.devnet.addresses.weth,
            deadline_s=2**40 - 1,
            floor_wei=0,
            legs=(Leg(steps=tuple(steps)),),
            touched=touched,
        )
        chain = self.devnet.chain
        data = execute_calldata(program)
        receipt = chain.receipt(chain.post(self.devnet.operator.address, self.executor, data))
        assert int(receipt["status"], 16) == 1
        return int(receipt["gasUsed"], 16)

    def moved(self, call: ContractCall, token: Address, *touched: Address) -> tuple[int, int]:
        """Return by how much the vault's balance of a token grows with a call, and the call's own gas."""
        idle = ContractCall(target=token, data=_BALANCE.encode(self.vault))
        before = self.balance_raw(token, self.vault)
        gas = self.run([Step(call=call)], token, *touched)
        grown_raw = self.balance_raw(token, self.vault) - before
        return grown_raw, gas - self.run([Step(call=idle)], token, *touched)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Devnet.start() as devnet:
        executor, vault = deploy(devnet)
        yield Lab(devnet=devnet, stage=Stage(devnet), executor=executor, vault=vault)


def direct(pool: Pool, token_in: Address) -> Route:
    (token_out,) = set(pool.tokens) - {token_in}
    hop = Hop(
        pool=pool.address, venue=pool.venue, token_in=token_in, token_out=token_out, fee_ppm=pool.fee_ppm
    )
    return Route(hops=(hop,))


@pytest.mark.parametrize(("symbol", "offset"), [("USDC", 0), ("USDC", 12), ("WETH", 0), ("WETH", 6)])
async def test_erc4626__real_vault_that_earns__gives_what_was_predicted(
    lab: Lab, symbol: str, offset: int
) -> None:
    draw = Random(f"{symbol} {offset}")
    market, asset = lab.devnet.market.address, lab.devnet.addresses.tokens[symbol]
    unit = 10 ** (6 if symbol == "USDC" else 18)
    shares = lab.deploy("ShareVault", asset, offset)
    token = lab.devnet.contract(asset, compile_own()["ShareVault"].interface)
    token.send("approve", shares, 2**256 - 1, sender=market)
    shares.send("deposit", 70_000 * unit + 13, market, sender=market)
    venue = Erc4626(holders=(market,))
    for _ in range(5):
        token.send("transfer", shares, draw.randrange(1, 900 * unit), sender=market)  # it earns
        pool = await lab.pool(venue, shares.address, shares.address, asset)
        assert isinstance(pool, Wrapper) and pool.asset == asset
        held = lab.balance_raw(shares.address, market)
        assert pool.most_raw == held
        amounts = [max(1, int(held ** draw.random())) for _ in range(20)]
        previews = [Call(shares.address, _PREVIEW.encode(amount)) for amount in amounts]
        told = await lab.stage.ask(attempt(previews, int.from_bytes))
        assert told == tuple(pool.rate.out_raw(amount) for amount in amounts)
        amount = held // draw.randint(10, 1_000)
        shares.send("transfer", lab.executor, amount, sender=market)
        sold = pool.sell(shares.address, amount)
        call = venue.sell(
            direct(pool, shares.address), amount_in_raw=amount, least_out_raw=0, recipient=lab.executor
        )
        grown_raw, gas = lab.moved(call, asset, shares.address)
        assert grown_raw == sold.amount_out_raw
        assert gas < venue.hop_gas * 1.3
        pool = await lab.pool(venue, shares.address, shares.address, asset)
        wanted = draw.randrange(unit, 50 * unit)
        bought = pool.buy(asset, wanted)
        shares.send("transfer", lab.executor, bought.amount_in_raw, sender=market)
        call = venue.buy(
            direct(pool, shares.address),
            amount_out_raw=wanted,
            most_in_raw=bought.amount_in_raw,
            recipient=lab.executor,
        )
        grown_raw, _ = lab.moved(call, asset, shares.address)
        assert grown_raw == wanted
        assert lab.balance_raw(shares.address, lab.vault) == 0, "not a share more was needed"


async def test_erc4626__vault_whose_cash_is_limited__is_exhausted_there(lab: Lab) -> None:
    market, asset = lab.devnet.market.address, lab.devnet.addresses.weth
    shares = lab.deploy("ShareVault", asset, 0)
    token = lab.devnet.contract(asset, compile_own()["ShareVault"].interface)
    token.send("approve", shares, 2**256 - 1, sender=market)
    shares.send("deposit", 10**21, market, sender=market)
    shares.send("setLimit", 10**18, sender=market)
    venue = Erc4626(holders=(market,))
    pool = await lab.pool(venue, shares.address, shares.address, asset)
    assert not pool.sell(shares.address, 10**18).exhausted
    assert pool.sell(shares.address, 10**18 + 1).exhausted
    for amount, refused in ((10**18, False), (10**18 + 1, True)):
        call = venue.sell(
            direct(pool, shares.address), amount_in_raw=amount, least_out_raw=0, recipient=market
        )
        answer = lab.stage.call(call.target, call.data, sender=market)
        assert isinstance(answer, Reverted) == refused


async def test_wsteth__rate_that_grows__gives_what_arrives_to_the_wei(lab: Lab) -> None:
    draw, market = Random(3), lab.devnet.market.address
    staked = lab.deploy("StakedEther", 9_876_543_210_987_654_321_012_345, 8_123_456_789_012_345_678_901_234)
    wrapped = lab.deploy("WrappedStakedEther", staked)
    staked.send("approve", wrapped, 2**256 - 1, sender=market)
    wrapped.send("wrap", 10**24, sender=market)
    venue, short = WstEth(wsteth=wrapped.address), 0
    for _ in range(12):
        staked.send("earn", draw.randrange(10**20), sender=market)
        pool = await lab.pool(venue, wrapped.address, wrapped.address, lab.devnet.addresses.weth)
        amount = draw.randrange(1, 10**21)
        wrapped.send("transfer", lab.executor, amount, sender=market)
        route = direct(pool, wrapped.address)
        call = venue.sell(route, amount_in_raw=amount, least_out_raw=0, recipient=lab.executor)
        # what the executor gets: its sweep to the vault would floor once more
        told = staked.call("getPooledEthByShares", amount)
        arrived = pool.sell(wrapped.address, amount).amount_out_raw
        assert 0 <= told - arrived <= 2
        short += told > arrived
        before = lab.balance_raw(staked.address, lab.executor)
        assert before <= 2, "no more than dust is left"
        _, gas = lab.moved(call, staked.address, wrapped.address)
        assert gas < venue.hop_gas * 1.3
        holder = lab.devnet.rival.address
        wrapped.send("transfer", holder, amount, sender=market)
        kept = lab.balance_raw(staked.address, holder)
        lab.devnet.chain.send(holder, wrapped.address, call.data)
        if not kept:
            assert lab.balance_raw(staked.address, holder) == arrived
            staked.send("transfer", market, arrived, sender=holder)
    assert short, "some lose a wei on the way"


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_uniswap__sale_by_the_executor__costs_about_what_the_venue_says(lab: Lab, version: str) -> None:
    there, market = lab.devnet.addresses, lab.devnet.market.address
    weth, usdc = there.weth, there.tokens["USDC"]
    venue: Venue
    if version == "v2":
        venue = UniswapV2(factory=there.v2_factory, router=there.v2_router)
    else:
        venue = UniswapV3(factory=there.factory, router=there.router)
    (found, *_) = await lab.stage.ask(venue.discover([(weth, usdc)]))
    pool = await lab.pool(venue, found, weth, usdc)
    token = lab.devnet.contract(weth, compile_own()["ShareVault"].interface)
    for _ in range(2):  # the first touches what was never touched
        token.send("transfer", lab.executor, 10**18, sender=market)
        pool = await lab.pool(venue, found, weth, usdc)
        sold = pool.sell(weth, 10**18)
        call = venue.sell(
            direct(pool, weth),
            amount_in_raw=10**18,
            least_out_raw=sold.amount_out_raw,
            recipient=lab.executor,
        )
        grown_raw, gas = lab.moved(call, usdc, weth)
        assert grown_raw == sold.amount_out_raw
    assert gas * 0.7 < venue.hop_gas < gas * 1.3, gas
