"""Random closes over random pools, one kind for each shape that the routes can take."""

from __future__ import annotations

from enum import StrEnum
from math import isqrt
from random import Random

from keeper.domain.address import Address
from keeper.domain.depth import Hop, Route
from keeper.domain.token import Token
from keeper.planner.sizing import Trade
from keeper.venues.uniswap_v3 import V3Pool
from keeper.venues.uniswap_v3.tick_math import tick_at_sqrt_ratio
from tests.unit.planner.linear_terms import LinearTerms
from tests.unit.venues.uniswap_v3.pools import random_pool


class Shape(StrEnum):
    """How the two routes lie to each other."""

    KEEPS_COLLATERAL = "the collateral is the wrapped native token"
    OWES_NATIVE = "the debt is the wrapped native token"
    OWES_COLLATERAL = "the debt is the collateral's token"
    APART = "the surplus goes through pools of its own"
    THROUGH_NATIVE = "the purchase goes through the wrapped native token, in the surplus' pool"
    THROUGH_DEBT = "the surplus goes through the debt token, in the purchase's pool"
    TWO_HOPS = "the purchase takes two pools of its own"
    MEETS_AGAIN = "the routes part and share a pool later"


PRICES = {"WETH": 2_000, "WBTC": 60_000, "USDC": 1, "DAI": 1, "LINK": 15, "stETH": 2_300}
DECIMALS = {"WETH": 18, "WBTC": 8, "USDC": 6, "DAI": 18, "LINK": 18, "stETH": 18}
TOKENS = {
    symbol: Token(address=Address(bytes([0x10 + at]) * 20), symbol=symbol, decimals=DECIMALS[symbol])
    for at, symbol in enumerate(PRICES)
}
WETH = TOKENS["WETH"]


def random_trade(seed: int, shape: Shape, *, collateral: str | None = None, debt: str | None = None) -> Trade:
    """Return a close of some thousand to some million dollars, over pools some times as deep."""
    draw = Random(seed)
    others = [symbol for symbol in PRICES if symbol != "WETH"]
    match shape:
        case Shape.KEEPS_COLLATERAL:
            collateral = "WETH"
        case Shape.OWES_NATIVE:
            debt = "WETH"
        case Shape.OWES_COLLATERAL:
            collateral = debt = collateral or draw.choice(others)
        case _:
            pass
    collateral = collateral or draw.choice([symbol for symbol in others if symbol != debt])
    debt = debt or draw.choice([symbol for symbol in others if symbol != collateral])
    size_usd = 10 ** draw.uniform(3.2, 7)
    pools: dict[Address, V3Pool] = {}

    def hop(sold: str, bought: str) -> Hop:
        token0, token1 = sorted((TOKENS[sold], TOKENS[bought]), key=lambda token: token.address)
        depth_usd = size_usd * 10 ** draw.uniform(0.3, 2.5)
        depth0_raw = int(depth_usd / PRICES[token0.symbol] * token0.unit_raw)
        depth1_raw = int(depth_usd / PRICES[token1.symbol] * token1.unit_raw)
        pool = random_pool(
            draw.randrange(2**32),
            tick=tick_at_sqrt_ratio(isqrt((depth1_raw << 192) // depth0_raw)) + draw.randint(-100, 100),
            token0=token0.address,
            token1=token1.address,
            address=Address((0xA0 + len(pools)).to_bytes(20)),
            liquidity=isqrt(depth0_raw * depth1_raw),
        )
        pools[pool.address] = pool
        return Hop(
            pool=pool.address,
            venue="uniswap-v3",
            token_in=TOKENS[sold].address,
            token_out=TOKENS[bought].address,
            fee_ppm=pool.fee_ppm,
        )

    buy: Route | None = None
    surplus: Route | None = None
    middle = draw.choice([symbol for symbol in others if symbol not in (collateral, debt)])
    match shape:
        case Shape.KEEPS_COLLATERAL:
            buy = Route(hops=(hop(collateral, debt),))
        case Shape.OWES_NATIVE | Shape.OWES_COLLATERAL:
            surplus = Route(hops=(hop(collateral, "WETH"),))
        case Shape.APART:
            buy, surplus = Route(hops=(hop(collateral, debt),)), Route(hops=(hop(collateral, "WETH"),))
        case Shape.THROUGH_NATIVE:
            first = hop(collateral, "WETH")
            buy, surplus = Route(hops=(first, hop("WETH", debt))), Route(hops=(first,))
        case Shape.THROUGH_DEBT:
            first = hop(collateral, debt)
            buy, surplus = Route(hops=(first,)), Route(hops=(first, hop(debt, "WETH")))
        case Shape.TWO_HOPS:
            buy = Route(hops=(hop(collateral, middle), hop(middle, debt)))
            surplus = Route(hops=(hop(collateral, "WETH"),))
        case Shape.MEETS_AGAIN:
            last = hop(middle, "WETH")
            buy = Route(hops=(hop(collateral, "WETH"), _backwards(last), hop(middle, debt)))
            surplus = Route(hops=(hop(collateral, middle), last))

    owed_raw = int(size_usd / PRICES[debt] * TOKENS[debt].unit_raw)
    terms = LinearTerms(
        collateral=TOKENS[collateral],
        debt=TOKENS[debt],
        collateral_price_base=int(PRICES[collateral] * draw.uniform(0.99, 1.01) * 10**8),
        debt_price_base=int(PRICES[debt] * draw.uniform(0.99, 1.01) * 10**8),
        owed_raw=owed_raw,
        balance_raw=int(size_usd / PRICES[collateral] * draw.uniform(0.9, 1.5) * TOKENS[collateral].unit_raw),
        bonus_bps=draw.choice([10_050, 10_400, 10_500, 10_750, 11_000]),
        protocol_fee_bps=draw.choice([0, 1_000, 2_000]),
        accrues_raw=owed_raw // 10**7,
    )
    premium_bps = draw.choice([0, 5, 9])
    return Trade(
        terms=terms,
        pools=pools,
        buys=() if buy is None else (buy,),
        sells=() if surplus is None else (surplus,),
        wrapped_native=WETH.address,
        fee_raw=lambda amount_raw: -(-amount_raw * premium_bps // 10_000),
        available_raw=2**200,
    )


def _backwards(hop: Hop) -> Hop:
    return Hop(
        pool=hop.pool, venue="uniswap-v3", token_in=hop.token_out, token_out=hop.token_in, fee_ppm=hop.fee_ppm
    )
