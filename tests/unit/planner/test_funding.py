"""A repay is paid for by a loan or by the liquidation itself; and without a lender only by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keeper.domain.address import Address
from keeper.domain.calls import Callback, ContractCall, Spend
from keeper.domain.declined import Declined, Reason
from keeper.domain.funding import Lendable
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.planner.assembly import Desk
from keeper.planner.calldata import Step
from keeper.planner.funding import Loan, OwnCallback
from keeper.venues.uniswap_v3 import UniswapV3
from tests.unit.planner.linear_terms import LinearTerms
from tests.unit.planner.trades import Shape, random_trade

_POOL, _EXECUTOR, _MARKET = (Address(bytes([place]) * 20) for place in (1, 2, 3))
LENDER = AaveV3Flash(pool=_POOL)
DESK = Desk(
    operator=Address(b"\x04" * 20),
    executor=_EXECUTOR,
    wrapped_native=Address(b"\x05" * 20),
    venue=UniswapV3(factory=_POOL, router=_POOL),
    lender=LENDER,
)
TERMS = random_trade(1, Shape.APART).terms
LENDABLE = Lendable(premium_bps=5, available_raw={TERMS.debt.address: 10**9})
SALE = Step(call=ContractCall(target=_MARKET, data=b"sale"))
LIQUIDATION = ContractCall(target=_MARKET, data=b"liquidation")


@dataclass(frozen=True, kw_only=True)
class SelfFunded(LinearTerms):
    @property
    def funds_itself(self) -> bool:
        return True


def self_funded() -> SelfFunded:
    assert isinstance(TERMS, LinearTerms)
    return SelfFunded(**{name: getattr(TERMS, name) for name in LinearTerms.__dataclass_fields__})


def test_funding__terms_that_need_a_loan__the_lenders_fee_and_limit() -> None:
    loan = DESK.funding(TERMS, LENDABLE)
    assert isinstance(loan, Loan)
    assert (loan.name, loan.available_raw, loan.fee_raw(10_001)) == (LENDER.name, 10**9, 6)
    step = loan.step(LIQUIDATION, amount_raw=10_001, sales=(SALE,))
    assert step.inside == (Step(call=LIQUIDATION), SALE)
    assert step.call.callback is not None
    assert step.call.callback.repay == Spend(token=TERMS.debt.address, amount_raw=10_007)


def test_funding__terms_that_fund_themselves__no_fee_no_limit_and_the_sales_inside() -> None:
    own = DESK.funding(self_funded(), None)
    assert isinstance(own, OwnCallback)
    assert own.fee_raw(10**30) == 0 and own.available_raw > 10**70
    paying = replace(
        LIQUIDATION,
        callback=Callback(
            caller=_MARKET,
            selector=b"call",
            program_argument=1,
            initiator_argument=None,
            answer=b"",
            repay=None,
        ),
    )
    assert own.step(paying, amount_raw=1, sales=(SALE,)) == Step(call=paying, inside=(SALE,))


def test_funding__no_lender_or_none_that_answers__declined_unless_not_needed() -> None:
    alone = replace(DESK, lender=None)
    for desk in (DESK, alone):
        declined = desk.funding(TERMS, None)
        assert isinstance(declined, Declined) and declined.reason is Reason.NO_FUNDING
        assert isinstance(desk.funding(self_funded(), None), OwnCallback)
