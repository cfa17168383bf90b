"""From an evaluated close to the one transaction that does it. Decides nothing: it only writes down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from keeper.domain.address import Address
from keeper.domain.calls import BalanceWord, ContractCall, Guard
from keeper.domain.declined import Declined, Reason
from keeper.domain.depth import Flow, Route
from keeper.domain.fixed_point import BPS
from keeper.domain.funding import Offer
from keeper.domain.plan import Transaction
from keeper.domain.position import Terms
from keeper.erc20 import transferred
from keeper.planner.calldata import Leg, OptionalLeg, Program, Step, execute_calldata
from keeper.planner.carrying import Carrying
from keeper.planner.evaluation import Evaluation, dearest_raw
from keeper.planner.funding import Funding, Loan, OwnCallback
from keeper.planner.options import PlannerOptions
from keeper.ports import Carrier, FlashSource, Venue

_TRANSFERRED_AT = 4 + 32
"""Where the amount stands in a transfer's data: behind the selector and the receiver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Through whom the keeper acts: its own contract, and those that the contract calls."""

    operator: Address
    executor: Address
    wrapped_native: Address
    venues: tuple[Venue, ...]
    lenders: tuple[FlashSource, ...]
    """Where there are none, only what funds itself can be liquidated."""
    carrier: Carrier | None = None
    """Who pays for what can't be sold, and keeps it; None where nothing is carried."""
    _hop_gas: dict[str, int] = field(default_factory=dict, init=False, compare=False, repr=False)
    """By venue, once it was asked for."""

    def fundings(self, terms: Terms, offers: Mapping[str, Sequence[Offer]]) -> tuple[Funding, ...] | Declined:
        """Return every way to pay for a repay of these terms; `offers` is what is lent at this state."""
        if terms.funds_itself:
            return (OwnCallback(),)
        if not self.lenders:
            return Declined(reason=Reason.NO_FUNDING, detail="no lender is configured")
        reached = [lender for lender in self.lenders if lender.name in offers]
        if not reached:
            names = ", ".join(lender.name for lender in self.lenders)
            return Declined(reason=Reason.NO_FUNDING, detail=f"{names} could not be read")
        loans = tuple(self._loans(terms, [(lender, offers[lender.name]) for lender in reached]))
        return loans or Declined(
            reason=Reason.NO_FUNDING, detail=f"nobody lends {terms.debt.symbol} at this moment"
        )

    def _loans(self, terms: Terms, lent: Sequence[tuple[FlashSource, Sequence[Offer]]]) -> Iterator[Loan]:
        """Yield every loan of the debt token; where none is enough, those of the collateral too.

        The collateral's cash must be there when it is seized: what the market itself has of it is not lent.
        """

        def offers_of(token: Address) -> list[tuple[FlashSource, Offer]]:
            return [
                (lender, offer)
                for lender, offers in lent
                for offer in offers
                if offer.token == token and offer.available_raw > 0
            ]

        debt, collateral = terms.debt.address, terms.collateral.address
        of_debt = offers_of(debt)
        for lender, offer in of_debt:
            yield Loan(lender=lender, offer=offer, executor=self.executor)
        if debt == collateral:  # nothing is bought then
            return
        wanted_raw = terms.settle(terms.feasible[-1].most_raw).repaid_limit_raw
        if any(offer.available_raw >= wanted_raw for _, offer in of_debt):
            return
        for lender, offer in offers_of(collateral):
            if terms.cash is None or offer.holder != terms.cash.holder:
                yield Loan(lender=lender, offer=offer, executor=self.executor, of_collateral=True)

    def stretches(self, route: Route) -> tuple[tuple[Venue, Route], ...]:
        """Return a route cut into what single calls pass through, each stretch with its venue."""
        venues = {venue.name: venue for venue in self.venues}
        stretches: list[tuple[Venue, Route]] = []
        for hop in route.hops:
            venue = venues[hop.venue]
            if stretches and stretches[-1][0] is venue and venue.joins_hops:
                before = stretches.pop()[1].hops
                stretches.append((venue, Route(hops=(*before, hop))))
            else:
                stretches.append((venue, Route(hops=(hop,))))
        return tuple(stretches)

    def gas(self, route: Route) -> int:
        """Return about what passing through a route costs, in gas."""
        hop_gas = self._hop_gas
        if not hop_gas:
            hop_gas.update({venue.name: venue.hop_gas for venue in self.venues})
        return sum([hop_gas[hop.venue] for hop in route.hops])


class Closing(NamedTuple):
    """One close: what is asked of the protocol, what is traded for it, and who pays meanwhile."""

    terms: Terms
    evaluation: Evaluation
    funding: Funding


class Joining(NamedTuple):
    """One borrower's closes, as a part of a transaction that closes several."""

    closings: Sequence[Closing]
    gas_limit: int
    """The most gas that they may use."""


