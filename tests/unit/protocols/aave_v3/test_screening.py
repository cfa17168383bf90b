"""The screen misses nobody, in any revision: at health 1, at any other, and at amounts of every size."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.fixed_point import BPS, RAY, WAD
from keeper.protocols.aave_v3 import AaveV3
from keeper.protocols.aave_v3.known import KNOWN
from keeper.protocols.aave_v3.state import EMode, Market, Row, Scaled
from tests.unit.protocols.aave_v3.markets import DOLLAR, NOW_S, POOL, POSITION, market, reserve
from tests.unit.protocols.screens import passes

PROTOCOL = AaveV3(pool=POOL)
_BAND = 3e-4


def drawn_market(random: Random, revision: int) -> Market:
    """Draw up to twenty reserves of 0 to 30 decimals, any price, and an e-mode that covers some of them."""
    reserves = [
        reserve(
            id_,
            decimals=random.choice([0, 2, 6, 8, 18, 30]),
            price_base=random.choice(
                [
                    0,
                    random.randint(1, 10),
                    int(DOLLAR * 10 ** random.uniform(-2, 5)),
                    int(DOLLAR * 10 ** random.uniform(-2, 13)),
                ]
            ),
            threshold_bps=random.choice([0, random.randint(1, 9_900), random.randint(1, 9_900)]),
            liquidity_index_ray=random.randint(RAY, 2 * RAY),
            debt_index_ray=random.randint(RAY, 3 * RAY),
            liquidity_rate_ray=random.choice([0, RAY // 20]),
            debt_rate_ray=random.choice([0, RAY // 10]),
        )
        for id_ in range(random.randint(1, 20))
    ]
    e_mode = EMode(
        id=1,
        ltv_bps=9_000,
        liquidation_threshold_bps=random.randint(1, 9_800),
        liquidation_bonus_bps=10_100,
        collateral_bitmap=random.randrange(2**20),
        ltv_zero_bitmap=0,
    )
    return replace(market(*reserves, e_modes=(e_mode,)), revision=revision)


def drawn_row(random: Random, held: Market, *, health: float, at_s: int) -> Row:
    """Draw collaterals, some of reserves that are not listed, and debts for about such a health."""

    def some() -> list[int]:
        return random.sample(range(22), random.choice([1, 1, 2, 3, 22]))

    has = tuple(Scaled(id_, int(10 ** random.uniform(0, 30))) for id_ in some())
    row = Row(e_mode=random.randint(0, 2), collaterals=has, debts=())
    revision = KNOWN[held.revision].revision
    may_owe_base = revision.account(held, row, at_s=at_s).threshold_base_bps / BPS
    ids = some()
    priced = [held.reserves[id_] for id_ in ids if id_ in held.reserves and held.reserves[id_].price_base]
    scaled = dict.fromkeys(ids, random.randint(0, 10**24))
    for one in priced:
        raw = may_owe_base / health / len(priced) / one.price_base * one.unit_raw
        scaled[one.id] = int(raw * RAY / revision.accrue(one, at_s=at_s).debt_ray)
    debts = [Scaled(id_, min(amount, 2**128 - 1)) for id_, amount in scaled.items()]
    return row._replace(debts=tuple(debts))


@pytest.mark.parametrize("revision", sorted(KNOWN))
def test_weights__any_position__whoever_is_below_passes(revision: int) -> None:
    met: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None)
    @given(
        st.integers(0, 2**64),
        st.one_of(st.integers(-300, 300).map(lambda ppm: 1 + ppm / 1e6), st.floats(0.01, 100)),
        st.sampled_from([0, 12, 10**7]),
    )
    def check(seed: int, health: float, later_s: int) -> None:
        random, at_s = Random(seed), NOW_S + later_s
        held = drawn_market(random, revision)
        for _ in range(6):
            row = drawn_row(random, held, health=health, at_s=at_s)
            (found,) = PROTOCOL.healths(held, [row], at_s=at_s)
            wad = found.health_factor_wad
            for below_wad in (WAD, 105 * WAD // 100, min(wad + 1, 2**200)):
                passed = passes(PROTOCOL, held, POSITION, row, below_wad=below_wad, at_s=at_s)
                assert passed or wad >= below_wad
            near = abs(wad - WAD) < 2 * _BAND * WAD
            met["near, below" if near and wad < WAD else "near, above" if near else "far"] += 1

    check()
    print(revision, dict(met))
    assert min(met["near, below"], met["near, above"]) >= 10, met


@pytest.mark.parametrize("revision", sorted(KNOWN))
@pytest.mark.parametrize("threshold_bps", [5_000, 8_000, 9_500])
def test_weights__sizes_that_matter__only_a_narrow_band_above_passes(
    revision: int, threshold_bps: int
) -> None:
    held = replace(market(reserve(0, threshold_bps=threshold_bps), reserve(1)), revision=revision)
    for health in (0.9, 0.99999, 1 + 1 / threshold_bps + 1e-6, 1.01):
        owed = int(1_000 * WAD * threshold_bps / 10_000 / health)
        row = Row(e_mode=0, collaterals=(Scaled(0, 1_000 * WAD),), debts=(Scaled(1, owed),))
        assert passes(PROTOCOL, held, POSITION, row, below_wad=WAD, at_s=NOW_S) == (health < 1), health


def test_weights__no_threshold_of_its_own__no_collateral_up_to_revision_8() -> None:
    """The e-mode's would count, but those revisions pass over such a reserve."""
    e_mode = EMode(
        id=1,
        ltv_bps=9_000,
        liquidation_threshold_bps=9_500,
        liquidation_bonus_bps=10_100,
        collateral_bitmap=1,
        ltv_zero_bitmap=0,
    )
    row = Row(e_mode=1, collaterals=(Scaled(0, 10**20),), debts=(Scaled(1, 10**18),))
    for revision in KNOWN:
        held = replace(market(reserve(0, threshold_bps=0), reserve(1), e_modes=(e_mode,)), revision=revision)
        (health,) = PROTOCOL.healths(held, [row], at_s=NOW_S)
        unhealthy = health.health_factor_wad < WAD
        assert unhealthy == (revision <= 8)
        assert passes(PROTOCOL, held, POSITION, row, below_wad=WAD, at_s=NOW_S) == unhealthy
