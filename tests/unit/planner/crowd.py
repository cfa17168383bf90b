"""Borrowers of one block before the same few pools, and a planner of their own: all in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isqrt
from random import Random

from keeper.domain.address import Address, Hash32
from keeper.domain.depth import Pool
from keeper.domain.fixed_point import WAD
from keeper.domain.funding import Offer
from keeper.domain.head import Head
from keeper.domain.observation import Observation
from keeper.domain.plan import Draft
from keeper.domain.position import Cash, Health, Opportunity
from keeper.domain.surcharge import NO_SURCHARGE
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.planner.assembly import Desk
from keeper.planner.options import PlannerOptions
from keeper.planner.planner import Planner
from keeper.planner.proposal import Proposal
from keeper.venues.uniswap_v3 import UniswapV3
from keeper.venues.uniswap_v3.tick_math import tick_at_sqrt_ratio
from tests.unit.planner.linear_terms import LinearTerms
from tests.unit.planner.trades import DECIMALS, PRICES, TOKENS
from tests.unit.venues.uniswap_v3.pools import random_pool

GAS_USED = 600_000
_SYMBOLS = ("WETH", "WBTC", "USDC")
_LENDER = AaveV3Flash(pool=Address(b"\x01" * 20))


def holder(symbol: str) -> Address:
    """Return who has the cash of a token, to lend and to pay out."""
    return Address(bytes([TOKENS[symbol].address[0] + 0x40]) * 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """All that one block's decision is made from."""

    planner: Planner
    seen: Observation
    proposals: tuple[Proposal, ...]
    gas_used: Mapping[Draft, int]


def crowd(
    seed: int,
    *,
    borrowers: int,
    falling: bool,
    depth: tuple[float, float] = (5.5, 7),
    cash: Mapping[str, int] | None = None,
    gas_limit: int = 10**9,
) -> Crowd:
    """Return borrowers of $1k to $5M before pools of 10 to the `depth` dollars.

    Where the market is `falling` all sell for dollars; else anything for anything. `cash` is how many whole
    tokens there are of some to pay out and to lend, where that may run out.
    """
    draw = Random(seed)
    pools = _pools(draw, depth)
    held = {symbol: whole * TOKENS[symbol].unit_raw for symbol, whole in (cash or {}).items()}
    opportunities = tuple(
        Opportunity(
            market="a market",
            borrower=Address(at.to_bytes(20, "big")),
            health=Health(health_factor_wad=WAD * 96 // 100, collateral_base=1, debt_base=1),
            terms=(_terms(draw, held, falling=falling),),
            declined=(),
        )
        for at in range(1, borrowers + 1)
    )
    head = Head(
        number=1,
        hash=Hash32(bytes(32)),
        parent=Hash32(bytes(32)),
        timestamp_s=1,
        base_fee_wei=9 * 10**9,
        gas_used=gas_limit // 2,
        gas_limit=gas_limit,
        coinbase=Address(bytes(20)),
    )
    offers = tuple(
        Offer(
            token=TOKENS[symbol].address,
            available_raw=held.get(symbol, 2**200),
            premium_wad=500 * 10**12,
            holder=holder(symbol),
        )
        for symbol in _SYMBOLS
    )
    seen = Observation(
        head=head,
        block=head.next_block(block_time_s=12),
        deadline_s=25,
        opportunities=opportunities,
        pools=pools,
        offers={_LENDER.name: offers},
        surcharge=NO_SURCHARGE,
        borrowers=borrowers,
        skipped=(),
    )
    planner = _planner()
    proposals = planner.propose(seen, opportunities)
    drafts = [one.draft for proposal in proposals for one in proposal.drafts]
    return Crowd(planner=planner, seen=seen, proposals=proposals, gas_used=dict.fromkeys(drafts, GAS_USED))


def _planner() -> Planner:
    return Planner(
        desk=Desk(
            operator=Address(b"\x02" * 20),
            executor=Address(b"\x03" * 20),
            wrapped_native=TOKENS["WETH"].address,
            venues=(UniswapV3(factory=Address(b"\x04" * 20), router=Address(b"\x05" * 20)),),
            lenders=(_LENDER,),
        ),
        options=PlannerOptions(
            intermediates=tuple(TOKENS[symbol].address for symbol in ("WETH", "USDC")),
            max_oracle_divergence_bps=10_000,
        ),
    )


def _pools(draw: Random, depth: tuple[float, float]) -> dict[Address, Pool]:
    pools: dict[Address, Pool] = {}
    for one, other in combinations(_SYMBOLS, 2):
        token0, token1 = sorted((TOKENS[one], TOKENS[other]), key=lambda token: token.address)
        usd = 10 ** draw.uniform(*depth)
        depth0_raw = int(usd / PRICES[token0.symbol] * token0.unit_raw)
        depth1_raw = int(usd / PRICES[token1.symbol] * token1.unit_raw)
        address = Address((0xA0 + len(pools)).to_bytes(20))
        pools[address] = random_pool(
            draw.randrange(2**32),
            tick=tick_at_sqrt_ratio(isqrt((depth1_raw << 192) // depth0_raw)),
            token0=token0.address,
            token1=token1.address,
            address=address,
            liquidity=isqrt(depth0_raw * depth1_raw),
            fee_ppm=500,
        )
    return pools


def _terms(draw: Random, held_raw: Mapping[str, int], *, falling: bool) -> LinearTerms:
    pairs: Sequence[tuple[str, str]] = [("WETH", "USDC"), ("WBTC", "USDC")]
    if not falling:
        pairs = [*pairs, ("USDC", "WETH"), ("USDC", "WBTC"), ("WETH", "WBTC"), ("WBTC", "WETH")]
    collateral, debt = draw.choice(pairs)
    size_usd = 1_000 * 5_000 ** draw.random()
    return LinearTerms(
        collateral=TOKENS[collateral],
        debt=TOKENS[debt],
        collateral_price_base=PRICES[collateral] * 10**8,
        debt_price_base=PRICES[debt] * 10**8,
        owed_raw=int(size_usd / PRICES[debt] * TOKENS[debt].unit_raw),
        balance_raw=int(size_usd * 1.2 / PRICES[collateral] * 10 ** DECIMALS[collateral]),
        bonus_bps=draw.choice([10_400, 10_500, 10_750, 11_000]),
        cash=Cash(holder(collateral), held_raw[collateral]) if collateral in held_raw else None,
    )
