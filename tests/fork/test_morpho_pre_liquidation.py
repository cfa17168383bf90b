"""Pre-liquidation on a real Morpho, through a stand-in for its contract: found, planned and executed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from keeper.abi import load
from keeper.devnet import Devnet
from keeper.devnet.chain import Contract
from keeper.devnet.morpho import compile_morpho
from keeper.devnet.own import compile_own
from keeper.domain.address import Address, checksum
from keeper.domain.calls import ContractCall
from keeper.domain.fixed_point import WAD
from keeper.domain.head import NextBlock
from keeper.domain.plan import Plan
from keeper.planner.options import PlannerOptions
from keeper.protocols.morpho_blue.pre_liquidation import MorphoPreLiquidation
from keeper.watcher import Book
from keeper.watcher.book import AnyBook
from tests.fork.keeper_stage import Stage, aave_book, morpho_book, stage

_PRE_LIQUIDATE = load("morpho_pre_liquidation").function("preLiquidate")
_MARKETS = ("WETH/USDC", "WBTC/USDC")
_PARAMETERS = (78 * WAD // 100, WAD // 10, 6 * WAD // 10, 101 * WAD // 100, 104 * WAD // 100)


@dataclass(frozen=True)
class Offered:
    """A factory on the devnet, a contract of it for each market, and who opted in."""

    devnet: Devnet
    factory: Contract
    contracts: dict[str, Address]
    people: tuple[Address, ...]

    def book(self) -> AnyBook:
        first = self.devnet.addresses.morpho_deployment_block
        return Book(MorphoPreLiquidation(factory=self.factory.address), first_block=first)


def offered(devnet: Devnet) -> Offered:
    """Deploy it all, and let every borrower of Morpho's opt in wherever that can be."""
    there, admin = devnet.addresses, devnet.market.address
    own = compile_own()
    morpho = devnet.contract(there.morpho, compile_morpho()["Morpho"].interface)
    contracts: dict[str, Address] = {}
    with automined(devnet):
        factory = devnet.chain.deploy(own["MinimalPreLiquidationFactory"], there.morpho, sender=admin)
        for name in _MARKETS:
            parameters = (*_PARAMETERS, there.morpho_oracles[name])
            sent = factory.send("createPreLiquidation", there.morpho_ids[name], parameters, sender=admin)
            (log,) = (
                one
                for one in devnet.chain.receipt(sent)["logs"]
                if int(one["address"], 16) == int.from_bytes(factory.address)
            )
            contracts[name] = Address(bytes.fromhex(log["topics"][1][-40:]))
        for borrower in there.morpho_borrowers:
            devnet.anvil.rpc("anvil_impersonateAccount", checksum(borrower))
            for contract in contracts.values():
                morpho.send("setAuthorization", contract, True, sender=borrower)
    return Offered(devnet, factory, contracts, there.morpho_borrowers)


@contextmanager
def automined(devnet: Devnet) -> Iterator[None]:
    devnet.anvil.rpc("evm_setAutomine", True)
    yield
    devnet.anvil.rpc("evm_setAutomine", False)


def options_for(devnet: Devnet) -> PlannerOptions:
    return PlannerOptions(intermediates=(devnet.addresses.weth, devnet.addresses.tokens["USDC"]))


def fall(devnet: Devnet, ratio: float) -> None:
    prices = {symbol: devnet.price_base(symbol) for symbol in ("WETH", "WBTC", "wstETH")}
    devnet.market_block({symbol: int(price * ratio) for symbol, price in prices.items()})


async def test_decide__between_the_two_limits__executed_to_the_wei(manual_devnet: Devnet) -> None:
    offers = offered(manual_devnet)
    books = (aave_book(manual_devnet), morpho_book(manual_devnet), offers.book())
    counts: Counter[str] = Counter()
    async with stage(manual_devnet, options_for(manual_devnet), books=books) as on:
        await on.engine.observe(await on.head())
        for _ in range(8):
            fall(manual_devnet, 0.975)
            considered = await on.engine.decide(await on.engine.observe(await on.head()))
            plans = [one.decision for one in considered if isinstance(one.decision, Plan)]
            before_wei = on.vault_wei()
            receipts = on.execute(plans)
            assert [receipt["status"] for receipt in receipts] == ["0x1"] * len(plans)
            assert on.vault_wei() - before_wei == sum(plan.waterfall.vault_wei for plan in plans)
            counts.update(plan.draft.market.partition(":")[0] for plan in plans)
    print(dict(counts))
    assert counts["morpho-pre"] >= 8
    assert counts["morpho"] >= 2
    assert counts["aave-v3"] >= 5


async def test_terms__every_opted_in_position__settle_as_the_calls_do(manual_devnet: Devnet) -> None:
    offers = offered(manual_devnet)
    rng = Random(1)
    tried = 0
    async with stage(manual_devnet, options_for(manual_devnet), books=(offers.book(),)) as on:
        await on.engine.observe(await on.head())
        for _ in range(8):
            fall(manual_devnet, 0.98)
            head = await on.head()
            seen = await on.engine.observe(head)
            for one in seen.opportunities:
                for terms in one.terms:
                    (interval,) = terms.feasible
                    least, most = interval.least_raw, interval.most_raw
                    for repay_raw in {least, most, rng.randint(least, most)}:
                        settled = terms.settle(repay_raw)
                        moved = pre_liquidated(on, terms.call(repay_raw), seen.block)
                        assert moved == (settled.seized_raw, settled.repaid_raw)
                        tried += 1
    assert tried >= 20


async def test_rows__who_opts_out__is_left_alone(manual_devnet: Devnet) -> None:
    offers = offered(manual_devnet)
    morpho = manual_devnet.contract(manual_devnet.addresses.morpho, compile_morpho()["Morpho"].interface)
    async with stage(manual_devnet, options_for(manual_devnet), books=(offers.book(),)) as on:
        await on.engine.observe(await on.head())
        (book,) = on.watcher.books
        position = min(book.rows)
        contract = Address(bytes.fromhex(position.market[-40:]))
        morpho.post("setAuthorization", contract, False, sender=position.borrower)
        manual_devnet.mine()
        await on.engine.observe(await on.head())
        assert position not in book.rows
        morpho.post("setAuthorization", contract, True, sender=position.borrower)
        manual_devnet.mine()
        await on.engine.observe(await on.head())
        assert position in book.rows


def pre_liquidated(on: Stage, call: ContractCall, block: NextBlock) -> tuple[int, int]:
    """Return what a call seizes and repays in that block, made by somebody with enough loan token."""
    there = on.devnet.addresses
    rich = on.devnet.market.address
    approve = load("erc20").function("approve").encode(call.target, 2**256 - 1)
    calls = [
        {"from": checksum(rich), "to": checksum(there.tokens["USDC"]), "data": "0x" + approve.hex()},
        {"from": checksum(rich), "to": checksum(call.target), "data": "0x" + call.data.hex()},
    ]
    request = {"blockStateCalls": [{"blockOverrides": {"time": hex(block.timestamp_s)}, "calls": calls}]}
    (answer,) = on.devnet.anvil.rpc("eth_simulateV1", request, "latest")
    ran = answer["calls"][1]
    assert ran["status"] == "0x1", ran
    seized, repaid = _PRE_LIQUIDATE.decode(bytes.fromhex(ran["returnData"][2:]))
    return seized, repaid
