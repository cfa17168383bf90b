"""Which implementation stands behind each port. Nowhere else is one chosen.

`reach` needs an endpoint and no more; `assemble` needs markets, and makes the keeper that every command
shares. What sends is added by :mod:`keeper.app.arming` alone.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from keeper.abi import interface
from keeper.app.channels import unknown_odds
from keeper.app.stand_in import StandIn, stand_in
from keeper.chains import Chain, SurchargeKind, Trading
from keeper.config import Keystore, MarketSetting, RawKey, RemoteSigner, Settings
from keeper.contracts import executor
from keeper.domain.address import Address, checksum
from keeper.domain.errors import Broken, ConfigError
from keeper.domain.events import Listener
from keeper.domain.head import Head
from keeper.domain.odds import Odds
from keeper.domain.state import Mined
from keeper.engine import Engine, Pace
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.flash.balancer_v2 import BalancerV2Flash
from keeper.flash.morpho_blue import MorphoBlueFlash
from keeper.flash.uniswap_v3 import UniswapV3Flash
from keeper.flash.vault import VaultCarry, VaultFlash
from keeper.keys import Key, RemoteKey, SigningKey
from keeper.live.world import LiveWorld
from keeper.node.endpoint import Endpoint
from keeper.node.endpoints import Endpoints, everyone, trusted
from keeper.oracles import recognise
from keeper.places import Place
from keeper.planner.assembly import Desk
from keeper.planner.planner import Planner
from keeper.ports import (
    AnyProtocol,
    Bidder,
    FlashSource,
    Guard,
    Journal,
    Landing,
    SurchargeSource,
    Venue,
    World,
)
from keeper.protocols.aave_v3 import AaveV3
from keeper.protocols.morpho_blue import MorphoBlue
from keeper.protocols.morpho_blue.pre_liquidation import MorphoPreLiquidation
from keeper.query import Answering, Call, SimulatedCall, read_one, run
from keeper.surcharges.arbitrum import ArbitrumSurcharge
from keeper.surcharges.op_stack import OpStackSurcharge
from keeper.venues.uniswap_v2 import UniswapV2
from keeper.venues.uniswap_v3 import PANCAKE, SLIPSTREAM, SUSHI, UNISWAP, UniswapV3
from keeper.venues.wrappers import Erc20Wrappers, Erc4626, WstEth
from keeper.watcher import Book, Depths, Watcher
from keeper.watcher.watcher import Advance


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A chain that answers."""

    chain: Chain
    endpoints: Endpoints
    world: LiveWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """A keeper that can watch and decide; `engine` makes one that does."""

    settings: Settings
    chain: Chain
    trading: Trading
    endpoints: Endpoints
    world: LiveWorld
    watcher: Watcher
    planner: Planner
    preamble: tuple[SimulatedCall, ...]
    """Deploys the executor within each simulation, where there is none yet."""

    @property
    def rooms(self) -> Rooms:
        """Return what watches and what decides."""
        return Rooms(trading=self.trading, watcher=self.watcher, planner=self.planner, preamble=self.preamble)

    def engine(
        self,
        *,
        listen: Listener,
        journal: Journal | None = None,
        landing: Landing | None = None,
        remember: Callable[[Advance], None] | None = None,
        guard: Guard | None = None,
        odds: Odds | None = None,
        bidder: Bidder | None = None,
        backrun_bidder: Bidder | None = None,
    ) -> Engine:
        """Return an engine on this keeper. Without `landing` it sends nothing.

        Without `odds` nothing is known of the races before.
        """
        return self.rooms.engine(
            self.settings,
            self.chain,
            self.world,
            listen=listen,
            journal=journal,
            landing=landing,
            remember=remember,
            guard=guard,
            odds=odds or unknown_odds(self.settings),
            bidder=bidder,
            backrun_bidder=backrun_bidder,
        )


@asynccontextmanager
async def reach(settings: Settings, *, timeout_s: float = 10.0) -> AsyncIterator[Reached]:
    """Yield the chain behind the configured endpoints. Raises ConfigError where it is another one.

    A request may take `timeout_s`, from connecting to the last byte.
    """
    sockets = [one.url for one in settings.rpc_urls if one.is_socket]
    endpoints = Endpoints(
        [
            Endpoint(one.url, roles=one.roles, timeout_s=timeout_s)
            for one in settings.rpc_urls
            if not one.is_socket
        ],
        max_head_age_s=settings.max_head_age_s,
    )
    try:
        if len(endpoints.standings) > 1:
            await endpoints.survey()
        chain = settings.chain(await endpoints.chain_id())
        world = LiveWorld(
            endpoints,
            socket=sockets[0] if sockets else None,
            poll_s=settings.poll_interval_s,
            simulates=trusted if settings.is_private else everyone,
        )
        yield Reached(chain=chain, endpoints=endpoints, world=world)
    finally:
        await endpoints.close()


