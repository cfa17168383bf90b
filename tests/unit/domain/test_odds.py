"""The odds of a race: pessimistic at first, then what the last hundred through the same channels tell."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from keeper.domain.address import Hash32
from keeper.domain.odds import Odds
from keeper.domain.submission import (
    Expired,
    Included,
    Outcome,
    Purpose,
    Reverted,
    SignedTransaction,
    Superseded,
)
from tests.unit.submitter.submissions import submission

HASH = Hash32(bytes(32))
INCLUDED = Included(
    block_number=9,
    block_hash=HASH,
    gas_used=1,
    effective_gas_price_wei=1,
    vault_profit_wei=1,
    tip_wei=0,
)
REVERTED = Reverted(block_number=9, block_hash=HASH, gas_used=1, effective_gas_price_wei=1)
EXPIRED = Expired(head_number=9, why="its deadline is over")
SENT = replace(submission(), channels=("public",))
UNKNOWN = Odds(channels=("public",), reverts_land=True)


def after(*outcomes: Outcome | None) -> Odds:
    return UNKNOWN.after_all((SENT, outcome) for outcome in outcomes)


def test_chance__nothing_known__is_one_in_five() -> None:
    assert UNKNOWN.chance == Fraction(1, 5)


def test_chance__after_races__comes_to_be_what_they_tell() -> None:
    assert after(INCLUDED).chance == Fraction(2, 6)
    assert after(INCLUDED, REVERTED, EXPIRED).chance == Fraction(2, 8)
    assert after(*[INCLUDED] * 95).chance == Fraction(96, 100)


def test_after__more_than_a_hundred__the_oldest_are_forgotten() -> None:
    assert after(*[INCLUDED] * 200, *[REVERTED] * 100).chance == Fraction(1, 105)


def test_without__taken_back_by_the_chain__as_if_it_were_not_over() -> None:
    another = replace(SENT, nonce=9, transaction=SignedTransaction(raw=b"9", hash=Hash32(b"9" * 32)))
    odds = after(INCLUDED, REVERTED).after(another, REVERTED)
    assert odds.without(another) == after(INCLUDED, REVERTED)
    assert odds.without(another).after(another, INCLUDED).chance == Fraction(3, 8)


def test_after__no_race_of_these_channels__tells_nothing() -> None:
    assert after(Superseded(head_number=9), None) == UNKNOWN
    assert UNKNOWN.after(replace(SENT, channels=("bundle",)), REVERTED) == UNKNOWN
    assert UNKNOWN.after(replace(SENT, purpose=Purpose.CANCELLATION), INCLUDED) == UNKNOWN
