"""The terms keep their promises: exact at every amount, whole where they say so, steady to the deadline."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keeper.abi import load
from keeper.domain.address import Address, Hash32
from keeper.domain.declined import Declined, Reason
from keeper.domain.fixed_point import WAD
from keeper.domain.position import Terms
from keeper.domain.token import TokenAmount
from keeper.protocols.morpho_blue.standing import standing
from keeper.protocols.morpho_blue.state import IsolatedMarket, Position
from keeper.protocols.morpho_blue.terms import MorphoTerms
from tests.unit.protocols.morpho_blue.markets import (
    BORROWER,
    ID,
    MORPHO,
    NOW_S,
    USDC,
    WETH,
    market,
    opportunity,
    position,
    terms_of,
    unhealthy,
    weth_price,
)

OTHER_ID = Hash32(b"\x1e" * 32)
_LIQUIDATE = load("morpho_blue").function("liquidate")
_POSITION = load("morpho_blue").function("position")


def asked(terms: Terms, repay_raw: int) -> tuple[int, int]:
    """Return what the call for an amount seizes, and which shares it repays; one of them is 0."""
    _, _, seized, shares, data = _LIQUIDATE.arguments(terms.call(repay_raw).data)
    assert data == b""
    return seized, shares


@given(unhealthy(), st.data())
def test_settle__any_feasible_amount__is_what_is_repaid_and_never_more_is_seized_than_there_is(
    drawn: tuple[IsolatedMarket, Position], data: st.DataObject
) -> None:
    found = opportunity(*drawn)
    assume(found.terms)
    (terms,) = found.terms
    for interval in terms.feasible:
        middle = data.draw(st.integers(interval.least_raw, interval.most_raw))
        for repay_raw in (interval.least_raw, middle, interval.most_raw):
            settled = terms.settle(repay_raw)
            assert settled.repaid_raw == repay_raw <= settled.repaid_limit_raw
            assert settled.seized_least_raw <= settled.seized_raw <= drawn[1].collateral
            assert settled.protocol_fee_raw == 0


@given(unhealthy())
def test_feasible__the_last_amount__leaves_nothing_of_one_side(
    drawn: tuple[IsolatedMarket, Position],
) -> None:
    found = opportunity(*drawn)
    assume(found.terms)
    (terms,) = found.terms
    last_raw = terms.feasible[-1].most_raw
    settled = terms.settle(last_raw)
    seized, shares = asked(terms, last_raw)
    assert (seized == drawn[1].collateral and not shares) or (shares == drawn[1].borrow_shares and not seized)
    assert settled.clears_debt or settled.seized_raw == drawn[1].collateral


@given(unhealthy(), st.integers(0, 10_000))
def test_settle__any_part__is_worth_its_incentive_and_no_more(
    drawn: tuple[IsolatedMarket, Position], part: int
) -> None:
    found = opportunity(*drawn)
    assume(found.terms)
    (terms,) = found.terms
    assert isinstance(terms, MorphoTerms)
    first = terms.feasible[0]
    settled = terms.settle(first.least_raw + (first.most_raw - first.least_raw) * part // 10_000)
    worth = terms.value_base(TokenAmount(token=WETH, raw=settled.seized_raw))
    assert worth * WAD <= (settled.repaid_raw + 1) * terms.now.incentive_wad


def test_feasible__collateral_covers_the_debt__any_part_but_dust_or_all_of_it() -> None:
    terms = terms_of(market(), position(loan_usd=270_000, collateral_eth=100))
    part, whole = terms.feasible
    assert part.least_raw == 1
    assert whole.least_raw == whole.most_raw == terms.owed_raw
    assert part.most_raw == terms.owed_raw - terms.owed_raw // 1_000
    assert asked(terms, terms.owed_raw) == (0, position(loan_usd=270_000, collateral_eth=100).borrow_shares)
    assert terms.settle(terms.owed_raw).clears_debt


def test_feasible__debt_beyond_the_collateral__all_of_it_by_what_is_seized() -> None:
    held = position(loan_usd=294_000, collateral_eth=100)
    terms = terms_of(market(), held)
    whole = terms.feasible[-1]
    assert asked(terms, whole.most_raw) == (held.collateral, 0)
    settled = terms.settle(whole.most_raw)
    assert settled.seized_raw == settled.seized_least_raw == held.collateral
    assert settled.bad_debt_base > 0
    assert abs(settled.bad_debt_base - (terms.owed_raw - whole.most_raw)) <= 1
    assert terms.health_after_wad(whole.most_raw) == 2**256 - 1


def test_feasible__deadline_in_an_hour__the_last_part_is_covered_then_too() -> None:
    held = position(loan_usd=294_000, collateral_eth=100)
    soon, late = (terms_of(market(), held, deadline_s=NOW_S + after_s) for after_s in (0, 3_600))
    assert late.feasible[0].most_raw <= soon.feasible[0].most_raw
    settled = late.settle(late.feasible[0].most_raw)
    assert settled.repaid_raw < settled.repaid_limit_raw
    assert settled.seized_raw == settled.seized_least_raw


@settings(deadline=None)
@given(unhealthy(), st.integers(WAD // 2, 2 * WAD))
def test_repay_for_health__any_target__one_unit_less_would_miss_it(
    drawn: tuple[IsolatedMarket, Position], target_wad: int
) -> None:
    found = opportunity(*drawn)
    assume(found.terms)
    (terms,) = found.terms
    repay_raw = terms.repay_for_health(target_wad)
    if repay_raw is None:
        assert terms.health_after_wad(terms.feasible[-1].most_raw) < target_wad
        return
    assert terms.health_after_wad(repay_raw) >= target_wad
    if any(one.least_raw <= repay_raw - 1 <= one.most_raw for one in terms.feasible):
        assert terms.health_after_wad(repay_raw - 1) < target_wad


def test_call__any_amount__commits_to_the_callback_that_pays() -> None:
    terms = terms_of(market(), position(loan_usd=270_000, collateral_eth=100))
    call = terms.call(1_000_000_000)
    assert call.target == MORPHO and call.spend is None and terms.funds_itself
    assert call.data.endswith(bytes(32)), "the callback's bytes argument comes last, and is empty"
    assert call.callback is not None
    assert call.callback.caller == MORPHO
    assert call.callback.selector == load("morpho_callbacks").function("onMorphoLiquidate").selector
    assert call.callback.repay is not None
    assert call.callback.repay.token == USDC.address
    assert call.callback.repay.amount_raw == terms.settle(1_000_000_000).repaid_limit_raw
    params, borrower, *_ = _LIQUIDATE.arguments(call.data)
    assert params == terms.now.listing.params and borrower == BORROWER


def test_guards__part_and_whole__a_thousandth_may_be_gone_unless_it_is_needed() -> None:
    held = position(loan_usd=270_000, collateral_eth=100)
    terms = terms_of(market(), held)
    shares, collateral = terms.guards(1_000_000)
    assert shares.target == MORPHO and shares.data == _POSITION.encode(ID, BORROWER)
    assert (shares.word_index, collateral.word_index) == (1, 2)
    assert shares.least == held.borrow_shares - held.borrow_shares // 1_000
    assert collateral.least == held.collateral - held.collateral // 1_000
    all_shares, _ = terms.guards(terms.owed_raw)
    assert all_shares.least == held.borrow_shares


def test_value_base__either_token__in_the_loan_token() -> None:
    terms = terms_of(market(price=weth_price(2_500)), position(loan_usd=240_000, collateral_eth=100))
    assert terms.value_base(TokenAmount(token=USDC, raw=123)) == 123
    assert terms.value_base(TokenAmount(token=WETH, raw=2 * 10**18)) == 5_000 * 10**6
    assert terms.oracle_price * 10**18 == 2_500 * 10**6
    assert Address(terms.collateral.address) == WETH.address


@given(unhealthy(), st.integers(1, 10**13), st.data())
def test_behind__another_close_of_the_market__as_if_read_after_it(
    drawn: tuple[IsolatedMarket, Position], owes: int, data: st.DataObject
) -> None:
    """What Morpho stores after the first close, with the second position, gives the same terms."""
    isolated, held = drawn
    other = Position(
        borrow_shares=owes * 10**6, collateral=held.collateral * owes * 10**6 // held.borrow_shares
    )
    assume(other.collateral < 2**128)
    totals = isolated.totals._replace(  # what is lent was supplied: Morpho lends no more
        supply_assets=isolated.totals.supply_assets + owes,
        borrow_assets=isolated.totals.borrow_assets + owes,
        borrow_shares=isolated.totals.borrow_shares + other.borrow_shares,
    )
    isolated = replace(isolated, totals=totals)
    first, second = opportunity(isolated, held), opportunity(isolated, other)
    assume(first.terms and second.terms)
    (earlier,), (terms,) = first.terms, second.terms
    assert isinstance(earlier, MorphoTerms) and isinstance(terms, MorphoTerms)
    terms = replace(terms, borrower=Address(b"\x77" * 20))
    interval = data.draw(st.sampled_from(earlier.feasible))
    repay_raw = data.draw(st.integers(interval.least_raw, interval.most_raw))
    now, late = earlier.left(repay_raw)
    assume(late is not None)
    after = terms.behind(earlier, repay_raw)

    read_again = opportunity(replace(isolated, totals=now.totals), other, deadline_s=NOW_S)
    if isinstance(after, Declined):
        assert [one.why.reason for one in read_again.declined] == [after.reason]
        return
    assert after.now == standing(replace(isolated, totals=now.totals), other, at_s=NOW_S)
    for one in after.feasible:
        assert after.settle(one.most_raw).repaid_raw == one.most_raw


def test_behind__a_close_elsewhere__nothing_changes() -> None:
    terms = terms_of(market(), position(loan_usd=270_000, collateral_eth=100))
    elsewhere = replace(terms, now=replace(terms.now, listing=replace(terms.now.listing, id=OTHER_ID)))
    assert terms.behind(elsewhere, 1) is terms
    assert terms.behind(replace(terms, morpho=Address(b"\x01" * 20)), 1) is terms


def test_behind__the_same_position_is_closed_already__declined() -> None:
    terms = terms_of(market(), position(loan_usd=270_000, collateral_eth=100))
    after = terms.behind(terms, terms.owed_raw)
    assert isinstance(after, Declined) and after.reason is Reason.HEALTHY
