"""Small markets and positions, built by hand or drawn at random."""

from __future__ import annotations

from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.domain.fixed_point import RAY
from keeper.domain.position import PositionId
from keeper.domain.token import Token
from keeper.protocols.aave_v3.state import Configuration, EMode, Market, Reserve, Row, Scaled

POOL = Address(b"\x99" * 20)
PROVIDER = Address(b"\x98" * 20)
CONFIGURATOR = Address(b"\x97" * 20)
ORACLE = Address(b"\x96" * 20)
BORROWER = Address(b"\x42" * 20)
POSITION = PositionId("a market", BORROWER)
NOW_S = 1_800_000_000
DOLLAR = 10**8


def reserve(
    reserve_id: int,
    *,
    decimals: int = 18,
    price_base: int = DOLLAR,
    threshold_bps: int = 8_000,
    bonus_bps: int = 10_500,
    fee_bps: int = 1_000,
    liquidity_index_ray: int = RAY,
    debt_index_ray: int = RAY,
    liquidity_rate_ray: int = 0,
    debt_rate_ray: int = 0,
    cash_raw: int = 2**127,
    active: bool = True,
    paused: bool = False,
    priced: bool = True,
    grace_until_s: int = 0,
    fault: str | None = None,
) -> Reserve:
    return Reserve(
        id=reserve_id,
        token=Token(address=token(reserve_id), symbol=f"T{reserve_id}", decimals=decimals),
        a_token=Address(bytes([0xA0, reserve_id]) * 10),
        debt_token=Address(bytes([0xD0, reserve_id]) * 10),
        configuration=Configuration(
            ltv_bps=threshold_bps - 500,
            liquidation_threshold_bps=threshold_bps,
            liquidation_bonus_bps=bonus_bps,
            decimals=decimals,
            active=active,
            paused=paused,
            protocol_fee_bps=fee_bps,
        ),
        liquidity_index_ray=liquidity_index_ray,
        liquidity_rate_ray=liquidity_rate_ray,
        debt_index_ray=debt_index_ray,
        debt_rate_ray=debt_rate_ray,
        updated_at_s=NOW_S,
        grace_until_s=grace_until_s,
        cash_raw=cash_raw,
        price_base=price_base,
        priced=priced,
        fault=fault,
    )


def token(reserve_id: int) -> Address:
    return Address(bytes([0xEE, reserve_id]) * 10)


def market(
    *reserves: Reserve, e_modes: tuple[EMode, ...] = (), sentinel: Address | None = None, allows: bool = True
) -> Market:
    return Market(
        revision=10,
        provider=PROVIDER,
        configurator=CONFIGURATOR,
        oracle=ORACLE,
        sentinel=sentinel,
        sentinel_allows=allows,
        reserves={one.id: one for one in reserves},
        e_modes={one.id: one for one in e_modes},
    )


def row(*, has: dict[int, int], owes: dict[int, int], e_mode: int = 0) -> Row:
    return Row(
        e_mode=e_mode,
        collaterals=tuple(Scaled(*one) for one in has.items()),
        debts=tuple(Scaled(*one) for one in owes.items()),
    )


@st.composite
def small_positions(draw: st.DrawFn) -> tuple[Market, Row]:
    """Draw a market and a position small enough to try every amount that may be repaid.

    A few thousand units at most, worth from nothing to some thousand dollars, so that the thresholds of
    $1000 and $2000, the caps and every rounding are met.
    """
    bonus_bps = draw(st.sampled_from([10_000, 10_100, 10_500, 11_000, 12_500]))
    has = {0: draw(st.integers(1, 2_500))}
    owes = {1: draw(st.integers(1, 2_500))}
    if draw(st.booleans()):
        has[2] = draw(st.integers(1, 500))
    if draw(st.booleans()):
        owes[2] = draw(st.integers(1, 500))
    threshold_bps = draw(st.integers(1, 95_000_000 // bonus_bps))
    debt_dollars = draw(st.integers(500, 9_000))
    held_dollars = debt_dollars * draw(st.integers(7_000, 12_000)) // threshold_bps
    dollars = [held_dollars, debt_dollars, draw(st.sampled_from([1, 900, 2_500]))]
    if draw(st.integers(0, 3)) == 0:  # else rounding would hardly matter
        dollars = [0, 0, 0]
    decimals = [draw(st.integers(0, 3)) for _ in range(3)]
    units = [has[0], owes[1], 500]
    prices = [
        max(worth * DOLLAR * 10**places // raw, draw(st.integers(1, 10**4)))
        for worth, places, raw in zip(dollars, decimals, units, strict=True)
    ]
    indices = [draw(st.one_of(st.just(RAY), st.integers(RAY, RAY * 6 // 5))) for _ in range(4)]
    return market(
        reserve(
            0,
            decimals=decimals[0],
            price_base=prices[0],
            threshold_bps=threshold_bps,
            bonus_bps=bonus_bps,
            fee_bps=draw(st.sampled_from([0, 1_000, 2_000, 10_000])),
            liquidity_index_ray=indices[0],
            cash_raw=draw(st.one_of(st.just(2**127), st.just(2**127), st.integers(0, 300))),
        ),
        reserve(1, decimals=decimals[1], price_base=prices[1], debt_index_ray=indices[1]),
        reserve(
            2,
            decimals=decimals[2],
            price_base=prices[2],
            liquidity_index_ray=indices[2],
            debt_index_ray=indices[3],
        ),
    ), row(has=has, owes=owes)
