"""PancakeSwap V3's real factory and pools: found, read and computed as Uniswap's, by configuration alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

from keeper.abi import load, uint
from keeper.devnet import Devnet
from keeper.devnet.artifact import Artifact
from keeper.devnet.compile import CHECKOUT
from keeper.devnet.keeper_contracts import deploy
from keeper.devnet.own import compile_own
from keeper.devnet.uniswap import sqrt_price_x96
from keeper.domain.address import Address
from keeper.domain.calls import ContractCall
from keeper.flash.uniswap_v3 import UniswapV3Flash
from keeper.planner.calldata import Leg, Program, execute_calldata
from keeper.planner.funding import Loan
from keeper.venues.uniswap_v3 import PANCAKE, UniswapV3, V3Pool
from keeper.venues.uniswap_v3.tick_math import MAX_SQRT_RATIO, MIN_SQRT_RATIO, tick_at_sqrt_ratio
from tests.fork.uniswap_v3_stage import Stage

_ARTIFACTS = CHECKOUT / "node_modules" / "@pancakeswap" / "v3-core" / "artifacts" / "contracts"
_BALANCE = load("erc20").function("balanceOf")
_FEE_PPM, _SPACING = 2_500, 50
SWAPS = 60


def _artifact(name: str) -> Artifact:
    return Artifact.from_hardhat(Path(_ARTIFACTS) / f"{name}.sol" / f"{name}.json")


async def test_pancake__its_own_pool__is_found_read_swapped_and_borrowed_from(devnet: Devnet) -> None:
    stage, market, there = Stage(devnet), devnet.market.address, devnet.addresses
    draw, counts = Random(1), Counter[str]()
    chain, own = devnet.chain, compile_own()
    pool_artifact = _artifact("PancakeV3Pool")
    deployer = chain.deploy(own["PancakeDeployer"], bytes.fromhex(pool_artifact.bytecode), sender=market)
    factory = chain.deploy(_artifact("PancakeV3Factory"), deployer, sender=market)
    trader = chain.deploy(own["PoolTrader"], sender=market)
    token0, token1 = sorted(("WETH", "USDC"), key=lambda symbol: there.tokens[symbol])
    pair = (there.tokens[token0], there.tokens[token1])
    factory.send("createPool", *pair, _FEE_PPM, sender=market)
    pool = chain.contract(factory.address_of("getPool", *pair, _FEE_PPM), pool_artifact.interface)
    price_x96 = sqrt_price_x96(token0, token1, devnet.prices_base())
    pool.send("initialize", price_x96, sender=market)
    for symbol in (token0, token1):
        token = chain.contract(there.tokens[symbol], own["ShareVault"].interface)
        token.send("transfer", trader, 10 ** (23 if symbol == "WETH" else 14), sender=market)
    middle = tick_at_sqrt_ratio(price_x96) // _SPACING
    for _ in range(12):
        lower = middle - draw.randint(1, 60)
        upper = middle + draw.randint(1, 60)
        trader.send(
            "mint", pool, lower * _SPACING, upper * _SPACING, 10 ** draw.randint(14, 17), sender=market
        )

    venue = UniswapV3(factory=factory.address, router=market, fork=PANCAKE)
    assert await stage.ask(venue.discover([pair])) == (pool.address,)
    for _ in range(SWAPS):
        read = (await stage.ask(venue.load([pool.address])))[pool.address]
        assert isinstance(read, V3Pool)
        assert (read.fee_ppm, read.venue, read.key.tick_spacing) == (_FEE_PPM, "pancake-v3", _SPACING)
        side = draw.randrange(2)
        whole = read.sell(pair[side], 10**40)
        small = draw.random() < 0.5
        most = whole.amount_in_raw
        amount = max(1, int(most ** draw.uniform(0.6, 0.97) if small else most * draw.uniform(0.05, 0.6)))
        predicted = read.sell(pair[side], amount)
        limit_x96 = MIN_SQRT_RATIO + 1 if side == 0 else MAX_SQRT_RATIO - 1
        before = [_held(devnet, token, trader.address) for token in pair]
        trader.send("swap", pool, side == 0, amount, limit_x96, sender=market)
        after = [_held(devnet, token, trader.address) for token in pair]
        assert before[side] - after[side] == amount
        assert after[1 - side] - before[1 - side] == predicted.amount_out_raw
        moved = (await stage.ask(venue.load([pool.address])))[pool.address]
        assert isinstance(moved, V3Pool) and isinstance(predicted.after, V3Pool)
        assert moved.state.sqrt_price_x96 == predicted.after.state.sqrt_price_x96
        low, high = sorted((read.state.tick, moved.state.tick))
        counts["token0 in" if side == 0 else "token1 in"] += 1
        counts["crossed a tick"] += any(low < tick <= high for tick in read.ticks.initialised)
    assert min(counts["token0 in"], counts["token1 in"]) >= SWAPS // 4
    assert counts["crossed a tick"] >= SWAPS // 6

    executor, _ = deploy(devnet)
    lender = UniswapV3Flash(
        factory=factory.address,
        beside=pair,
        fees_ppm=(_FEE_PPM,),
        name="pancake-v3-flash",
        callback="pancakeV3FlashCallback",
    )
    for offer in await stage.ask(lender.load(pair)):
        amount = offer.available_raw // 3
        fee_raw = offer.fee_raw(amount)
        token = chain.contract(offer.token, own["ShareVault"].interface)
        for given_raw, status in ((fee_raw - 1, 0), (1, 1)):  # a unit too little, then the last one
            token.send("transfer", executor, given_raw, sender=market)
            loan = Loan(lender=lender, offer=offer, executor=executor)
            idle = ContractCall(target=offer.token, data=_BALANCE.encode(executor))
            program = Program(
                wrapped_native=there.weth,
                deadline_s=2**40 - 1,
                floor_wei=0,
                legs=(Leg(steps=(loan.step(idle, amount_raw=amount, sales=()),)),),
                touched=(offer.token,),
            )
            sent = chain.post(devnet.operator.address, executor, execute_calldata(program))
            assert int(chain.receipt(sent)["status"], 16) == status


def _held(devnet: Devnet, token: Address, holder: Address) -> int:
    return uint(devnet.chain.call(token, _BALANCE.encode(holder)))
