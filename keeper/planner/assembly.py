"""From an evaluated close to the one transaction that does it. Decides nothing: it only writes down."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.fixed_point import BPS, mul_div_up
from keeper.domain.funding import Lendable
from keeper.domain.plan import Transaction
from keeper.domain.position import Terms
from keeper.planner.calldata import Leg, Program, Step, execute_calldata
from keeper.planner.funding import Funding, Loan, OwnCallback
from keeper.planner.options import PlannerOptions
from keeper.planner.sizing import Evaluation
from keeper.ports import FlashSource, Venue


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Through whom the keeper acts: its own contract, and those that the contract calls."""

    operator: Address
    executor: Address
    wrapped_native: Address
    venue: Venue
    lender: FlashSource | None
    """None where there is none: then only what funds itself can be liquidated."""

    def funding(self, terms: Terms, lendable: Lendable | None) -> Funding | Declined:
        """Return how a repay of these terms is paid for; `lendable` is what the lender has at this state."""
        if terms.funds_itself:
            return OwnCallback()
        if self.lender is None:
            return Declined(reason=Reason.NO_FUNDING, detail="no lender is configured")
        if lendable is None:
            return Declined(reason=Reason.NO_FUNDING, detail=f"{self.lender.name} could not be read")
        return Loan(lender=self.lender, lendable=lendable, token=terms.debt.address, executor=self.executor)


def transaction(
    desk: Desk,
    terms: Terms,
    evaluation: Evaluation,
    *,
    funding: Funding,
    floor_wei: int,
    deadline_s: int,
    options: PlannerOptions,
) -> Transaction:
    """Return the transaction: liquidate on credit, buy the debt back, sell the surplus, all or nothing."""
    within, afterwards = _sales(desk, terms, evaluation, options)
    closing = funding.step(
        terms.call(evaluation.repay_raw), amount_raw=evaluation.flash_amount_raw, sales=within
    )
    program = Program(
        wrapped_native=desk.wrapped_native,
        deadline_s=deadline_s,
        floor_wei=floor_wei,
        guards=terms.guards(evaluation.repay_raw),
        legs=(Leg(steps=(closing, *afterwards)),),
        touched=(terms.debt.address, terms.collateral.address),
        tip_bps=options.tip_bps,
        tip_cap_wei=options.max_tip_wei,
    )
    return Transaction(to=desk.executor, data=execute_calldata(program))


def _sales(
    desk: Desk, terms: Terms, evaluation: Evaluation, options: PlannerOptions
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Return the sales while on credit, which earn what is owed, and those after, which sell the rest."""
    seized_raw = evaluation.settlement.seized_least_raw
    owed_raw = evaluation.flash_amount_raw + evaluation.flash_fee_raw

    def sell(amount_in_raw: int, least_out_raw: int) -> Step:
        return Step(
            call=desk.venue.sell(
                evaluation.surplus_route,
                amount_in_raw=amount_in_raw,
                least_out_raw=least_out_raw,
                recipient=desk.executor,
            )
        )

    if terms.debt.address == desk.wrapped_native:
        # what was not pulled of the loan pays for itself: only what was repaid and the fee must be earned
        least_out_raw = evaluation.settlement.repaid_raw + evaluation.flash_fee_raw
        within = () if not evaluation.surplus_route.hops else (sell(seized_raw, least_out_raw),)
        return within, ()

    surplus_least_raw = seized_raw
    within = ()
    if evaluation.bought_raw:
        dearer_raw = mul_div_up(evaluation.bought_for_raw, BPS + options.max_slippage_bps, BPS)
        most_in_raw = min(dearer_raw, seized_raw)
        surplus_least_raw = max(seized_raw - most_in_raw, 1)
        buy = desk.venue.buy(
            evaluation.buy_route,
            amount_out_raw=evaluation.bought_raw,
            most_in_raw=most_in_raw,
            recipient=desk.executor,
        )
        within = (Step(call=buy),)
    elif terms.collateral == terms.debt:
        surplus_least_raw = max(seized_raw - owed_raw, 1)
    if not evaluation.surplus_route.hops or evaluation.surplus_raw <= 0:
        return within, ()
    return within, (sell(surplus_least_raw, 0),)  # the floor is its limit
