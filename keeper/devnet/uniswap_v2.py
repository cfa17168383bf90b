"""Uniswap V2, deployed from its published bytecode, with pairs beside Uniswap V3's pools.

Their prices follow the oracle's: `arbitrage` trades every pair to given prices, as arbitrageurs would.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

from keeper.devnet.artifact import Artifact, Interface
from keeper.devnet.chain import Chain, Contract
from keeper.devnet.compile import CHECKOUT
from keeper.devnet.tokens import TOKENS
from keeper.domain.address import Address

_CORE = "@uniswap/v2-core/build"
_PERIPHERY = "@uniswap/v2-periphery/build"
_FOREVER_S = 2**40
_KEEPS, _WHOLE = 997, 1_000

PAIRS: Mapping[str, float] = {"WETH/USDC": 120e3, "WETH/USDT": 60e3, "WBTC/WETH": 90e3}
"""The pairs, by the symbols of their tokens, and what must be sold, about, to move the price by 1 %: USD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UniswapV2:
    """The deployed exchange."""

    factory: Contract
    router: Contract
    pairs: Mapping[str, Contract]


def deploy_uniswap_v2(chain: Chain, *, tokens: Mapping[str, Contract], market: Address) -> UniswapV2:
    """Return the exchange with its pairs at the starting prices; `market` has what is put into them."""
    factory = chain.deploy(_artifact(_CORE, "UniswapV2Factory"), market, sender=market)
    router = chain.deploy(_artifact(_PERIPHERY, "UniswapV2Router02"), factory, tokens["WETH"], sender=market)
    for token in tokens.values():
        token.send("approve", router, 2**256 - 1, sender=market)
    pairs = {}
    for name, depth_usd in PAIRS.items():
        symbols = name.split("/")
        # Selling D dollars' worth moves a price by 1 % where each side is worth D / (√1.01 − 1), about.
        sides = [TOKENS[symbol].raw(depth_usd * 200) for symbol in symbols]
        both = [tokens[symbol] for symbol in symbols]
        router.send("addLiquidity", *both, *sides, 0, 0, market, _FOREVER_S, sender=market)
        pairs[name] = chain.contract(factory.address_of("getPair", *both), pair_interface())
    return UniswapV2(factory=factory, router=router, pairs=pairs)


def router_interface() -> Interface:
    """Return the router's functions."""
    return _artifact(_PERIPHERY, "UniswapV2Router02").interface


def pair_interface() -> Interface:
    """Return a pair's functions."""
    return _artifact(_CORE, "UniswapV2Pair").interface


def arbitrage(
    *,
    router: Contract,
    pairs: Mapping[str, Contract],
    tokens: Mapping[str, Address],
    prices_base: Mapping[str, int],
    market: Address,
) -> list[str]:
    """Trade every pair whose price is another to these prices, and return the transactions' hashes."""
    sent = []
    for name, pair in pairs.items():
        symbols = sorted(name.split("/"), key=lambda symbol: tokens[symbol])
        reserves = pair.call("getReserves")[:2]
        worth = [price_raw(symbol, prices_base) for symbol in symbols]
        sold = 0 if reserves[0] * worth[0] < reserves[1] * worth[1] else 1
        amount = trade_raw(reserves[sold], reserves[1 - sold], worth[1 - sold] / worth[sold])
        if amount > 0:
            path = [tokens[symbols[sold]], tokens[symbols[1 - sold]]]
            order = (amount, 0, path, market, _FOREVER_S)
            sent.append(router.post("swapExactTokensForTokens", *order, sender=market))
    return sent


def price_raw(symbol: str, prices_base: Mapping[str, int]) -> Fraction:
    """Return what a raw unit is worth."""
    return Fraction(prices_base[symbol], 10 ** TOKENS[symbol].decimals)


def trade_raw(reserve_in: int, reserve_out: int, wanted: Fraction) -> int:
    """Return what to sell so that a unit out then is worth `wanted` units in; 0 where that buys nothing.

    With g what is left of an amount after the fee, (r + x)(r + g x) = wanted · r · R: a square equation.
    """
    # times 1000: 997 x² + 1997 r x + 1000 r (r − wanted R) = 0
    half = (_WHOLE + _KEEPS) * reserve_in
    rest = _WHOLE * reserve_in * (reserve_in - int(wanted * reserve_out))
    if rest >= 0:
        return 0
    amount = (isqrt(half * half - 4 * _KEEPS * rest) - half) // (2 * _KEEPS)
    bought = _KEEPS * amount * reserve_out // (_WHOLE * reserve_in + _KEEPS * amount)
    return amount if bought else 0  # a pair refuses to give nothing for something


def _artifact(folder: str, name: str) -> Artifact:
    """Return the artifact in a file of Uniswap V2's: the compiler's own output, with the contract's name."""
    told = json.loads((CHECKOUT / "node_modules" / folder / f"{name}.json").read_text())
    return Artifact(
        name=name,
        abi=told["abi"],
        bytecode=told["evm"]["bytecode"]["object"],
        deployed_bytecode=told["evm"]["deployedBytecode"]["object"],
    )
