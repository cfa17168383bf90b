"""Uniswap V3, deployed from its published bytecode, with pools whose liquidity is spread over several ranges.

Prices of pools follow the oracle's: `arbitrage` trades every pool to given prices, as arbitrageurs would.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

from keeper.devnet.addresses import PoolKey
from keeper.devnet.artifact import Artifact, Interface
from keeper.devnet.chain import Chain, Contract
from keeper.devnet.compile import CHECKOUT
from keeper.devnet.tokens import TOKENS, give
from keeper.domain.address import Address

_CORE = "@uniswap/v3-core/artifacts/contracts"
_PERIPHERY = "@uniswap/v3-periphery/artifacts/contracts"
_ROUTERS = "@uniswap/swap-router-contracts/artifacts/contracts"

_TICK_SPACING = {100: 1, 500: 10, 3000: 60}
_FOREVER_S = 2**40
_PLENTY_USD = 2e9
"""What the market holds of every token, to make pools and to move them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Liquidity between two prices, as ratios of the starting price; `share` of the pool's depth."""

    low: float
    high: float
    share: float


_VOLATILE = (
    Range(low=0.99, high=1.01, share=0.15),
    Range(low=0.96, high=1.04, share=0.20),
    Range(low=0.88, high=1.12, share=0.25),
    Range(low=0.65, high=1.35, share=0.25),
    Range(low=0.35, high=2.20, share=0.15),
    # Beside the price: what a fall or a rise runs into.
    Range(low=0.70, high=0.92, share=0.25),
    Range(low=0.50, high=0.76, share=0.30),
    Range(low=1.08, high=1.25, share=0.20),
)
_CORRELATED = (
    Range(low=0.998, high=1.002, share=0.40),
    Range(low=0.990, high=1.010, share=0.30),
    Range(low=0.960, high=1.040, share=0.20),
    Range(low=0.800, high=1.200, share=0.10),
    Range(low=0.930, high=0.985, share=0.20),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSpec:
    """A pool: `depth_usd` is what must be sold, about, to move the starting price by 1 %."""

    key: PoolKey
    depth_usd: float
    ranges: tuple[Range, ...] = _VOLATILE


POOLS: tuple[PoolSpec, ...] = (
    PoolSpec(key=PoolKey("WETH", "USDC", 500), depth_usd=600e3),
    PoolSpec(key=PoolKey("WETH", "USDC", 3000), depth_usd=300e3),
    PoolSpec(key=PoolKey("WETH", "USDT", 500), depth_usd=350e3),
    PoolSpec(key=PoolKey("WETH", "USDT", 3000), depth_usd=200e3),
    PoolSpec(key=PoolKey("WBTC", "WETH", 500), depth_usd=400e3),
    PoolSpec(key=PoolKey("WBTC", "WETH", 3000), depth_usd=250e3),
    PoolSpec(key=PoolKey("WBTC", "USDC", 500), depth_usd=200e3),
    PoolSpec(key=PoolKey("WBTC", "USDC", 3000), depth_usd=300e3),
    PoolSpec(key=PoolKey("wstETH", "WETH", 100), depth_usd=5e6, ranges=_CORRELATED),
    PoolSpec(key=PoolKey("wstETH", "WETH", 500), depth_usd=1e6, ranges=_CORRELATED),
    PoolSpec(key=PoolKey("wstETH", "USDC", 500), depth_usd=60e3),
    PoolSpec(key=PoolKey("wstETH", "USDC", 3000), depth_usd=40e3),
    PoolSpec(key=PoolKey("USDC", "USDT", 100), depth_usd=10e6, ranges=_CORRELATED),
    PoolSpec(key=PoolKey("USDC", "USDT", 500), depth_usd=2e6, ranges=_CORRELATED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniswap:
    """The deployed exchange."""

    factory: Contract
    position_manager: Contract
    router: Contract
    quoter: Contract
    pools: Mapping[PoolKey, Contract]


def deploy_uniswap(chain: Chain, *, tokens: Mapping[str, Contract], market: Address) -> Uniswap:
    """Return the exchange with its pools at the starting prices, and liquidity in them."""
    weth = tokens["WETH"]
    factory = chain.deploy(_artifact(_CORE, "UniswapV3Factory"), sender=market)
    factory.send("enableFeeAmount", 100, 1, sender=market)  # as Uniswap's governance did
    # No descriptor: it draws pictures of positions, and nobody asks for one.
    positions = chain.deploy(
        _artifact(_PERIPHERY, "NonfungiblePositionManager"), factory, weth, bytes(20), sender=market
    )
    uniswap = Uniswap(
        factory=factory,
        position_manager=positions,
        router=chain.deploy(
            _artifact(_ROUTERS, "SwapRouter02"), bytes(20), factory, positions, weth, sender=market
        ),
        quoter=chain.deploy(_artifact(f"{_ROUTERS}/lens", "QuoterV2"), factory, weth, sender=market),
        pools={spec.key: _create_pool(chain, factory, tokens, spec.key, market=market) for spec in POOLS},
    )
    for symbol, spec in TOKENS.items():
        give(tokens, symbol, spec.raw(_PLENTY_USD), to=market, market=market)
        for spender in (uniswap.position_manager, uniswap.router):
            tokens[symbol].send("approve", spender, 2**256 - 1, sender=market)
    for pool in POOLS:
        for band in pool.ranges:
            _mint(uniswap, tokens, pool, band, market=market)
    return uniswap


def router_interface() -> Interface:
    """Return SwapRouter02's functions."""
    return _artifact(_ROUTERS, "SwapRouter02").interface


def factory_interface() -> Interface:
    """Return the factory's functions."""
    return _artifact(_CORE, "UniswapV3Factory").interface


def pool_interface() -> Interface:
    """Return a pool's functions."""
    return _artifact(_CORE, "UniswapV3Pool").interface


def arbitrage(
    chain: Chain,
    *,
    router: Contract,
    pools: Mapping[PoolKey, Contract],
    tokens: Mapping[str, Address],
    prices_base: Mapping[str, int],
    market: Address,
) -> list[str]:
    """Trade every pool whose price is another to these prices, and return the transactions' hashes."""
    sent = []
    for key, pool in pools.items():
        token_0, token_1 = _sorted(key, tokens)
        wanted_x96 = sqrt_price_x96(token_0, token_1, prices_base)
        now_x96 = pool.call("slot0")[0]
        if now_x96 == wanted_x96:
            continue
        sold, bought = (token_0, token_1) if wanted_x96 < now_x96 else (token_1, token_0)
        # More than enough is offered: the swap ends at the price, and takes no more than that needs.
        offered = TOKENS[sold].raw(_PLENTY_USD / 10)
        order = (tokens[sold], tokens[bought], key.fee_pips, market, offered, 0, wanted_x96)
        sent.append(router.post("exactInputSingle", order, sender=market))
    return sent


def sqrt_price_x96(token_0: str, token_1: str, prices_base: Mapping[str, int]) -> int:
    """Return the square root of token 0's price in token 1, raw in raw units, times 2^96. Rounds down."""
    unit_0, unit_1 = 10 ** TOKENS[token_0].decimals, 10 ** TOKENS[token_1].decimals
    return isqrt((prices_base[token_0] * unit_1 << 192) // (prices_base[token_1] * unit_0))


def _create_pool(
    chain: Chain, factory: Contract, tokens: Mapping[str, Contract], key: PoolKey, *, market: Address
) -> Contract:
    factory.send("createPool", tokens[key.base], tokens[key.quote], key.fee_pips, sender=market)
    address = factory.address_of("getPool", tokens[key.base], tokens[key.quote], key.fee_pips)
    pool = chain.contract(address, pool_interface())
    token_0, token_1 = _sorted(key, {symbol: token.address for symbol, token in tokens.items()})
    start = {symbol: spec.price_base for symbol, spec in TOKENS.items()}
    pool.send("initialize", sqrt_price_x96(token_0, token_1, start), sender=market)
    return pool


def _mint(
    uniswap: Uniswap, tokens: Mapping[str, Contract], pool: PoolSpec, band: Range, *, market: Address
) -> None:
    """Put liquidity into a range, for its share of the depth. In floats: the depth is only about so."""
    fee_pips = pool.key.fee_pips
    token_0, token_1 = _sorted(pool.key, {symbol: token.address for symbol, token in tokens.items()})
    low, high = (band.low, band.high) if token_0 == pool.key.base else (1 / band.high, 1 / band.low)
    spacing = _TICK_SPACING[fee_pips]
    price = TOKENS[token_0].price_base / TOKENS[token_1].price_base  # whole tokens
    price_raw = price * 10 ** (TOKENS[token_1].decimals - TOKENS[token_0].decimals)
    lower, upper = (
        round(math.log(price_raw * ratio) / math.log(1.0001) / spacing) * spacing for ratio in (low, high)
    )
    # Selling D dollars' worth moves a price p by 1 % where L·√p, in dollars, is D / (√1.01 − 1).
    usd = band.share * pool.depth_usd / (math.sqrt(1.01) - 1)
    at = min(max(1.0, low), high)
    usd_0 = usd * (1 / math.sqrt(at) - 1 / math.sqrt(high))
    usd_1 = usd * (math.sqrt(at) - math.sqrt(low))
    uniswap.position_manager.send(
        "mint",
        (
            tokens[token_0],
            tokens[token_1],
            fee_pips,
            lower,
            upper,
            TOKENS[token_0].raw(usd_0),
            TOKENS[token_1].raw(usd_1),
            0,
            0,
            market,
            _FOREVER_S,
        ),
        sender=market,
    )


def _sorted(key: PoolKey, tokens: Mapping[str, Address]) -> tuple[str, str]:
    """Return the pool's tokens as the pool has them: the lower address first."""
    token_0, token_1 = sorted((key.base, key.quote), key=lambda symbol: tokens[symbol])
    return token_0, token_1


def _artifact(folder: str, name: str) -> Artifact:
    return Artifact.from_hardhat(CHECKOUT / "node_modules" / folder / f"{name}.sol" / f"{name}.json")
