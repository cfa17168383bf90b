"""Footing: what a transaction came to stand upon, by who ran before it in its block."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from keeper.backtest.footing import Footing, footings
from keeper.backtest.landing import Flight
from keeper.backtest.past import Ran
from keeper.domain.address import Address, Hash32
from keeper.domain.submission import Expired, Included
from tests.unit.backtest.worlds import head

P, Q = Address(b"\x01" * 20), Address(b"\x02" * 20)


def flight(
    n: int, *pools: Address, run: int, won: bool = True, upon: int = 1, touched: bytes = b""
) -> Flight:
    """One that is planned as the `n`-th, upon a block, and ran in block 2."""
    outcome = (
        Included(
            block_number=2,
            block_hash=head(2).hash,
            gas_used=1,
            effective_gas_price_wei=1,
            vault_profit_wei=1,
            tip_wei=0,
        )
        if won
        else Expired(head_number=2, why="it lost")
    )
    plan = SimpleNamespace(draft=SimpleNamespace(pools=frozenset(pools)))
    ran = Ran(True, 1, 1, b"", (), (), touched=(touched,) if touched else ())
    submission = SimpleNamespace(hash=Hash32(bytes([n]) * 32))
    return Flight(
        plan=cast("Any", plan),
        submission=cast("Any", submission),
        head=head(upon),
        sent_at_s=0.0,
        block=head(2),
        run=run,
        ran=ran,
        outcome=outcome,
    )


def stood(*flights: Flight) -> list[Footing | None]:
    told = footings(flights)
    return [told.get(one.submission.hash) for one in flights]


def test_footings__in_the_order_that_was_planned__are_as_planned() -> None:
    assert stood(flight(1, P, run=0), flight(2, P, run=1)) == [Footing.AS_PLANNED] * 2


def test_footings__no_pool_in_common__order_does_not_matter() -> None:
    assert stood(flight(1, P, run=1), flight(2, Q, run=0)) == [Footing.AS_PLANNED] * 2


def test_footings__the_later_one_came_first__both_stood_otherwise() -> None:
    assert stood(flight(1, P, run=1), flight(2, P, run=0)) == [Footing.BEHIND, Footing.WITHOUT]


def test_footings__one_that_is_counted_on_failed__it_is_without() -> None:
    assert stood(flight(1, P, run=0, won=False), flight(2, P, run=1)) == [None, Footing.WITHOUT]


def test_footings__one_of_an_earlier_head_in_the_same_block__is_not_counted_on() -> None:
    assert stood(flight(1, P, run=0, upon=0), flight(2, P, run=1))[1] is Footing.BEHIND


def test_footings__others_traded_in_its_pool_before__it_was_moved() -> None:
    assert stood(flight(1, P, run=0, touched=P), flight(2, Q, run=1, touched=P)) == [
        Footing.MOVED,
        Footing.AS_PLANNED,
    ]


def test_footings__one_that_is_counted_on_stood_otherwise__so_does_this() -> None:
    lost, between, last = flight(1, P, run=0, won=False), flight(2, P, Q, run=1), flight(3, Q, run=2)
    assert stood(lost, between, last) == [None, Footing.WITHOUT, Footing.WITHOUT]
