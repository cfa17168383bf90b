"""A keeper on a devnet: its own contracts deployed, its rooms joined, its plans executed for real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from keeper.devnet import Devnet
from keeper.devnet.keeper_contracts import deploy
from keeper.domain.address import Address
from keeper.domain.events import Event
from keeper.domain.head import Head
from keeper.domain.plan import Plan
from keeper.domain.secret import Secret
from keeper.engine import Engine, Pace
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.flash.vault import VaultCarry
from keeper.live.world import LiveWorld
from keeper.node.endpoint import Endpoint
from keeper.node.endpoints import Endpoints
from keeper.oracles import recognise
from keeper.planner.assembly import Desk
from keeper.planner.options import PlannerOptions
from keeper.planner.planner import Planner
from keeper.ports import FlashSource, World
from keeper.protocols.aave_v3 import AaveV3
from keeper.protocols.morpho_blue import MorphoBlue
from keeper.protocols.morpho_blue.pre_liquidation import MorphoPreLiquidation
from keeper.venues.uniswap_v3 import UniswapV3
from keeper.watcher import Book, Depths, Watcher
from keeper.watcher.book import AnyBook


@dataclass(slots=True)
class Stage:
    """What a test plays on."""

    devnet: Devnet
    endpoints: Endpoints
    engine: Engine
    watcher: Watcher
    planner: Planner
    vault: Address
    heard: list[Event] = field(default_factory=list)

    async def head(self) -> Head:
        return await self.endpoints.block("latest")

    def execute(self, plans: Sequence[Plan]) -> list[dict[str, str]]:
        """Mine the plans' transactions, in their order, in one keeper's block; return their receipts."""
        rpc = self.devnet.anvil.rpc
        operator = "0x" + self.devnet.operator.address.hex()
        nonce = int(rpc("eth_getTransactionCount", operator, "latest"), 16)
        hashes = [
            rpc(
                "eth_sendTransaction",
                {
                    "from": operator,
                    "to": "0x" + plan.draft.transaction.to.hex(),
                    "data": "0x" + plan.draft.transaction.data.hex(),
                    "nonce": hex(nonce + place),
                    "gas": hex(plan.fees.gas_limit),
                    "maxFeePerGas": hex(10**12),
                    "maxPriorityFeePerGas": hex(plan.fees.max_priority_fee_per_gas_wei),
                },
            )
            for place, plan in enumerate(plans)
        ]
        self.devnet.keeper_block()
        return [rpc("eth_getTransactionReceipt", one) for one in hashes]

    def vault_wei(self) -> int:
        """Return the vault's wrapped native, asked of the token itself."""
        data = "0x70a08231" + self.vault.rjust(32, b"\0").hex()
        weth = "0x" + self.devnet.addresses.weth.hex()
        return int(self.devnet.anvil.rpc("eth_call", {"to": weth, "data": data}, "latest"), 16)


def aave_book(devnet: Devnet) -> AnyBook:
    addresses = devnet.addresses
    return Book(AaveV3(pool=addresses.pool), first_block=addresses.deployment_block)


def morpho_book(devnet: Devnet) -> AnyBook:
    addresses = devnet.addresses
    return Book(MorphoBlue(morpho=addresses.morpho), first_block=addresses.morpho_deployment_block)


def pre_book(devnet: Devnet) -> AnyBook:
    addresses = devnet.addresses
    return Book(
        MorphoPreLiquidation(factory=addresses.pre_factory), first_block=addresses.morpho_deployment_block
    )


@asynccontextmanager
async def stage(
    devnet: Devnet,
    options: PlannerOptions,
    *,
    books: Sequence[AnyBook] | None = None,
    url: str | None = None,
    lenders: Sequence[FlashSource] | None = None,
) -> AsyncIterator[Stage]:
    """Yield a keeper on the devnet that decides and does not send. It watches Aave, where nothing is said.

    `url` is where it reads, where that is not the devnet's own endpoint. Aave lends, where nothing is said.
    What the options let be carried its vault may carry, once its owner allows it.
    """
    addresses = devnet.addresses
    executor, vault = deploy(devnet)
    endpoints = Endpoints([Endpoint(Secret(url or devnet.anvil.url))])
    venue = UniswapV3(factory=addresses.factory, router=addresses.router)
    lenders = (AaveV3Flash(pool=addresses.pool),) if lenders is None else tuple(lenders)
    carried = options.tokens.carried
    carrier = VaultCarry(vault=vault, executor=executor, tokens=carried) if carried else None
    watcher = Watcher(
        books=(aave_book(devnet),) if books is None else books,
        depths=(Depths(venue, intermediates=options.intermediates),),
        lenders=lenders,
        recognise=recognise,
        carrier=carrier,
    )
    planner = Planner(
        desk=Desk(
            operator=devnet.operator.address,
            executor=executor,
            wrapped_native=addresses.weth,
            venues=(venue,),
            lenders=lenders,
            carrier=carrier,
        ),
        options=options,
    )
    heard: list[Event] = []
    engine = engine_of(LiveWorld(endpoints), watcher, planner, heard)
    try:
        yield Stage(
            devnet=devnet,
            endpoints=endpoints,
            engine=engine,
            watcher=watcher,
            planner=planner,
            vault=vault,
            heard=heard,
        )
    finally:
        await endpoints.close()


def engine_of(world: World, watcher: Watcher, planner: Planner, heard: list[Event]) -> Engine:
    """Return an engine that sends nothing."""
    return Engine(
        world=world,
        watcher=watcher,
        planner=planner,
        journal=None,
        landing=None,
        listen=heard.append,
        clock=lambda: 0.0,
        pace=Pace(block_time_s=12, deadline_s=24, max_head_age_s=10**12),
    )