def transaction(
    desk: Desk, closings: Sequence[Closing], *, floor_wei: int, deadline_s: int, options: PlannerOptions
) -> Transaction:
    """Return the transaction: liquidate on credit, buy the debt back, sell the surplus, close by close.

    All or nothing. Guards are read before anything is done: of several that read the same, the first close's.
    """
    body = _body(desk, closings, options)
    return _transaction(
        desk,
        (Leg(steps=body.steps),),
        guards=body.guards,
        touched=body.touched,
        floor_wei=floor_wei,
        deadline_s=deadline_s,
        options=options,
    )


def joined_transaction(
    desk: Desk, parts: Sequence[Joining], *, floor_wei: int, deadline_s: int, options: PlannerOptions
) -> Transaction:
    """Return the transaction of several borrowers: one whose closes fail leaves the others as they are.

    The floor is of all together, and no more than one of them has to bring. So that none brings less than its
    own, each of its sales and purchases has a limit, within the tolerance of the floor.
    """
    bodies = [_body(desk, part.closings, options, each_floored=True) for part in parts]
    return _transaction(
        desk,
        tuple(
            OptionalLeg(steps=body.steps, guards=body.guards, gas_limit=part.gas_limit)
            for body, part in zip(bodies, parts, strict=True)
        ),
        touched=[token for body in bodies for token in body.touched],
        floor_wei=floor_wei,
        deadline_s=deadline_s,
        options=options,
    )


def carry_transaction(
    desk: Desk, carrier: Carrier, carrying: Carrying, *, deadline_s: int, options: PlannerOptions
) -> Transaction:
    """Return the transaction that liquidates with the carrier's money, and hands it all that comes of it.

    Its floor is in what is carried: the least up to the deadline, less the floor's tolerance. No wrapped
    native is earned, and of nothing no tip is paid.
    """
    terms, settlement = carrying.terms, carrying.size.settlement
    least_raw = settlement.seized_least_raw * (BPS - options.floor_tolerance_bps) // BPS
    paid = carrier.call(
        carrying.carriage, amount_raw=settlement.repaid_limit_raw, least_raw=max(least_raw, 1)
    )
    inside = (
        Step(call=terms.call(carrying.size.repay_raw)),
        Step(call=_handed_over(terms.collateral.address, carrier.vault, least_raw=max(least_raw, 1))),
        # what was not pulled
        Step(call=_handed_over(terms.debt.address, carrier.vault, least_raw=1), skip_if_too_low=True),
    )
    return _transaction(
        desk,
        (Leg(steps=(Step(call=paid, inside=inside),)),),
        guards=terms.guards(carrying.size.repay_raw),
        touched=(terms.debt.address, terms.collateral.address),
        floor_wei=0,
        deadline_s=deadline_s,
        options=replace(options, tip_bps=0, max_tip_wei=0),
    )


def _handed_over(token: Address, to: Address, *, least_raw: int) -> ContractCall:
    """Return the transfer of all that the executor has of a token."""
    call = transferred(token, 0, to=to)
    word = BalanceWord(token=token, offset=_TRANSFERRED_AT, minimum_raw=least_raw)
    return replace(call, balance_word=word)


class _Body(NamedTuple):
    """One borrower's closes, as the executor is told them."""

    steps: tuple[Step, ...]
    guards: tuple[Guard, ...]
    touched: tuple[Address, ...]


def _body(
    desk: Desk, closings: Sequence[Closing], options: PlannerOptions, *, each_floored: bool = False
) -> _Body:
    steps: list[Step] = []
    guards: dict[tuple[Address, bytes, int], Guard] = {}
    touched: list[Address] = []
    for terms, evaluation, funding in closings:
        tolerance_bps = options.floor_tolerance_bps if each_floored else None
        within, afterwards = _sales(desk, terms, evaluation, funding, options, tolerance_bps)
        call = terms.call(evaluation.repay_raw)
        steps.append(funding.step(call, amount_raw=evaluation.flash_amount_raw, sales=within))
        steps += afterwards
        for guard in terms.guards(evaluation.repay_raw):
            guards.setdefault((guard.target, guard.data, guard.word_index), guard)
        touched += _touched(desk, terms, evaluation)
    return _Body(tuple(steps), tuple(guards.values()), tuple(touched))


def _transaction(
    desk: Desk,
    legs: tuple[Leg | OptionalLeg, ...],
    *,
    touched: Iterable[Address],
    floor_wei: int,
    deadline_s: int,
    options: PlannerOptions,
    guards: tuple[Guard, ...] = (),
) -> Transaction:
    program = Program(
        wrapped_native=desk.wrapped_native,
        deadline_s=deadline_s,
        floor_wei=floor_wei,
        guards=guards,
        legs=legs,
        touched=tuple(dict.fromkeys(touched)),
        tip_bps=options.tip_bps,
        tip_cap_wei=options.max_tip_wei,
    )
    return Transaction(to=desk.executor, data=execute_calldata(program))


