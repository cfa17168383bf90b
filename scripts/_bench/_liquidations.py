"""Synthetic liquidations, how the planner deals with them, and how plainer keepers would."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isqrt
from random import Random

from keeper.domain.address import Address
from keeper.domain.depth import Pool, Route
from keeper.domain.funding import Offer
from keeper.domain.position import Terms
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.planner.assembly import Desk
from keeper.planner.evaluation import Evaluation, Trade, evaluate
from keeper.planner.options import PlannerOptions
from keeper.planner.pairs import Pair, Sizer
from keeper.planner.parallel import Depth
from keeper.venues.uniswap_v3 import UniswapV3, V3Pool
from keeper.venues.uniswap_v3.tick_math import tick_at_sqrt_ratio
from tests.routes import routes
from tests.unit.planner.linear_terms import LinearTerms
from tests.unit.planner.trades import DECIMALS, PRICES, TOKENS
from tests.unit.venues.uniswap_v3.pools import random_pool

_GAS_PRICE_WEI = 10 * 10**9
_FIXED_GAS = 350_000
"""What a liquidation uses besides its loan and its hops."""
_PREMIUM_WAD = 500 * 10**12
_SYMBOLS = ("WETH", "WBTC", "USDC", "DAI")
_WETH = TOKENS["WETH"].address
_LENDER = AaveV3Flash(pool=Address(b"\x01" * 20))
_DESK = Desk(
    operator=Address(b"\x02" * 20),
    executor=Address(b"\x03" * 20),
    wrapped_native=_WETH,
    venues=(UniswapV3(factory=Address(b"\x04" * 20), router=Address(b"\x05" * 20)),),
    lenders=(_LENDER,),
)
_OPTIONS = PlannerOptions(
    intermediates=tuple(TOKENS[symbol].address for symbol in ("WETH", "USDC")),
    max_oracle_divergence_bps=10_000,
)
_OFFERS = {
    _LENDER.name: tuple(
        Offer(token=TOKENS[symbol].address, available_raw=2**200, premium_wad=_PREMIUM_WAD)
        for symbol in _SYMBOLS
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidation:
    """One borrower's terms, and the pools to sell into."""

    terms: Terms
    pools: Mapping[Address, Pool]

    def forget(self) -> None:
        """Forget the steps that were taken in the pools: what comes next takes them anew."""
        for pool in self.pools.values():
            assert isinstance(pool, V3Pool)
            pool._walks.clear()


# --- what there is ------------------------------------------------------------------------------------------


def random_liquidation(seed: int) -> Liquidation:
    """Return a position of $1k to $5M, log-uniform, and pools that are 0.5 to 50 times as deep, each."""
    draw = Random(seed)
    size_usd = 1_000 * 5_000 ** draw.random()
    pools = _pools(draw, lambda: size_usd * 0.5 * 100 ** draw.random(), per_pair=(1, 2))
    return Liquidation(terms=_terms(draw, size_usd), pools=pools)


def block(borrowers: int, *, seed: int) -> list[Liquidation]:
    """Return so many borrowers of $1k to $5M before the same ten pools."""
    draw = Random(seed)
    pools = _pools(draw, lambda: 10 ** draw.uniform(6.5, 8), per_pair=(1, 2))
    few = dict(list(pools.items())[:10])
    return [
        Liquidation(terms=_terms(draw, 1_000 * 5_000 ** draw.random()), pools=few) for _ in range(borrowers)
    ]


