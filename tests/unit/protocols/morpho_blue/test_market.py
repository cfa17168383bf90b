"""What Morpho's state rules out, each with its reason; and that one market's trouble is its own."""

from __future__ import annotations

import pytest

from keeper.abi import load
from keeper.domain.address import Address, Hash32, word
from keeper.domain.declined import Reason
from keeper.domain.position import PositionId
from keeper.protocols.morpho_blue import MorphoBlue
from keeper.protocols.morpho_blue.state import IsolatedMarket, Markets, Position, Row, Totals
from keeper.query import Log
from tests.unit.protocols.morpho_blue.markets import (
    BLUE,
    BORROWER,
    ID,
    MORPHO,
    NAME,
    NOW_S,
    USDC,
    WETH,
    market,
    opportunity,
    position,
    terms_of,
    weth_price,
)

_EVENTS = load("morpho_blue")
_UNHEALTHY = position(loan_usd=270_000, collateral_eth=100)


def test_priced__another_price__the_markets_of_that_oracle_at_it_and_no_longer_old() -> None:
    blue, own = MorphoBlue(morpho=MORPHO), market()
    ((call, price),) = blue.prices(Markets(by_name={NAME: own})).items()
    assert price == own.price is not None

    def under(price: int | None) -> IsolatedMarket:
        return blue.priced(Markets(by_name={NAME: own}), {call: price}).by_name[NAME]

    assert (under(price // 2).price, under(price // 2).priced_at_s) == (price // 2, None)
    assert under(price) == own
    assert under(None).price is None


@pytest.mark.parametrize(
    ("isolated", "held", "reason", "said"),
    [
        (market(price=None), _UNHEALTHY, Reason.ZERO_PRICE, "the oracle reverts for WETH"),
        (market(price=0), _UNHEALTHY, Reason.ZERO_PRICE, "WETH"),
        (market(price=2**255), _UNHEALTHY, Reason.INACTIVE, "Panic(0x11)"),
        (market(rate_wad=None), _UNHEALTHY, Reason.INACTIVE, "the rate model reverts"),
        (market(fault="decimals() of WETH fails"), _UNHEALTHY, Reason.UNVERIFIED, "decimals() of WETH"),
        (market(), position(loan_usd=200_000, collateral_eth=100), Reason.HEALTHY, "health factor 1.2"),
        (market(), position(loan_usd=310_000, collateral_eth=100), Reason.BAD_DEBT, "at most 12,"),
        (market(), position(loan_usd=1_000, collateral_eth=0), Reason.BAD_DEBT, "there is no collateral"),
        (
            market(totals=Totals(10**13, 10**19, 10**10, 10**16, NOW_S, 0)),  # without it already
            _UNHEALTHY,
            Reason.STALE,
            "more than all of its market",
        ),
        (
            market(totals=Totals(10**10, 10**10, 8 * 10**9, 10**9, NOW_S, 0)),
            Position(borrow_shares=10**9, collateral=2_700_000_000_000_000_000),
            Reason.DUST,
            "whole shares",
        ),
    ],
)
def test_opportunity__what_the_state_rules_out__declined_with_its_reason(
    isolated: IsolatedMarket, held: Position, reason: Reason, said: str
) -> None:
    found = opportunity(isolated, held)
    assert found.terms == ()
    ((pair),) = found.declined
    assert (pair.collateral, pair.debt) == (WETH, USDC)
    assert pair.why.reason is reason, pair.why
    assert said in pair.why.detail or said.replace(",", "") in pair.why.detail


def test_opportunity__unhealthy__one_pair_and_nothing_declined() -> None:
    found = opportunity(market(), _UNHEALTHY)
    assert len(found.terms) == 1 and found.declined == ()
    assert (found.market, found.borrower) == found.position == PositionId(NAME, BORROWER)


def test_terms__price_seen_before__how_long_it_has_not_changed() -> None:
    assert terms_of(market(priced_at_s=NOW_S - 500), _UNHEALTHY).oracle_unchanged_s == 500
    assert terms_of(market(priced_at_s=None), _UNHEALTHY).oracle_unchanged_s is None


def test_health__no_price__collateral_counts_as_nothing() -> None:
    markets = Markets(by_name={NAME: market(price=None)})
    health = BLUE.health(markets, Row(NAME, _UNHEALTHY), at_s=NOW_S)
    assert (health.health_factor_wad, health.collateral_base) == (0, 0)
    assert health.debt_base == pytest.approx(270_000 * 10**6, rel=0.05)


def test_holdings__position__both_sides_valued_in_the_loan_token() -> None:
    markets = Markets(by_name={NAME: market(price=weth_price(2_000))})
    (has,), (owes,) = BLUE.holdings(markets, Row(NAME, _UNHEALTHY), at_s=NOW_S)
    assert (has.amount.raw, has.value_base) == (100 * 10**18, 200_000 * 10**6)
    assert owes.amount.raw == owes.value_base
    currency = BLUE.currency(markets, PositionId(NAME, BORROWER))
    assert (currency.symbol, currency.unit_base) == ("USDC", 10**6)


def test_tokens_and_pairs__a_market_that_nobody_owes_in__left_out() -> None:
    idle = market(totals=Totals(10**13, 10**19, 0, 0, NOW_S, 0))
    assert BLUE.tokens(Markets(by_name={NAME: idle})) == ()
    assert list(BLUE.pairs(Markets(by_name={NAME: idle}))) == []
    used = Markets(by_name={NAME: market()})
    assert set(BLUE.tokens(used)) == {WETH, USDC}
    assert list(BLUE.pairs(used)) == [(WETH.address, USDC.address)]


# --- following ----------------------------------------------------------------------------------------------


def log(name: str, *topics: bytes, emitter: Address = MORPHO) -> Log:
    return Log(
        emitter=emitter,
        topics=(_EVENTS.event(name).topic, *(Hash32(topic) for topic in topics)),
        data=b"",
        block_number=1,
        log_index=0,
        transaction=Hash32(bytes(32)),
    )


_OTHER = word(Address(b"\x77" * 20))


@pytest.mark.parametrize(
    "found",
    [
        log("Borrow", ID, word(BORROWER), _OTHER),
        log("Repay", ID, _OTHER, word(BORROWER)),
        log("SupplyCollateral", ID, _OTHER, word(BORROWER)),
        log("WithdrawCollateral", ID, word(BORROWER), _OTHER),
        log("Liquidate", ID, _OTHER, word(BORROWER)),
    ],
)
def test_touched__whose_position_an_event_changes__named(found: Log) -> None:
    touched = BLUE.touched(Markets(by_name={NAME: market()}), [found])
    assert touched.positions == {PositionId(NAME, BORROWER)}
    assert not touched.configuration


def test_touched__a_market_begins_or_its_first_debt__to_be_looked_at_again() -> None:
    idle = Markets(by_name={NAME: market(totals=Totals(10**13, 10**19, 0, 0, NOW_S, 0))})
    borrowed = log("Borrow", ID, word(BORROWER), _OTHER)
    assert BLUE.touched(idle, [borrowed]).configuration
    assert BLUE.touched(Markets(by_name={}), [borrowed]).configuration
    assert BLUE.touched(Markets(by_name={}), [log("CreateMarket", ID)]).configuration
    supplied = log("SupplyCollateral", ID, _OTHER, word(BORROWER))
    assert not BLUE.touched(idle, [supplied]).configuration
    assert BLUE.touched(Markets(by_name={}), [supplied]).configuration, "a market older than the first block"


def test_touched__other_emitters_events_and_markets__passed_over() -> None:
    borrowed = log("Borrow", ID, word(BORROWER), _OTHER)
    odd = [
        borrowed._replace(emitter=Address(b"\x0e" * 20)),
        borrowed._replace(topics=()),
        borrowed._replace(topics=borrowed.topics[:1]),
        borrowed._replace(topics=borrowed.topics[:2]),
        log("SetAuthorization", ID, word(BORROWER), _OTHER),
    ]
    for markets in (Markets(by_name={}), Markets(by_name={NAME: market()})):
        assert BLUE.touched(markets, odd).positions == frozenset()
        assert not BLUE.touched(markets, odd).configuration
    elsewhere = MorphoBlue(morpho=MORPHO, only=frozenset({Hash32(b"\x99" * 32)}))
    assert elsewhere.touched(Markets(by_name={}), [borrowed]).positions == frozenset()