def _touched(desk: Desk, terms: Terms, evaluation: Evaluation) -> tuple[Address, ...]:
    """Return every token that the executor may come to hold: also those between two venues."""
    between = (
        part.hops[-1].token_out
        for flow in (*evaluation.buys, *evaluation.sells)
        for _, part in desk.stretches(flow.route)
    )
    return tuple(dict.fromkeys((terms.debt.address, terms.collateral.address, *between)))


def _sales(
    desk: Desk,
    terms: Terms,
    evaluation: Evaluation,
    funding: Funding,
    options: PlannerOptions,
    tolerance_bps: int | None,
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Return the sales while on credit, which earn what is owed, and those after, which sell the rest.

    With a tolerance purchases and sales may each cost half of that share of the profit, and no more.
    """
    settlement = evaluation.settlement
    half_bps = None if tolerance_bps is None else tolerance_bps // 2
    lost_wei = None if half_bps is None else max(evaluation.profit_wei, 0) * half_bps // BPS
    if terms.debt.address == desk.wrapped_native and not funding.of_collateral:
        # what was not pulled of the loan pays for itself: only what was repaid and the fee must be earned
        least_out_raw = settlement.repaid_raw + evaluation.flash_fee_raw
        grown_raw = settlement.seized_raw - settlement.seized_least_raw
        sells = evaluation.sells
        return _sells(
            desk, sells, spare_raw=grown_raw, least_out_raw=least_out_raw, most_lost_raw=lost_wei
        ), ()
    most_raw = settlement.seized_least_raw
    if half_bps is not None:
        cost_raw = sum(flow.amount_in_raw for flow in evaluation.buys)
        most_raw = min(most_raw, cost_raw + max(evaluation.surplus_raw, 0) * half_bps // BPS)
    within, spent_raw = _buys(desk, evaluation, most_raw=most_raw, slippage_bps=options.max_slippage_bps)
    if terms.debt == terms.collateral or funding.of_collateral:
        spent_raw = evaluation.flash_amount_raw + evaluation.flash_fee_raw
    left_raw = settlement.seized_least_raw - spent_raw
    spare_raw = evaluation.surplus_raw - left_raw
    return within, _sells(desk, evaluation.sells, spare_raw=spare_raw, most_lost_raw=lost_wei)


def _buys(
    desk: Desk, evaluation: Evaluation, *, most_raw: int, slippage_bps: int
) -> tuple[tuple[Step, ...], int]:
    """Return the purchases, and the most collateral that they may take together.

    Each may become dearer by the slippage allowed, up to `most_raw` in all. Between two venues of one route
    goes exactly what the second was predicted to take.
    """
    steps: list[Step] = []
    most_in = dearest_raw(evaluation.buys, most_raw=most_raw, slippage_bps=slippage_bps)
    for flow, most_in_raw in zip(evaluation.buys, most_in, strict=True):
        at = 0
        for venue, part in desk.stretches(flow.route):
            at += len(part.hops)
            steps.append(
                Step(
                    call=venue.buy(
                        part,
                        amount_out_raw=flow.amounts_raw[at],
                        most_in_raw=most_in_raw,
                        recipient=desk.executor,
                    )
                )
            )
            most_in_raw = flow.amounts_raw[at]
    return tuple(steps), sum(most_in)


def _sells(
    desk: Desk,
    flows: Sequence[Flow],
    *,
    spare_raw: int,
    least_out_raw: int = 0,
    most_lost_raw: int | None = None,
) -> tuple[Step, ...]:
    """Return the sales of all there is of the collateral: each its part, and the last, the largest, the rest.

    `spare_raw` is how much less of the collateral than predicted there may be. From one venue to the next all
    goes on that came out; the floor is the limit of it, or `most_lost_raw` of all that comes out.
    """
    steps: list[Step] = []
    for flow in flows:
        last = flow is flows[-1]
        parts = desk.stretches(flow.route)
        least_raw = _least_out_raw(flow, flows, least_out_raw, most_lost_raw)
        for place, (venue, part) in enumerate(parts):
            amount_in_raw = flow.amount_in_raw if place == 0 else 1
            if place == 0 and last:
                amount_in_raw = max(amount_in_raw - spare_raw, 1)
            call = venue.sell(
                part,
                amount_in_raw=amount_in_raw,
                least_out_raw=least_raw if place == len(parts) - 1 else 0,
                recipient=desk.executor,
            )
            steps.append(Step(call=call if last or place else replace(call, balance_word=None)))
    return tuple(steps)


def _least_out_raw(flow: Flow, flows: Sequence[Flow], least_raw: int, most_lost_raw: int | None) -> int:
    """Return the least that must come out of one of several sales, which must bring `least_raw` in all."""
    own_raw = least_raw if len(flows) == 1 else 0
    if most_lost_raw is None:
        return own_raw
    out_raw = flow.amounts_raw[-1]
    share_raw = most_lost_raw * out_raw // max(sum(one.amounts_raw[-1] for one in flows), 1)
    return max(own_raw, out_raw - share_raw)
