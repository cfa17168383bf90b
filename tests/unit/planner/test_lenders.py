"""Who could pay for a pair's size: the one that is taken first, and why the others are not."""

from __future__ import annotations

from keeper.domain.address import Address
from keeper.domain.funding import Offer
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.planner.funding import Funding, Loan, OwnCallback
from keeper.planner.lenders import lenders
from keeper.planner.pairs import Pair
from keeper.planner.sizing import Evaluation, max_profit
from tests.unit.planner.trades import Shape, random_trade

TRADE = random_trade(1, Shape.APART)
DEBT, COLLATERAL = TRADE.terms.debt, TRADE.terms.collateral
SOLD_INTO = next(iter(TRADE.pools))
ONE, OTHER, THIRD, FOURTH = (AaveV3Flash(pool=Address(bytes([place]) * 20)) for place in (1, 2, 3, 4))


def loan(
    lender: AaveV3Flash,
    *,
    available_raw: int = 2**200,
    bps: int = 0,
    pool: Address | None = None,
    of_collateral: bool = False,
) -> Loan:
    offer = Offer(
        token=COLLATERAL.address if of_collateral else DEBT.address,
        available_raw=available_raw,
        premium_wad=bps * 10**14,
        pool=pool,
    )
    return Loan(lender=lender, offer=offer, executor=Address(b"\x05" * 20), of_collateral=of_collateral)


def pair(funding: Funding) -> Pair:
    best = max_profit(TRADE)
    assert isinstance(best, Evaluation)
    return Pair(terms=TRADE.terms, funding=funding, trade=TRADE, best=best)


def test_lenders__several__taken_first_then_by_cost_then_who_would_not_do() -> None:
    taken, dear, free, poor = loan(ONE, bps=5), loan(OTHER, bps=9), loan(FOURTH), loan(THIRD, available_raw=1)
    locked = loan(OTHER, bps=7, pool=SOLD_INTO)  # of its two pools the cheaper, which would not do
    told = lenders(pair(taken), (poor, dear, locked, taken, free))
    assert [one.name for one in told] == [way.name for way in (taken, free, dear, poor)]
    assert [one.taken for one in told] == [True, False, False, False]
    assert [one.would_do for one in told] == [True, True, True, False]
    repay_raw = pair(taken).best.settlement.repaid_limit_raw
    assert {one.borrowed.raw for one in told} == {repay_raw}
    assert [one.fee_raw for one in told] == [way.fee_raw(repay_raw) for way in (taken, free, dear, poor)]


def test_lenders__only_a_pool_that_is_sold_into__would_not_do() -> None:
    taken = loan(ONE)
    _, other = lenders(pair(taken), (taken, loan(OTHER, pool=SOLD_INTO)))
    assert other.sold_into and not other.would_do


def test_lenders__of_the_collateral__what_the_purchase_takes_is_borrowed() -> None:
    taken = loan(ONE)
    _, other = lenders(pair(taken), (taken, loan(OTHER, of_collateral=True)))
    assert (other.borrowed.token, other.borrowed.raw) == (COLLATERAL, pair(taken).best.bought_for_raw)


def test_lenders__the_liquidation_pays_for_itself__is_all_there_is() -> None:
    (only,) = lenders(pair(OwnCallback()), (OwnCallback(),))
    assert only.taken and only.would_do
    assert only.fee_raw == only.gas == 0
