"""The terms against every amount there is: what they allow goes through, what goes through they allow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from keeper.abi import load
from keeper.domain.address import Address, word
from keeper.domain.declined import Declined, Reason
from keeper.domain.fixed_point import RAY, WAD
from keeper.domain.head import NextBlock
from keeper.domain.position import Interval, Opportunity
from keeper.protocols.aave_v3 import AaveV3, revision_1, revision_7, revision_8, revision_10, revision_11
from keeper.protocols.aave_v3.revision import MAX_UINT, Close, Kind, Pair, Refusal, Revision
from keeper.protocols.aave_v3.state import Market, Row
from keeper.protocols.aave_v3.terms import AaveTerms, steady
from tests.unit.protocols.aave_v3.markets import (
    BORROWER,
    DOLLAR,
    NOW_S,
    POOL,
    POSITION,
    market,
    reserve,
    row,
    small_positions,
    token,
)

_MUCH = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


_REVISIONS: dict[str, Revision] = {
    "3.0": revision_1,
    "3.3": revision_7,
    "3.4": revision_8,
    "3.6": revision_10,
    "3.7": revision_11,
}
for_each_revision = pytest.mark.parametrize("revision", _REVISIONS.values(), ids=_REVISIONS)


def pairs_of(market_: Market, row_: Row, revision: Revision = revision_10) -> list[Pair]:
    account = revision.account(market_, row_, at_s=NOW_S)
    return [
        revision.pair(account, collateral=collateral.reserve, debt=debt.reserve)
        for collateral in account.collaterals
        for debt in account.debts
    ]


def terms_of(pair: Pair, revision: Revision = revision_10) -> AaveTerms | Refusal:
    stretches = revision.feasible(pair)
    if isinstance(stretches, Refusal):
        return stretches
    return AaveTerms(
        revision=revision,
        pool=POOL,
        borrower=BORROWER,
        pair=pair,
        late=pair,
        stretches=steady(stretches),
    )


def tried(pair: Pair, revision: Revision) -> dict[int, Close]:
    """Return what every possible call does, by the amount really repaid; those that revert are left out."""
    closes: dict[int, Close] = {}
    for debt_to_cover in range(1, pair.limit_raw + 2):
        close = revision.close(pair, debt_to_cover=debt_to_cover, receive_a_token=False)
        if isinstance(close, Close) and close.repaid_raw > 0:
            closes[close.repaid_raw] = close
    return closes


def amounts(terms: AaveTerms) -> list[int]:
    return [n for interval in terms.feasible for n in range(interval.least_raw, interval.most_raw + 1)]


def opportunity(market_: Market, row_: Row, *, deadline_s: int = NOW_S) -> Opportunity:
    block = NextBlock(number=1, timestamp_s=NOW_S, base_fee_wei=0, coinbase=BORROWER)
    return AaveV3(pool=POOL).opportunity(market_, POSITION, row_, block=block, deadline_s=deadline_s)


# --- what may be repaid -------------------------------------------------------------------------------------


@for_each_revision
@_MUCH
@given(position=small_positions())
def test_feasible__small_position__exactly_the_amounts_that_go_through(
    revision: Revision, position: tuple[Market, Row]
) -> None:
    for pair in pairs_of(*position, revision):
        stretches = revision.feasible(pair)
        going_through = set(tried(pair, revision))
        if isinstance(stretches, Refusal):
            event(f"none, {stretches}")
            assert going_through == set()
            continue
        event(", ".join(sorted(one.kind.name for one in stretches)))
        assert going_through == {n for one in stretches for n in range(one.least_raw, one.most_raw + 1)}


@for_each_revision
@_MUCH
@given(position=small_positions())
def test_steady__small_position__drops_only_what_costs_about_as_much_as_the_cap(
    revision: Revision, position: tuple[Market, Row]
) -> None:
    for pair in pairs_of(*position, revision):
        terms = terms_of(pair, revision)
        if isinstance(terms, Refusal):
            continue
        closes = tried(pair, revision)
        kept = set(amounts(terms))
        assert kept <= set(closes)
        for repay in set(closes) - kept:
            event("dropped")
            (capped,) = [one for one in terms.stretches if one.kind is Kind.ALL_COLLATERAL_BY_CAP]
            assert closes[repay].seized_raw == closes[capped.least_raw].seized_raw
            assert not closes[repay].stays_collateral


@for_each_revision
@settings(_MUCH, max_examples=50)
@given(position=small_positions())
def test_settle__every_feasible_amount__is_what_the_call_moves(
    revision: Revision, position: tuple[Market, Row]
) -> None:
    for pair in pairs_of(*position, revision):
        terms = terms_of(pair, revision)
        if isinstance(terms, Refusal):
            continue
        for repay in amounts(terms):
            settled = terms.settle(repay)
            cover = load("aave_v3_pool").function("liquidationCall").arguments(terms.call(repay).data)[3]
            close = revision.close(pair, debt_to_cover=cover, receive_a_token=False)
            assert isinstance(close, Close)
            assert settled.repaid_raw == close.repaid_raw == settled.repaid_limit_raw == repay
            assert settled.seized_raw == close.seized_raw == settled.seized_least_raw
            assert settled.clears_debt == (close.debt_scaled_after == 0)
            assert settled.bad_debt_base == sum(one.base for one in close.deficits)


@_MUCH
@given(small_positions(), st.integers(0, 4_000))
def test_settle__other_amounts__raises(position: tuple[Market, Row], repay: int) -> None:
    for pair in pairs_of(*position):
        terms = terms_of(pair)
        if not isinstance(terms, Refusal) and repay not in amounts(terms):
            with pytest.raises(ValueError, match="not among the amounts"):
                terms.settle(repay)


def test_feasible__dust_on_both_sides__a_hole_below_the_full_clear() -> None:
    """$9,000 of collateral, $8,000 of debt, health 0.9: whole, or leaving $1000 of debt and collateral."""
    market_ = market(reserve(0), reserve(1, decimals=6))
    (pair,) = pairs_of(market_, row(has={0: 9_000 * 10**18}, owes={1: 8_000 * 10**6}))
    terms = terms_of(pair)
    assert isinstance(terms, AaveTerms)
    assert terms.feasible == (
        Interval(least_raw=1, most_raw=7_000_000_000),
        Interval(least_raw=8_000_000_000, most_raw=8_000_000_000),
    )
    assert terms.settle(8_000_000_000).clears_debt
    assert not terms.settle(7_000_000_000).clears_debt


def test_feasible__collateral_short_of_debt__ends_in_what_it_is_worth() -> None:
    market_ = market(reserve(0), reserve(1, decimals=6))
    (pair,) = pairs_of(market_, row(has={0: 4_200 * 10**18}, owes={1: 6_000 * 10**6}))
    terms = terms_of(pair)
    assert isinstance(terms, AaveTerms)
    last = terms.feasible[-1]
    assert last == Interval(least_raw=4_000_000_000, most_raw=4_000_000_000)
    settled = terms.settle(4_000_000_000)
    assert settled.bad_debt_base == 2_000 * DOLLAR
    assert settled.clears_debt
    assert terms.health_after_wad(4_000_000_000) == MAX_UINT


# --- health -------------------------------------------------------------------------------------------------


@for_each_revision
@_MUCH
@given(position=small_positions(), target_wad=st.integers(10**17, 3 * WAD))
def test_repay_for_health__small_position__the_smallest_that_reaches_it(
    revision: Revision, position: tuple[Market, Row], target_wad: int
) -> None:
    for pair in pairs_of(*position, revision):
        terms = terms_of(pair, revision)
        if isinstance(terms, Refusal):
            continue
        reaching = [n for n in amounts(terms) if terms.health_after_wad(n) >= target_wad]
        event("reached" if reaching else "out of reach")
        assert terms.repay_for_health(target_wad) == min(reaching, default=None)


@for_each_revision
@settings(max_examples=100, deadline=None)
@given(
    decimals=st.tuples(st.sampled_from([6, 8, 18]), st.sampled_from([6, 8, 18])),
    prices=st.tuples(st.integers(DOLLAR // 100, 10**5 * DOLLAR), st.integers(DOLLAR // 100, 10**5 * DOLLAR)),
    debt_base=st.integers(100 * DOLLAR, 10**7 * DOLLAR),
    health_bps=st.integers(9_000, 9_999),
    target_bps=st.integers(10_000, 11_000),
    indices=st.tuples(st.integers(RAY, 2 * RAY), st.integers(RAY, 2 * RAY)),
    other=st.one_of(st.none(), st.tuples(st.integers(1, 300), st.integers(1_000, 9_500))),
)
def test_repay_for_health__position_of_real_size__reached_and_not_much_before(
    revision: Revision,
    decimals: tuple[int, int],
    prices: tuple[int, int],
    debt_base: int,
    health_bps: int,
    target_bps: int,
    indices: tuple[int, int],
    other: tuple[int, int] | None,
) -> None:
    """With another collateral, its value in hundredths of the first one's and its threshold in bps.

    Then the average threshold, of which old revisions keep whole bps, moves with every repay.
    """
    collateral = reserve(0, decimals=decimals[0], price_base=prices[0], liquidity_index_ray=indices[0])
    debt = reserve(1, decimals=decimals[1], price_base=prices[1], debt_index_ray=indices[1])
    share, threshold_bps = other or (0, 8_000)
    held_base = debt_base * health_bps // (8_000 + share * threshold_bps // 100)
    scaled = (
        held_base * collateral.unit_raw * RAY // (prices[0] * indices[0]),
        debt_base * debt.unit_raw * RAY // (prices[1] * indices[1]),
    )
    assume(min(scaled) > 0)
    beside = reserve(2, price_base=DOLLAR, threshold_bps=threshold_bps)
    pair, *_ = pairs_of(
        market(collateral, debt, beside),
        row(has={0: scaled[0], 2: held_base * share * 10**8}, owes={1: scaled[1]}),
        revision,
    )
    terms = terms_of(pair, revision)
    assume(isinstance(terms, AaveTerms))
    assert isinstance(terms, AaveTerms)
    target_wad = target_bps * WAD // 10_000
    repay = terms.repay_for_health(target_wad)
    if repay is None:
        assert all(terms.health_after_wad(interval.most_raw) < target_wad for interval in terms.feasible)
        return
    assert terms.health_after_wad(repay) >= target_wad
    before = {repay - 1, repay - 2, repay - max(1, repay // 10**9), repay * 99 // 100}
    for less in before & {n for one in terms.feasible for n in before if one.least_raw <= n <= one.most_raw}:
        assert terms.health_after_wad(less) < target_wad


# --- time ---------------------------------------------------------------------------------------------------


def test_settle__interest_until_the_deadline__limits_hold_what_may_be_pulled() -> None:
    market_ = market(
        reserve(0, liquidity_rate_ray=RAY // 50),
        reserve(1, decimals=6, debt_rate_ray=RAY // 10),
    )
    row_ = row(has={0: 1_500 * 10**18}, owes={1: 1_300 * 10**6})
    (terms,) = opportunity(market_, row_, deadline_s=NOW_S + 3_600).terms
    owed = terms.feasible[-1].most_raw
    settled = terms.settle(owed)
    assert settled.repaid_raw == owed == 1_300 * 10**6
    assert settled.repaid_limit_raw == 1_300_014_841
    assert settled.seized_least_raw == settled.seized_raw
    call = terms.call(owed)
    assert call.spend is not None
    assert call.spend.amount_raw == settled.repaid_limit_raw
    assert call.data[4 + 3 * 32 : 4 + 4 * 32] == b"\xff" * 32


# --- the call -----------------------------------------------------------------------------------------------


def test_call__part_of_the_debt__asks_for_just_that() -> None:
    market_ = market(reserve(0), reserve(1, decimals=6))
    (terms,) = opportunity(market_, row(has={0: 9_000 * 10**18}, owes={1: 8_000 * 10**6})).terms
    call = terms.call(5_000_000)
    assert call.target == POOL
    assert call.data == bytes.fromhex("00a718a9") + word(token(0)) + word(token(1)) + word(BORROWER) + (
        5_000_000
    ).to_bytes(32, "big") + bytes(32)
    assert call.spend is not None
    assert (call.spend.token, call.spend.amount_raw) == (token(1), 5_000_000)


def test_guards__planned_balances__let_a_thousandth_be_gone() -> None:
    market_ = market(reserve(0), reserve(1, decimals=6))
    (terms,) = opportunity(market_, row(has={0: 9_000 * 10**18}, owes={1: 8_000 * 10**6})).terms
    debt, collateral = terms.guards(5_000_000)
    assert debt.target == market_.reserves[1].debt_token
    assert debt.least == 7_992 * 10**6
    assert collateral.target == market_.reserves[0].a_token
    assert collateral.least == 8_991 * 10**18
    assert debt.data == bytes.fromhex("1da24f3e") + word(BORROWER)


# --- behind others of the same block ------------------------------------------------------------------------


def test_behind__another_was_paid_out_of_the_same_cash__as_much_less_may_be_repaid() -> None:
    """$4,000 in the reserve: one close takes nearly all of it, and the other gets the rest."""
    market_ = market(reserve(0, cash_raw=4_000 * 10**18), reserve(1, decimals=6))
    (pair,) = pairs_of(market_, row(has={0: 9_000 * 10**18}, owes={1: 8_000 * 10**6}))
    terms = terms_of(pair)
    assert isinstance(terms, AaveTerms)
    other = replace(terms, borrower=Address(b"\x43" * 20))
    repay_raw = terms.feasible[-1].most_raw - 20 * 10**6
    left = other.behind(terms, repay_raw)
    assert isinstance(left, AaveTerms)
    cash_raw = 4_000 * 10**18 - terms.settle(repay_raw).seized_raw
    assert left.cash.raw == cash_raw
    assert terms.cash.raw == 4_000 * 10**18
    most_raw = left.feasible[-1].most_raw
    assert left.settle(most_raw).seized_raw <= cash_raw
    assert other.settle(most_raw + 1).seized_raw > cash_raw


def test_behind__another_took_all_the_cash__declined() -> None:
    market_ = market(reserve(0, cash_raw=4_000 * 10**18), reserve(1, decimals=6))
    (pair,) = pairs_of(market_, row(has={0: 9_000 * 10**18}, owes={1: 8_000 * 10**6}))
    terms = terms_of(pair)
    assert isinstance(terms, AaveTerms)
    other = replace(terms, borrower=Address(b"\x43" * 20))
    left = other.behind(terms, terms.feasible[-1].most_raw)
    assert isinstance(left, AaveTerms | Declined)
    if isinstance(left, AaveTerms):
        assert left.settle(left.feasible[-1].most_raw).seized_raw <= left.cash.raw < 10**13


def test_behind__another_pool_or_another_reserve__the_same_terms() -> None:
    market_ = market(reserve(0), reserve(1, decimals=6), reserve(2))
    terms, other = (
        terms_of(pair)
        for pair in pairs_of(market_, row(has={0: 9_000 * 10**18, 2: 10**18}, owes={1: 8_000 * 10**6}))
    )
    assert isinstance(terms, AaveTerms)
    assert isinstance(other, AaveTerms)
    somebody = Address(b"\x43" * 20)
    elsewhere = replace(terms, pool=Address(b"\x77" * 20), borrower=somebody)
    assert terms.behind(elsewhere, 10**6) is terms
    assert terms.behind(replace(other, borrower=somebody), other.feasible[-1].least_raw) is terms


def test_reopened__health_between_95_and_100_percent__ends_a_hundredth_of_a_cent_short_of_healing() -> None:
    """$10,000 of collateral, $8,300 of debt, health 0.964: a close of half would heal it."""
    market_ = market(reserve(0), reserve(1, decimals=6))
    (pair,) = pairs_of(market_, row(has={0: 10_000 * 10**18}, owes={1: 8_300 * 10**6}))
    terms = terms_of(pair)
    assert isinstance(terms, AaveTerms)
    cut = terms.reopened()
    assert cut is not None
    most_raw = cut.feasible[-1].most_raw
    assert terms.health_after_wad(most_raw) < WAD <= terms.health_after_wad(most_raw + 100)
    rest = terms.behind(cut, most_raw)
    assert isinstance(rest, AaveTerms)
    assert rest.owed_raw == 8_300 * 10**6 - most_raw
    half_raw = terms.feasible[-1].most_raw
    assert most_raw + rest.feasible[-1].most_raw > half_raw
    healed = terms.behind(terms, half_raw)
    assert isinstance(healed, Declined)
    assert healed.reason is Reason.HEALTHY


def test_reopened__nothing_heals__the_same_terms() -> None:
    """A threshold of 95 % and a bonus of 5 %: the more is closed, the worse it gets."""
    market_ = market(reserve(0, threshold_bps=9_500), reserve(1, decimals=6))
    (pair,) = pairs_of(market_, row(has={0: 10_000 * 10**18}, owes={1: 9_700 * 10**6}))
    terms = terms_of(pair)
    assert isinstance(terms, AaveTerms)
    assert terms.reopened() is terms