@asynccontextmanager
async def assemble(settings: Settings) -> AsyncIterator[Assembled]:
    """Yield the keeper that the settings describe, on the chain that the endpoints are on."""
    async with reach(settings) as reached:
        head = await reached.endpoints.block("latest")
        rooms = await furnish(settings, reached.chain, reached.world, head, foretells=True)
        yield Assembled(
            settings=settings,
            chain=reached.chain,
            trading=rooms.trading,
            endpoints=reached.endpoints,
            world=reached.world,
            watcher=rooms.watcher,
            planner=rooms.planner,
            preamble=rooms.preamble,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What watches and what decides, on whichever World."""

    trading: Trading
    watcher: Watcher
    planner: Planner
    preamble: tuple[SimulatedCall, ...]

    def engine(
        self,
        settings: Settings,
        chain: Chain,
        world: World,
        *,
        listen: Listener,
        journal: Journal | None = None,
        landing: Landing | None = None,
        remember: Callable[[Advance], None] | None = None,
        guard: Guard | None = None,
        odds: Odds | None = None,
        bidder: Bidder | None = None,
        backrun_bidder: Bidder | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Engine:
        """Return an engine in these rooms, upon a World. Without `landing` it sends nothing."""
        return Engine(
            world=world,
            watcher=self.watcher,
            planner=self.planner,
            journal=journal,
            landing=landing,
            guard=guard,
            bidder=bidder,
            backrun_bidder=backrun_bidder,
            listen=listen,
            clock=clock,
            pace=Pace(
                block_time_s=chain.block_time_s,
                deadline_s=settings.deadline_s,
                max_head_age_s=settings.max_head_age_s,
                min_purse_wei=settings.min_operator_balance_wei,
            ),
            preamble=self.preamble,
            odds=odds,
            remember=remember,
        )


async def furnish(
    settings: Settings, chain: Chain, world: Answering, head: Head, *, foretells: bool = False
) -> Rooms:
    """Return the rooms that the settings describe, with the executor as it is at `head`.

    Where it `foretells`, it looks at what prices are made of.
    """
    trading = settings.trading(chain.chain_id)
    if settings.bid_bps and trading.surcharge is SurchargeKind.ARBITRUM:
        raise ConfigError(f"KEEPER_BID_BPS: {chain.name} takes no bids: first come, first served")
    venues = tuple(_venue(place, settings) for place in trading.venues)
    books = tuple(
        Book(
            protocol(market, settings),
            first_block=settings.start_block(market, chain.chain_id),
            reorg_depth=settings.reorg_depth,
            audited=settings.audited_positions,
        )
        for market in settings.markets
    )
    acting = await _acting(settings, chain, world, head, trading)
    lenders = tuple(_lender(place, settings, trading, acting) for place in trading.lenders)
    carrier = _carrier(settings, acting)
    return Rooms(
        trading=trading,
        watcher=Watcher(
            books=books,
            # whatever is seized ends as wrapped native, which no market need list
            depths=tuple(
                Depths(
                    venue,
                    intermediates=(*trading.intermediates, trading.wrapped_native),
                    reorg_depth=settings.reorg_depth,
                )
                for venue in venues
            ),
            lenders=lenders,
            surcharge=_surcharge(trading),
            recognise=recognise if foretells else None,
            carrier=carrier,
        ),
        planner=Planner(
            desk=Desk(
                operator=acting.operator,
                executor=acting.executor,
                wrapped_native=trading.wrapped_native,
                venues=venues,
                lenders=lenders,
                carrier=carrier,
            ),
            options=settings.planner_options(trading),
        ),
        preamble=acting.preamble,
    )


_PROTOCOLS: dict[str, Callable[[Address, Settings], AnyProtocol]] = {
    "aave-v3": lambda address, settings: AaveV3(pool=address, allow_unverified=settings.allow_unverified),
    "morpho": lambda address, settings: MorphoBlue(morpho=address, only=settings.morpho_markets),
    "morpho-pre": lambda address, settings: MorphoPreLiquidation(
        factory=address, only=settings.morpho_markets
    ),
}


def protocol(market: MarketSetting, settings: Settings) -> AnyProtocol:
    """Return the protocol behind a configured market."""
    return _PROTOCOLS[market.protocol](market.address, settings)


def _venue(place: Place, settings: Settings) -> Venue:
    """Return the venue of that name."""
    addresses = place.addresses
    match place.kind:
        case "erc4626":
            # who has shares as collateral: one address for all of a Morpho's markets
            holders = (market.address for market in settings.markets if market.protocol == "morpho")
            return Erc4626(holders=tuple(holders))
        case "wsteth":
            return WstEth(wsteth=addresses[0])
        case "erc20-wrapper":
            return Erc20Wrappers(wrappers=addresses)
        case "uniswap-v2" | "sushi-v2" | "pancake-v2":
            fee_ppm = _PAIR_FEES_PPM[place.kind]
            return UniswapV2(factory=addresses[0], router=addresses[1], name=place.kind, fee_ppm=fee_ppm)
        case _:
            return UniswapV3(factory=addresses[0], router=addresses[1], fork=_FORKS[place.kind])


_PAIR_FEES_PPM = {"uniswap-v2": 3_000, "sushi-v2": 3_000, "pancake-v2": 2_500}
_FORKS = {fork.name: fork for fork in (UNISWAP, SUSHI, PANCAKE, SLIPSTREAM)}


def _lender(place: Place, settings: Settings, trading: Trading, acting: StandIn) -> FlashSource:
    """Return the flash source of that name. Raises ConfigError where the vault is to lend and none is set."""
    match place.kind:
        case "vault":
            if settings.vault is None:
                raise ConfigError("KEEPER_LENDERS: the vault is to lend, but KEEPER_VAULT is not set")
            return VaultFlash(vault=settings.vault, executor=acting.executor)
        case "aave-v3":
            return AaveV3Flash(pool=place.addresses[0])
        case "morpho":
            return MorphoBlueFlash(morpho=place.addresses[0])
        case "balancer-v2":
            return BalancerV2Flash(vault=place.addresses[0])
        case kind:
            prefix = {"uniswap-v3": "uniswapV3", "pancake-v3": "pancakeV3"}[kind]
            return UniswapV3Flash(
                factory=place.addresses[0],
                beside=trading.intermediates,
                name=f"{kind}-flash",
                callback=f"{prefix}FlashCallback",
            )


def _carrier(settings: Settings, acting: StandIn) -> VaultCarry | None:
    """Return who pays for what is carried, None where nothing is to be."""
    if settings.vault is None or not settings.tokens.carried:
        return None
    return VaultCarry(vault=settings.vault, executor=acting.executor, tokens=settings.tokens.carried)


def _surcharge(trading: Trading) -> SurchargeSource | None:
    """Return what tells the chain's surcharge, None where there is none."""
    match trading.surcharge:
        case SurchargeKind.OP_STACK:
            return OpStackSurcharge()
        case SurchargeKind.ARBITRUM:
            return ArbitrumSurcharge()
        case None:
            return None


def signing_key(settings: Settings) -> Key | None:
    """Return the operator's key, or None where there is none. Raises ConfigError where it can't be opened."""
    match settings.key:
        case RawKey(private_key=text):
            return SigningKey.from_hex(text)
        case Keystore(path=path, password=password):
            return SigningKey.from_keystore(path, password=password)
        case RemoteSigner(url=url, address=address):
            return RemoteKey(url, address=address)
        case None:
            return None


async def _acting(
    settings: Settings, chain: Chain, world: Answering, head: Head, trading: Trading
) -> StandIn:
    """Return through which executor, and as whom, plans are made and simulated.

    The operator is whom the executor itself names. Where none is configured, one is deployed within each
    simulation, so that a plan can be looked at before anything of the operator's is on the chain.
    """
    if settings.executor is None:
        return stand_in(wrapped_native=trading.wrapped_native)
    try:
        operator = await run(
            read_one(Call(settings.executor, _OPERATOR.encode()), lambda data: Address(data[12:32])),
            Mined(hash=head.hash),
            world,
        )
    except Broken:
        operator = Address(b"")
    if len(operator) != 20:
        raise ConfigError(
            f"KEEPER_EXECUTOR: {checksum(settings.executor)} is no executor on {chain.name}; "
            "`keeper deploy` deploys one"
        )
    return StandIn(operator=operator, executor=settings.executor, preamble=())


_OPERATOR = interface(executor().abi).function("operator")
