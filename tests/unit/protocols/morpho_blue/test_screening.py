"""The screen misses nobody, in Morpho's markets and in the contracts that close before: at every size."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.domain.fixed_point import WAD
from keeper.domain.position import PositionId
from keeper.protocols.morpho_blue.liquidation import PRICE_SCALE
from keeper.protocols.morpho_blue.pre_liquidation import MorphoPreLiquidation
from keeper.protocols.morpho_blue.pre_liquidation.arithmetic import Parameters
from keeper.protocols.morpho_blue.pre_liquidation.state import Contract, PreMarkets, PreRow
from keeper.protocols.morpho_blue.state import IsolatedMarket, Markets, Position, Row, Totals
from tests.unit.protocols.morpho_blue.markets import BLUE, BORROWER, MORPHO, NAME, NOW_S, market
from tests.unit.protocols.screens import passes

PRE = MorphoPreLiquidation(factory=Address(b"\xfa" * 20))
CONTRACT = Contract(
    address=Address(b"\xc0" * 20),
    market=NAME,
    parameters=Parameters(80 * WAD // 100, WAD // 4, WAD // 2, 101 * WAD // 100, 104 * WAD // 100),
    oracle=Address(b"\x0b" * 20),
)
PRE_NAME = f"{PRE.name}/0xc0"
_BAND = 3e-4

healths = st.one_of(*3 * [st.integers(-300, 300).map(lambda ppm: 1 + ppm / 1e6)], st.floats(0.01, 100))
seeds = st.integers(0, 2**64)


def drawn_market(random: Random) -> IsolatedMarket:
    """Draw totals and a price of any size, one in eight absurd, or without what a health needs."""
    assets = int(10 ** random.uniform(0, 30))
    shares = int(assets * 10 ** random.uniform(5.5, 6.0))
    totals = Totals(2 * assets, 2 * shares, assets, shares, NOW_S - random.choice([0, 60, 10**6]), 0)
    price = int(10 ** random.uniform(20, 60))
    return market(
        price=random.choice([*7 * [price], None, 0, 2**200]),
        rate_wad=random.choice([*9 * [3 * 10**9], None]),
        lltv_wad=random.choice([385, 625, 770, 860, 945, 980]) * WAD // 1000,
        totals=totals if random.randrange(20) else totals._replace(borrow_assets=2**128 - 1),
    )


def drawn_position(
    random: Random, held: IsolatedMarket, *, price: int, limit_wad: int, health: float
) -> Position:
    """Draw collateral of any size, and shares for about such a health."""
    collateral = int(10 ** random.uniform(0, 30))
    totals = held.totals
    owed = collateral * price / PRICE_SCALE * limit_wad / WAD / health
    shares = int(owed / (totals.borrow_assets + 1) * (totals.borrow_shares + 10**6))
    return Position(borrow_shares=max(1, min(shares, totals.borrow_shares)), collateral=collateral)


def counted(wad: int) -> str:
    near = abs(wad - WAD) < 2 * _BAND * WAD
    return "none told" if wad == 0 else "near, below" if near and wad < WAD else "near" if near else "far"


def test_weights__any_position__whoever_is_below_passes() -> None:
    met: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None)
    @given(seeds, healths)
    def check(seed: int, health: float) -> None:
        for place in range(4):
            look_at(Random(f"{seed} {place}"), health)

    def look_at(random: Random, health: float) -> None:
        held = drawn_market(random)
        position = drawn_position(
            random, held, price=held.price or 10**36, limit_wad=held.listing.lltv_wad, health=health
        )
        markets, row = Markets(by_name={NAME: held}), Row(NAME, position)
        wad = BLUE.health(markets, row, at_s=NOW_S).health_factor_wad
        for below_wad in (WAD, min(wad + 1, 2**200)):
            passed = passes(BLUE, markets, PositionId(NAME, BORROWER), row, below_wad=below_wad, at_s=NOW_S)
            assert passed or wad >= below_wad
        met[counted(wad)] += 1

    check()
    print(dict(met))
    assert all(met[kind] >= 3 for kind in ("none told", "near, below", "near", "far")), met


def test_weights__any_position_before__whoever_is_below_passes() -> None:
    met: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None)
    @given(seeds, healths)
    def check(seed: int, health: float) -> None:
        for place in range(4):
            look_at(Random(f"{seed} {place}"), health)

    def look_at(random: Random, health: float) -> None:
        held = drawn_market(random)
        price = random.choice([*7 * [int(10 ** random.uniform(20, 60))], 0, None])
        position = drawn_position(
            random,
            held,
            price=price or 10**36,
            limit_wad=CONTRACT.parameters.pre_lltv_wad,
            health=health,
        )
        markets = PreMarkets(
            morpho=MORPHO,
            contracts={PRE_NAME: CONTRACT},
            markets={NAME: held},
            prices={CONTRACT.oracle: price},
        )
        row = PreRow(PRE_NAME, True, position)
        wad = PRE.health(markets, row, at_s=NOW_S).health_factor_wad
        for below_wad in (WAD, min(wad + 1, 2**200)):
            passed = passes(
                PRE, markets, PositionId(PRE_NAME, BORROWER), row, below_wad=below_wad, at_s=NOW_S
            )
            assert passed or wad >= below_wad
        met[counted(wad)] += 1

    check()
    print(dict(met))
    assert all(met[kind] >= 3 for kind in ("none told", "near, below", "near", "far")), met


def test_weights__a_sound_market__only_the_unhealthy_pass() -> None:
    held = market()
    for health in (0.9, 1 - 1e-9, 1 + 1e-9, 1.1):
        position = drawn_position(
            Random(7), held, price=held.price or 0, limit_wad=held.listing.lltv_wad, health=health
        )
        position = position._replace(collateral=10**21)
        shares = 10**21 * (held.price or 0) // PRICE_SCALE * held.listing.lltv_wad // WAD
        shares = int(shares / 1.0000001803 / health * (held.totals.borrow_shares / held.totals.borrow_assets))
        markets, row = Markets(by_name={NAME: held}), Row(NAME, position._replace(borrow_shares=shares))
        wad = BLUE.health(markets, row, at_s=NOW_S).health_factor_wad
        passed = passes(BLUE, markets, PositionId(NAME, BORROWER), row, below_wad=WAD, at_s=NOW_S)
        assert passed == (wad < WAD)