def _pools(draw: Random, depth_usd: Callable[[], float], *, per_pair: tuple[int, int]) -> dict[Address, Pool]:
    pools: dict[Address, Pool] = {}
    for one, other in combinations(_SYMBOLS, 2):
        token0, token1 = sorted((TOKENS[one], TOKENS[other]), key=lambda token: token.address)
        for _ in range(draw.randint(*per_pair)):
            usd = depth_usd()
            depth0_raw = int(usd / PRICES[token0.symbol] * token0.unit_raw)
            depth1_raw = int(usd / PRICES[token1.symbol] * token1.unit_raw)
            address = Address((0xA0 + len(pools)).to_bytes(20))
            pools[address] = random_pool(
                draw.randrange(2**32),
                tick=tick_at_sqrt_ratio(isqrt((depth1_raw << 192) // depth0_raw)) + draw.randint(-20, 20),
                token0=token0.address,
                token1=token1.address,
                address=address,
                liquidity=isqrt(depth0_raw * depth1_raw),
                fee_ppm=draw.choice([500, 3_000]),
            )
    return pools


def _terms(draw: Random, size_usd: float) -> LinearTerms:
    collateral, debt = draw.sample(_SYMBOLS, 2)
    owed_raw = int(size_usd / PRICES[debt] * TOKENS[debt].unit_raw)
    return LinearTerms(
        collateral=TOKENS[collateral],
        debt=TOKENS[debt],
        collateral_price_base=PRICES[collateral] * 10**8,
        debt_price_base=PRICES[debt] * 10**8,
        owed_raw=owed_raw,
        balance_raw=int(size_usd * 1.2 / PRICES[collateral] * 10 ** DECIMALS[collateral]),
        bonus_bps=draw.choice([10_400, 10_500, 10_750]),
        protocol_fee_bps=1_000,
        accrues_raw=owed_raw // 10**7,
    )


# --- how it is dealt with -----------------------------------------------------------------------------------


def planned_wei(liquidations: Sequence[Liquidation]) -> list[int]:
    """Return what the planner's sizes, routes and fundings bring after gas; 0 where that is nothing.

    All are before the same pools, and each is planned as if it were alone.
    """
    depth = Depth(liquidations[0].pools)
    sizer = Sizer.among(depth, desk=_DESK, options=_OPTIONS, gas_price_wei=_GAS_PRICE_WEI)
    pairs = [sizer.consider(one.terms, depth, _OFFERS) for one in liquidations]
    return [
        max(sizer.roughly_wei(pair) - _FIXED_GAS * _GAS_PRICE_WEI, 0) if isinstance(pair, Pair) else 0
        for pair in pairs
    ]


def naive_wei(one: Liquidation) -> int:
    """Return what the full close brings through the best single pool after gas; 0 where that is nothing."""
    last_raw = one.terms.feasible[-1].most_raw
    return max((_net_wei(trade, last_raw) for trade in _single(one, most_hops=1)), default=0)


def golden_wei(one: Liquidation) -> int:
    """Return the best of golden sections over each interval and single route, its quotes step by step."""
    return max(
        (
            _golden_wei(one, trade, interval.least_raw, interval.most_raw)
            for trade in _single(one, most_hops=2)
            for interval in one.terms.feasible
        ),
        default=0,
    )


def _golden_wei(one: Liquidation, trade: Trade, low: int, high: int) -> int:
    best = 0
    while high - low > max(low // 10**6, 2):
        step = (high - low) * 382 // 1_000
        lower, upper = _quoted_wei(one, trade, low + step), _quoted_wei(one, trade, high - step)
        best = max(best, lower, upper)
        low, high = (low + step, high) if lower < upper else (low, high - step)
    return max(best, _quoted_wei(one, trade, low), _quoted_wei(one, trade, high))


def _quoted_wei(one: Liquidation, trade: Trade, repay_raw: int) -> int:
    one.forget()
    return _net_wei(trade, repay_raw)


def _net_wei(trade: Trade, repay_raw: int) -> int:
    size = evaluate(trade, repay_raw)
    if not isinstance(size, Evaluation):
        return 0
    return max(size.profit_wei - (_FIXED_GAS + trade.gas) * _GAS_PRICE_WEI, 0)


def _single(one: Liquidation, *, most_hops: int) -> Iterator[Trade]:
    """Yield the trades through one route for the purchase, and one pool for the rest."""
    collateral, debt = one.terms.collateral.address, one.terms.debt.address
    between = _OPTIONS.intermediates

    def ways(token_out: Address, hops: int) -> list[tuple[Route, ...]]:
        if token_out in (collateral,):
            return [()]
        return [
            (route,)
            for route in routes(one.pools, collateral, token_out, intermediates=between, most_hops=hops)
        ]

    offer = _OFFERS[_LENDER.name][0]
    for buys in [()] if debt == _WETH else ways(debt, most_hops):
        for sells in ways(_WETH, most_hops if debt == _WETH else 1):
            yield Trade(
                terms=one.terms,
                pools=one.pools,
                buys=buys,
                sells=sells,
                wrapped_native=_WETH,
                fee_raw=offer.fee_raw,
                available_raw=2**200,
                gas=_LENDER.loan_gas + sum(_DESK.gas(route) for route in (*buys, *sells)),
            )
