"""A repay is paid for by a loan or by the liquidation itself; and without a lender only by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from keeper.domain.address import Address
from keeper.domain.calls import Callback, ContractCall, Spend
from keeper.domain.declined import Declined, Reason
from keeper.domain.funding import Offer
from keeper.domain.position import Cash
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.planner.assembly import Desk
from keeper.planner.calldata import Step
from keeper.planner.funding import Loan, OwnCallback, worth_trying
from keeper.venues.uniswap_v3 import UniswapV3
from tests.unit.planner.linear_terms import LinearTerms
from tests.unit.planner.trades import Shape, random_trade

_POOL, _EXECUTOR, _MARKET = (Address(bytes([place]) * 20) for place in (1, 2, 3))
LENDER = AaveV3Flash(pool=_POOL)
OTHER = AaveV3Flash(pool=_MARKET)
DESK = Desk(
    operator=Address(b"\x04" * 20),
    executor=_EXECUTOR,
    wrapped_native=Address(b"\x05" * 20),
    venues=(UniswapV3(factory=_POOL, router=_POOL),),
    lenders=(LENDER, OTHER),
)
TERMS = random_trade(1, Shape.APART).terms
OFFER = Offer(token=TERMS.debt.address, available_raw=10**9, premium_wad=5 * 10**14)
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


def test_fundings__terms_that_need_a_loan__the_lenders_fee_and_limit() -> None:
    (loan,) = loans({LENDER.name: (OFFER,)})
    assert isinstance(loan, Loan)
    assert (loan.name, loan.available_raw, loan.fee_raw(10_001)) == (LENDER.name, 10**9, 6)
    step = loan.step(LIQUIDATION, amount_raw=10_001, sales=(SALE,))
    assert step.inside == (Step(call=LIQUIDATION), SALE)
    assert step.call.callback is not None
    assert step.call.callback.repay == Spend(token=TERMS.debt.address, amount_raw=10_007)


def loans(offers: dict[str, tuple[Offer, ...]]) -> tuple[Loan | OwnCallback, ...]:
    found = DESK.fundings(TERMS, offers)
    assert not isinstance(found, Declined)
    assert all(isinstance(one, Loan | OwnCallback) for one in found)
    return tuple(one for one in found if isinstance(one, Loan | OwnCallback))


def test_fundings__several_lenders__each_that_has_the_debt_token() -> None:
    other_token = replace(OFFER, token=_MARKET)
    found = loans({LENDER.name: (OFFER, other_token), OTHER.name: (OFFER, replace(OFFER, available_raw=0))})
    assert [one.name for one in found] == [LENDER.name, OTHER.name]


def test_fundings__too_little_of_the_debt_is_lent__loans_of_the_collateral_too() -> None:
    wanted_raw = TERMS.settle(TERMS.feasible[-1].most_raw).repaid_limit_raw
    of_collateral = replace(OFFER, token=TERMS.collateral.address)
    enough, little = (replace(OFFER, available_raw=raw) for raw in (wanted_raw, wanted_raw - 1))
    for offered, kinds in (((enough,), [False]), ((little,), [False, True]), ((), [True])):
        found = loans({LENDER.name: (*offered, of_collateral)})
        assert [one.of_collateral for one in found] == kinds
    assert found[0].name == f"{LENDER.name}, of the collateral"
    step = found[0].step(LIQUIDATION, amount_raw=1, sales=(SALE,))
    assert step.inside == (SALE, Step(call=LIQUIDATION))


def test_fundings__collateral_that_the_market_itself_would_lend__is_not_borrowed() -> None:
    assert isinstance(TERMS, LinearTerms)
    terms = replace(TERMS, cash=Cash(holder=_MARKET, raw=10**40))
    of_collateral = replace(OFFER, token=TERMS.collateral.address)
    theirs = replace(of_collateral, holder=_MARKET)
    declined = DESK.fundings(terms, {LENDER.name: (theirs,)})
    assert isinstance(declined, Declined) and declined.reason is Reason.NO_FUNDING
    assert not isinstance(DESK.fundings(terms, {LENDER.name: (theirs, of_collateral)}), Declined)


def test_fundings__debt_in_wrapped_native_coin__bought_with_a_loan_of_the_collateral_too() -> None:
    of_collateral = replace(OFFER, token=TERMS.collateral.address)
    desk = replace(DESK, wrapped_native=TERMS.debt.address)
    found = desk.fundings(TERMS, {LENDER.name: (of_collateral,)})
    assert not isinstance(found, Declined) and [one.of_collateral for one in found] == [True]


def test_fundings__debt_in_the_collaterals_own_token__no_loan_but_of_that() -> None:
    terms = replace(TERMS, debt=TERMS.collateral)
    other = replace(OFFER, token=TERMS.debt.address)
    assert isinstance(DESK.fundings(terms, {LENDER.name: (other,)}), Declined)


def test_fundings__terms_that_fund_themselves__no_fee_no_limit_and_the_sales_inside() -> None:
    found = DESK.fundings(self_funded(), {})
    assert not isinstance(found, Declined)
    (own,) = found
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


def test_fundings__no_lender_or_none_that_answers_or_lends__declined_unless_not_needed() -> None:
    alone = replace(DESK, lenders=())
    for desk, offers in ((DESK, {}), (alone, {}), (DESK, {LENDER.name: (replace(OFFER, available_raw=0),)})):
        declined = desk.fundings(TERMS, offers)
        assert isinstance(declined, Declined) and declined.reason is Reason.NO_FUNDING
        assert not isinstance(desk.fundings(self_funded(), offers), Declined)


@dataclass(frozen=True, kw_only=True)
class Costing(AaveV3Flash):
    """A lender of which a loan costs so much gas."""

    gas: int

    @property
    def loan_gas(self) -> int:
        return self.gas


def loan(name: int, *, available_raw: int, premium_wad: int, gas: int = 100) -> Loan:
    return Loan(
        lender=Costing(pool=Address(bytes([name]) * 20), gas=gas),
        offer=replace(OFFER, available_raw=available_raw, premium_wad=premium_wad),
        executor=_EXECUTOR,
    )


def test_worth_trying__cheaper_and_with_all_that_is_needed__is_alone() -> None:
    dear, cheap = (
        loan(1, available_raw=10**12, premium_wad=5 * 10**14),
        loan(2, available_raw=10**9, premium_wad=0),
    )
    assert worth_trying((dear, cheap), most_raw=10**9, gas_raw=Fraction(1)) == (cheap,)


def test_worth_trying__cheaper_but_with_less__leaves_the_other_too() -> None:
    dear, cheap = (
        loan(1, available_raw=10**12, premium_wad=5 * 10**14),
        loan(2, available_raw=10**9, premium_wad=0),
    )
    assert worth_trying((dear, cheap), most_raw=10**9 + 1, gas_raw=Fraction(1)) == (cheap, dear)


def test_worth_trying__no_fee_for_more_gas__leaves_both_and_at_no_gas_price_the_free_one() -> None:
    fee = loan(1, available_raw=10**9, premium_wad=5 * 10**14, gas=100)
    gas = loan(2, available_raw=10**9, premium_wad=0, gas=1_000)
    assert worth_trying((fee, gas), most_raw=10**9, gas_raw=Fraction(1)) == (gas, fee)
    assert worth_trying((fee, gas), most_raw=10**3, gas_raw=Fraction(1)) == (fee,)
    assert worth_trying((fee, gas), most_raw=10**9, gas_raw=Fraction(0)) == (gas,)


def test_worth_trying__nothing_lent__is_left_out() -> None:
    assert worth_trying((loan(1, available_raw=0, premium_wad=0),), most_raw=1, gas_raw=Fraction(1)) == ()
