"""Which pairs are declined, with which words; what else the market says of a position."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.domain.address import Address, checksum
from keeper.domain.declined import Reason
from keeper.domain.fixed_point import WAD
from keeper.domain.head import NextBlock
from keeper.domain.position import Opportunity
from keeper.domain.token import TokenAmount
from keeper.protocols.aave_v3 import AaveV3
from keeper.protocols.aave_v3.state import EMode, Market, Row
from tests.unit.protocols.aave_v3.markets import BORROWER, DOLLAR, NOW_S, POOL, POSITION, market, reserve, row

_UNHEALTHY = row(has={0: 9_000 * 10**18}, owes={1: 8_000 * 10**6})


def opportunity(market_: Market, row_: Row = _UNHEALTHY) -> Opportunity:
    block = NextBlock(number=1, timestamp_s=NOW_S, base_fee_wei=0, coinbase=BORROWER)
    return AaveV3(pool=POOL).opportunity(market_, POSITION, row_, block=block, deadline_s=NOW_S + 60)


@pytest.mark.parametrize(
    ("market_", "reason", "detail"),
    [
        (market(reserve(0, active=False), reserve(1, decimals=6)), Reason.INACTIVE, "T0"),
        (market(reserve(0), reserve(1, decimals=6, paused=True)), Reason.PAUSED, "T1"),
        (
            market(reserve(0, threshold_bps=8_800), reserve(1, decimals=6), allows=False),
            Reason.SENTINEL,
            "it allows none at a health factor of 0.9900",
        ),
        (
            market(reserve(0, grace_until_s=NOW_S), reserve(1, decimals=6)),
            Reason.IN_GRACE,
            f"T0 until {NOW_S}",
        ),
        (
            market(reserve(0, threshold_bps=9_000), reserve(1, decimals=6)),
            Reason.HEALTHY,
            "health factor 1.0125",
        ),
        (
            market(reserve(0, price_base=0, priced=False), reserve(1, decimals=6)),
            Reason.ZERO_PRICE,
            "the oracle reverts for T0",
        ),
        (market(reserve(0, price_base=0), reserve(1, decimals=6)), Reason.ZERO_PRICE, "T0"),
        (
            market(reserve(0, cash_raw=0), reserve(1, decimals=6)),
            Reason.NO_CASH,
            f"the pool has 0 T0; {checksum(reserve(0).a_token)} is its aToken",
        ),
        (
            market(reserve(0, fault="its decimals() fails"), reserve(1, decimals=6)),
            Reason.UNVERIFIED,
            "T0: its decimals() fails",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Reason) else None,
)
def test_opportunity__pair_ruled_out__declined_with_why(market_: Market, reason: Reason, detail: str) -> None:
    found = opportunity(market_)
    assert found.terms == ()
    (declined,) = found.declined
    assert (declined.why.reason, declined.why.detail) == (reason, detail)


def test_opportunity__revision_that_is_known__has_no_caveat() -> None:
    assert opportunity(market(reserve(0), reserve(1, decimals=6))).caveat == ""


def test_opportunity__unknown_revision_allowed__computed_as_the_newest_and_marked() -> None:
    unknown = replace(market(reserve(0), reserve(1, decimals=6)), revision=12)
    block = NextBlock(number=1, timestamp_s=NOW_S, base_fee_wei=0, coinbase=BORROWER)
    protocol = AaveV3(pool=POOL, allow_unverified=True)
    found = protocol.opportunity(unknown, POSITION, _UNHEALTHY, block=block, deadline_s=NOW_S)
    assert found.terms
    assert found.caveat == "pool revision 12 is not known: computed as revision 11"


def test_opportunity__grace_over_by_a_second__has_terms() -> None:
    assert opportunity(market(reserve(0, grace_until_s=NOW_S - 1), reserve(1, decimals=6))).terms


def test_opportunity__sentinel_and_health_below_its_bound__has_terms() -> None:
    assert opportunity(market(reserve(0), reserve(1, decimals=6), allows=False)).terms


def test_opportunity__two_collaterals_one_paused__the_other_has_terms() -> None:
    market_ = market(reserve(0), reserve(1, decimals=6), reserve(2, paused=True))
    found = opportunity(market_, row(has={0: 7_000 * 10**18, 2: 10**18}, owes={1: 8_000 * 10**6}))
    assert [terms.collateral.symbol for terms in found.terms] == ["T0"]
    assert [(pair.collateral.symbol, pair.why.reason) for pair in found.declined] == [("T2", Reason.PAUSED)]


def test_opportunity__one_unit_short_of_cash__ends_where_the_cash_does() -> None:
    rich = opportunity(market(reserve(0), reserve(1, decimals=6))).terms[0]
    most = rich.feasible[0].most_raw
    cash = rich.settle(most).seized_raw
    enough = opportunity(market(reserve(0, cash_raw=cash), reserve(1, decimals=6))).terms[0]
    short = opportunity(market(reserve(0, cash_raw=cash - 1), reserve(1, decimals=6))).terms[0]
    assert enough.feasible[-1].most_raw == most
    assert short.feasible[-1].most_raw == most - 1


def test_health__e_mode_of_the_borrower__its_threshold_counts() -> None:
    e_mode = EMode(
        id=1,
        ltv_bps=9_300,
        liquidation_threshold_bps=9_500,
        liquidation_bonus_bps=10_100,
        collateral_bitmap=0b1,
        ltv_zero_bitmap=0,
    )
    market_ = market(reserve(0), reserve(1, decimals=6), e_modes=(e_mode,))
    protocol = AaveV3(pool=POOL)
    within = row(has={0: 9_000 * 10**18}, owes={1: 8_000 * 10**6}, e_mode=1)
    plain, inside = protocol.healths(market_, [_UNHEALTHY, within], at_s=NOW_S)
    assert plain.health_factor_wad == 9 * WAD // 10
    assert inside.health_factor_wad == 9_000 * 95 * WAD // 800_000
    assert (inside.collateral_base, inside.debt_base) == (9_000 * DOLLAR, 8_000 * DOLLAR)


def test_health__reserve_dropped_from_the_market__is_passed_over() -> None:
    market_ = market(reserve(0), reserve(1, decimals=6))
    with_dropped = row(has={0: 9_000 * 10**18, 7: 5}, owes={1: 8_000 * 10**6, 8: 5})
    protocol = AaveV3(pool=POOL)
    held, without = protocol.healths(market_, [with_dropped, _UNHEALTHY], at_s=NOW_S)
    assert held == without


def test_holdings__both_sides__in_tokens_and_in_value() -> None:
    market_ = market(reserve(0, price_base=2 * DOLLAR), reserve(1, decimals=6))
    collateral, debt = AaveV3(pool=POOL).holdings(market_, _UNHEALTHY, at_s=NOW_S)
    assert [(one.amount, one.value_base) for one in collateral] == [
        (TokenAmount(token=market_.reserves[0].token, raw=9_000 * 10**18), 18_000 * DOLLAR)
    ]
    assert [(one.amount, one.value_base) for one in debt] == [
        (TokenAmount(token=market_.reserves[1].token, raw=8_000 * 10**6), 8_000 * DOLLAR)
    ]


def test_owes__flag_without_a_balance__does_not() -> None:
    protocol = AaveV3(pool=POOL)
    assert protocol.owes(_UNHEALTHY)
    assert not protocol.owes(row(has={0: 1}, owes={1: 0}))


def test_tokens__reserve_with_a_fault__is_left_out() -> None:
    market_ = market(reserve(0, fault="its decimals() fails"), reserve(1))
    assert [token.symbol for token in AaveV3(pool=POOL).tokens(market_)] == ["T1"]


def test_name__pool__protocol_and_checksummed_address() -> None:
    assert AaveV3(pool=Address(b"\xaa" * 20)).name == "aave-v3:0xaAaAaAaaAaAaAaaAaAAAAAAAAaaaAaAaAaaAaaAa"
