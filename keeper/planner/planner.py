"""The planner: from an observation to what is to be sent. Pure, in three steps, since gas is not local.

1. `propose`: each borrower's pairs are sized on the state's own depth, and the best become drafts.
2. `choose`: with the gas that their simulations used, each borrower gets one draft, of the size that the
   objective asks for; in the order that brings most, each on pools and markets as the ones before leave them.
3. `conclude`: the chosen drafts were simulated one after the other as they would run; what does not agree
   with its prediction, or does not clear the minimums at its own gas, is declined.

Between the steps whoever drives it simulates. Amounts always come from local arithmetic; the simulation
gives the gas, and must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.fixed_point import BPS
from keeper.domain.observation import Observation
from keeper.domain.odds import Odds
from keeper.domain.plan import Decision, Draft, Objective, Plan
from keeper.domain.position import Opportunity, PositionId
from keeper.planner.agreement import disagreement
from keeper.planner.assembly import (
    Desk,
)
from keeper.planner.bids import with_bid
from keeper.planner.carrying import Carrying, Porter
from keeper.planner.contention import Contender, Left, Priced, order, scarce
from keeper.planner.costs import (
    LOST_CLOSE_GAS,
    LOST_RACE_GAS,
    below_minimum,
    fees,
    floor_wei,
    gas_limit,
    gas_price_wei,
    least_vault_wei,
    tip_wei,
    too_large,
    too_risky,
)
from keeper.planner.drafting import Drafted, Drafter
from keeper.planner.ladder import ladder, second_choices
from keeper.planner.options import PlannerOptions
from keeper.planner.pairs import Key, Pair, Sizer, key_of
from keeper.planner.parallel import Depth
from keeper.planner.proposal import Chosen, Proposal
from keeper.planner.sequel import Sequel
from keeper.planner.sizing import Evaluation
from keeper.ports import BidForm
from keeper.query import Simulated

_ANY_SLIPPAGE_BPS = BPS * BPS


_SIMULATED_PAIRS = 3
"""How many of a borrower's pairs are simulated to learn their gas: the best before gas."""


Sequencing: TypeAlias = Callable[[Sequence[PositionId]], tuple[PositionId, ...]]
"""Gives the order in which those who are planned in an order would run."""


class _Best(NamedTuple):
    """A borrower's best draft, the gas that it was sized for, and what it brings after that."""

    drafted: Drafted
    gas_used: int
    net_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """What the operator wants, and through whom it is done."""

    desk: Desk
    options: PlannerOptions

    def bidding(self, share_bps: int, *, form: BidForm | None = None) -> Planner:
        """Return the same planner, that bids this share of each profit; in this form, where one is named."""
        options = replace(self.options, bid_bps=share_bps, bid_form=form or self.options.bid_form)
        if options.bid_form is BidForm.COINBASE:
            options = replace(options, tip_bps=share_bps)
        return replace(self, options=options)

    def not_carrying(self) -> Planner:
        """Return the same planner, that does nothing but what earns within its transaction."""
        return replace(self, desk=replace(self.desk, carrier=None))

    @property
    def drafter(self) -> Drafter:
        """Return who makes its drafts."""
        return Drafter(desk=self.desk, options=self.options)

    # --- 1. propose -----------------------------------------------------------------------------------------

    def propose(self, seen: Observation, opportunities: Iterable[Opportunity]) -> tuple[Proposal, ...]:
        """Return each borrower's pairs, sized before gas, and the drafts to simulate, the best first."""
        return tuple(self.proposing(seen, opportunities))

    def proposing(self, seen: Observation, opportunities: Iterable[Opportunity]) -> Iterator[Proposal]:
        """Yield what `propose` returns, borrower by borrower: there is time for something else in between."""
        sizer, untouched = self._sizer(seen), Left(pools=Depth(seen.pools), gas=seen.head.gas_limit)
        for opportunity in opportunities:
            yield self._propose(seen, sizer, opportunity, untouched)

    def _sizer(self, seen: Observation) -> Sizer:
        price_wei = gas_price_wei(seen.block, self.options)
        return Sizer.among(seen.pools, desk=self.desk, options=self.options, gas_price_wei=price_wei)

    def _propose(
        self,
        seen: Observation,
        sizer: Sizer,
        opportunity: Opportunity,
        left: Left,
        *,
        in_a_row: bool = True,
    ) -> Proposal:
        if declined := self._ruled_out(seen, opportunity):
            return Proposal(opportunity=opportunity, pairs=(declined,) * len(opportunity.terms), drafts=())
        offers = left.offers(seen.offers)
        pairs = tuple(sizer.consider(terms, left.pools, offers) for terms in opportunity.terms)
        paying = sorted(
            (pair for pair in pairs if isinstance(pair, Pair) and self._may_pay(pair)),
            key=lambda pair: pair.best.profit_wei,
            reverse=True,
        )
        simulated: list[tuple[Pair, ...]] = [(pair,) for pair in paying[:_SIMULATED_PAIRS]]
        if in_a_row and paying and self.options.objective is Objective.MAX_PROFIT:
            sequel = Sequel(sizer=sizer, offers=offers).of(opportunity, paying, left)
            simulated += [sequel] if sequel else []
        carried = self._carried(seen, sizer, opportunity, left)
        draft = self.drafter.draft
        return Proposal(
            opportunity=opportunity,
            pairs=pairs,
            drafts=(
                *(
                    draft(seen, opportunity, [(one, one.best) for one in closes], Objective.MAX_PROFIT)
                    for closes in simulated
                ),
                *([carried] if isinstance(carried, Drafted) else ()),
            ),
            not_carried=carried if isinstance(carried, Declined) else None,
        )

    def _carried(
        self, seen: Observation, sizer: Sizer, opportunity: Opportunity, left: Left
    ) -> Drafted | Declined | None:
        """Return the draft of what the vault may pay for and keep, why not, or None where nothing may be."""
        if self.desk.carrier is None:
            return None
        porter = Porter(
            carriages=seen.carriages,
            pools=left.pools,
            ways=sizer.ways,
            wrapped_native=self.desk.wrapped_native,
            options=self.options,
        )
        carrying = porter.best(opportunity)
        if not isinstance(carrying, Carrying):
            return carrying
        gain_wei = carrying.size.gain_wei
        if gain_wei < max(self.options.min_profit_wei, 1):
            detail = f"carried, as it would be booked: {gain_wei / 1e18:.6f} at best, before gas"
            return Declined(reason=Reason.BELOW_MINIMUM, detail=detail)
        return self.drafter.carried(seen, self.desk.carrier, opportunity, carrying)

    def _ruled_out(self, seen: Observation, opportunity: Opportunity) -> Declined | None:
        """Return why nothing of this borrower's is looked at, or None."""
        if opportunity.borrower in self.options.deny_borrowers:
            return Declined(reason=Reason.DENIED, detail="the borrower is on the list of denied ones")
        if seen.surcharge is None:
            return Declined(reason=Reason.NO_COST, detail="what the chain takes beside gas could not be read")
        return None

    def _may_pay(self, pair: Pair) -> bool:
        """Return whether the pair could clear the least profit if gas cost nothing."""
        tip = tip_wei(profit_wei=max(pair.best.profit_wei, 0), options=self.options)
        return pair.best.profit_wei - tip >= max(self.options.min_profit_wei, 1)

    # --- 2. choose ------------------------------------------------------------------------------------------

    def choose(
        self,
        seen: Observation,
        proposals: Sequence[Proposal],
        gas_used: Mapping[Draft, int | Declined],
        *,
        busy_pools: Collection[Address] = (),
        sequence: Sequencing = tuple,
    ) -> tuple[Chosen, ...]:
        """Return one draft a borrower, in the order they are to run, then those who are left alone.

        `gas_used` is what each proposed draft used, or why its simulation failed. A draft that would pass
        through one of `busy_pools` waits: a transaction in flight counts on that depth already. `sequence`
        says in which order they would run, where they were to run in another.
        """
        choosing = self.choosing(seen, proposals, gas_used, busy_pools=busy_pools, sequence=sequence)
        return tuple([one for one in choosing if one is not None])

    def choosing(
        self,
        seen: Observation,
        proposals: Sequence[Proposal],
        gas_used: Mapping[Draft, int | Declined],
        *,
        busy_pools: Collection[Address] = (),
        sequence: Sequencing = tuple,
    ) -> Iterator[Chosen | None]:
        """Yield what `choose` returns, borrower by borrower: there is time for something else in between.

        Before that it yields None after each step of looking for the best order.
        """
        contenders = [self._contender(seen, proposal, gas_used, busy_pools) for proposal in proposals]
        start = Left(pools=Depth(seen.pools), gas=seen.head.gas_limit, scarce=scarce(contenders))
        places = yield from order(contenders, start, self._net, most_exact=self.options.exact_orders)
        by_position = {proposals[at].opportunity.position: proposals[at] for at in places}
        in_order = [by_position[one] for one in sequence(tuple(by_position))]
        yield from self._run(seen, in_order, gas_used, start, frozenset(busy_pools))

    def _contender(
        self,
        seen: Observation,
        proposal: Proposal,
        gas_used: Mapping[Draft, int | Declined],
        busy_pools: Collection[Address],
    ) -> Contender:
        """Return a borrower as they contend with others: with what brings most alone, of known gas."""
        priced = [
            Priced(one.pairs, gas, self.drafter.cost_wei(seen, one.draft, gas))
            for one in proposal.drafts
            if one.pairs
            and isinstance(gas := gas_used.get(one.draft), int)
            and one.draft.pools.isdisjoint(busy_pools)
        ]
        best = max(
            priced,
            key=lambda one: sum(pair.best.profit_wei for pair in one.pairs) - one.gas_wei,
            default=None,
        )
        return Contender(priced=() if best is None else (best,))

    def _net(self, pairs: Sequence[Pair], gas_wei: int) -> tuple[int, tuple[Evaluation, ...]] | None:
        """Return what the sizes that the objective asks for bring after gas; None where none clears."""
        sizes = self._sizes(pairs, gas_wei, self.options.objective)
        if isinstance(sizes, Declined):
            return None
        vault_wei = sum(
            size.profit_wei - tip_wei(profit_wei=max(size.profit_wei, 0), options=self.options)
            for size in sizes
        )
        repaid_wei = sum(pair.repaid_wei(size) for pair, size in zip(pairs, sizes, strict=True))
        if below_minimum(vault_wei=vault_wei, gas_wei=gas_wei, repaid_wei=repaid_wei, options=self.options):
            return None
        return vault_wei - gas_wei, sizes

    def _sizes(
        self, pairs: Sequence[Pair], gas_wei: int, objective: Objective
    ) -> tuple[Evaluation, ...] | Declined:
        """Return the sizes that an objective asks for; each of several in a row has its own already."""
        if len(pairs) > 1:
            return tuple(pair.best for pair in pairs)
        size = pairs[0].size(objective, gas_wei=gas_wei, options=self.options)
        return size if isinstance(size, Declined) else (size,)

    def _run(
        self,
        seen: Observation,
        proposals: Sequence[Proposal],
        gas_used: Mapping[Draft, int | Declined],
        left: Left,
        busy_pools: frozenset[Address],
    ) -> Iterator[Chosen]:
        """Yield an order's drafts: each on what those before it leave, through the routes best then."""
        sizer: Sizer | None = None
        changed = busy_pools
        alone: list[Chosen] = []
        for first in proposals:
            opportunity = left.opportunity(first.opportunity)
            if opportunity is not first.opportunity or any(
                one.draft.pools & changed or any(map(left.lends_less, one.pairs))
                for one in first.drafts
                if one.pairs
            ):
                sizer = sizer or self._sizer(seen)
                best = self._best_left(seen, sizer, first, opportunity, left, gas_used)
            else:
                best = self._best(seen, first, gas_used)
            if isinstance(best, _Best):
                best = _no_room(best, left, busy_pools) or _no_money(best, changed) or best
            if isinstance(best, Declined):
                alone.append(Chosen(opportunity=first.opportunity, drafted=best))
                continue
            for pair, size in best.drafted.sized:
                left = left.after(pair, size, gas=0)
            left = replace(left, gas=left.gas - best.gas_used)
            changed |= best.drafted.draft.pools
            yield Chosen(opportunity=first.opportunity, drafted=best.drafted)
        yield from alone

    def _best_left(
        self,
        seen: Observation,
        sizer: Sizer,
        first: Proposal,
        opportunity: Opportunity,
        left: Left,
        gas_used: Mapping[Draft, int | Declined],
    ) -> _Best | Declined:
        """Return the best draft of an opportunity on what is left.

        Only what was simulated on all there was can be chosen: of nothing else a gas is known. What brought
        no more then than another does now is not looked at.
        """
        brought = [
            (one.draft.waterfall.vault_wei - self.drafter.cost_wei(seen, one.draft, gas), _keys(one.pairs))
            for one in first.drafts
            if one.pairs and isinstance(gas := gas_used.get(one.draft), int)
        ]
        if not brought:
            return self._best(seen, first, gas_used)
        best: _Best | Declined = first.why_not
        looked_at: set[Key] = set()
        for brought_wei, keys in sorted(brought, reverse=True):
            if isinstance(best, _Best) and brought_wei <= best.net_wei:
                break
            if looked_at.issuperset(keys) and len(keys) == 1:
                continue
            looked_at |= set(keys)
            again = self._propose(
                seen,
                sizer,
                replace(opportunity, terms=tuple(one for one in opportunity.terms if key_of(one) in keys)),
                left,
                in_a_row=len(keys) > 1,
            )
            found = self._best(seen, again, self._known_gas(first, again, gas_used))
            if not isinstance(best, _Best) or (isinstance(found, _Best) and found.net_wei > best.net_wei):
                best = found
        return best

    def _best(
        self, seen: Observation, proposal: Proposal, gas_used: Mapping[Draft, int | Declined]
    ) -> _Best | Declined:
        """Return the draft with the highest profit after gas, of the size that the objective asks for.

        What would be carried is that only where nothing earns within its transaction.
        """
        best: _Best | None = None
        why_not = proposal.why_not
        for drafted in proposal.drafts:
            if drafted.carrying is not None and best is not None:
                continue
            gas = gas_used.get(drafted.draft)
            if gas is None or isinstance(gas, Declined):
                why_not = gas or why_not
                continue
            sized = self.size(seen, proposal.opportunity, drafted, gas_used=gas)
            if isinstance(sized, Declined):
                why_not = sized
                continue
            gas_wei = self.drafter.cost_wei(seen, sized.draft, gas)
            net_wei = sized.draft.worth_wei - gas_wei
            if best is None or net_wei > best.net_wei:
                best = _Best(sized, gas, net_wei)
        return best or why_not

    def size(
        self,
        seen: Observation,
        opportunity: Opportunity,
        drafted: Drafted,
        *,
        gas_used: int,
        objective: Objective | None = None,
    ) -> Drafted | Declined:
        """Return the draft that the objective asks for, given its gas; it clears every minimum."""
        objective = objective or self.options.objective
        gas_wei = self.drafter.cost_wei(seen, drafted.draft, gas_used)
        if drafted.carrying is not None:
            return self._too_little(drafted, gas_wei=gas_wei) or drafted
        sizes = self._sizes(drafted.pairs, gas_wei, objective)
        if isinstance(sizes, Declined):
            return sizes
        sized = tuple(zip(drafted.pairs, sizes, strict=True))
        if any(now is not before for now, (_, before) in zip(sizes, drafted.sized, strict=True)):
            drafted = self.drafter.draft(seen, opportunity, sized, objective)
        return self._too_little(drafted, gas_wei=gas_wei) or drafted

    def _known_gas(
        self, first: Proposal, again: Proposal, gas_used: Mapping[Draft, int | Declined]
    ) -> Mapping[Draft, int | Declined]:
        """Return what the first proposal's pairs used, for the same pairs on other pools."""
        by_pairs = {_keys(one.pairs): gas_used.get(one.draft) for one in first.drafts}
        known = {one.draft: by_pairs.get(_keys(one.pairs)) for one in again.drafts}
        return {draft: gas for draft, gas in known.items() if gas is not None}

    # --- 3. conclude ----------------------------------------------------------------------------------------

    def conclude(
        self,
        seen: Observation,
        drafted: Drafted,
        simulated: Simulated,
        *,
        odds: Odds | None = None,
        rungs: Iterable[tuple[Drafted, Simulated]] = (),
    ) -> Decision:
        """Return the plan, if its simulation agrees with the prediction and its own gas leaves enough.

        With `odds` it must be worth its race too. Of its `rungs`, those stand beside it of which the same
        is true.
        """
        plan = self._concluded(seen, drafted, simulated)
        if isinstance(plan, Declined):
            return plan
        smaller = (self._concluded(seen, *rung) for rung in rungs)
        ladder_ = second_choices(plan, (one for one in smaller if isinstance(one, Plan)))
        return self._too_risky(seen, plan, odds) or replace(plan, ladder=ladder_)

    def _concluded(self, seen: Observation, drafted: Drafted, simulated: Simulated) -> Decision:
        if declined := disagreement(drafted.draft, simulated):
            return declined
        gas_wei = self.drafter.cost_wei(seen, drafted.draft, simulated.gas_used)
        if declined := self._too_little(drafted, gas_wei=gas_wei):
            return declined
        if declined := too_large(repaid_wei=drafted.repaid_wei, options=self.options):
            return declined
        allowed = fees(gas_used=simulated.gas_used, block=seen.block, options=self.options)
        if isinstance(allowed, Declined):
            return allowed
        plan = Plan(
            draft=drafted.draft,
            gas_used=simulated.gas_used,
            waterfall=replace(drafted.draft.waterfall, gas_wei=gas_wei),
            fees=allowed,
        )
        if drafted.carrying is not None:
            return plan  # of nothing earned nothing is bid
        least_wei = least_vault_wei(gas_wei=gas_wei, repaid_wei=drafted.repaid_wei, options=self.options)
        return with_bid(plan, least_net_wei=least_wei - gas_wei, block=seen.block, options=self.options)

    def _too_risky(self, seen: Observation, plan: Plan, odds: Odds | None) -> Declined | None:
        if odds is None or not odds.reverts_land:
            return None
        return too_risky(
            net_wei=plan.worth_wei,
            lost_wei=self.drafter.cost_wei(
                seen, plan.draft, LOST_RACE_GAS + LOST_CLOSE_GAS * (len(plan.draft.closes) - 1)
            ),
            chance=odds.chance,
        )

    def rungs(self, seen: Observation, chosen: Chosen, *, gas_used: int) -> tuple[Drafted, ...]:
        """Return smaller sizes of a draft that clear every minimum once they are the best, at its gas."""
        drafted = chosen.drafted
        if isinstance(drafted, Declined) or len(drafted.sized) != 1:
            return ()  # of several closes there is no one size, and what is carried sells nothing
        if drafted.draft.objective is Objective.RESTORE_HEALTH:
            return ()  # a smaller one would not
        pair, top = drafted.sized[0]
        gas_wei = self.drafter.cost_wei(seen, drafted.draft, gas_used)
        # once pools have moved, purchases cost what they cost: the floor is the limit of it
        draft = replace(self.drafter, options=replace(self.options, max_slippage_bps=_ANY_SLIPPAGE_BPS)).draft
        found: list[Drafted] = []
        for step in ladder(pair.trade, top, rungs=self.options.ladder_rungs):
            tip = tip_wei(profit_wei=max(step.moved_profit_wei, 0), options=self.options)
            too_little = below_minimum(
                vault_wei=step.moved_profit_wei - tip,
                gas_wei=gas_wei,
                repaid_wei=pair.repaid_wei(step.evaluation),
                options=self.options,
            )
            if not too_little:
                floor = floor_wei(profit_wei=step.moved_profit_wei, options=self.options)
                sized = [(pair, step.evaluation)]
                found.append(draft(seen, chosen.opportunity, sized, drafted.draft.objective, floor=floor))
        return tuple(found)

    def joined(self, seen: Observation, chosen: Sequence[Chosen], gas_used: Sequence[int]) -> Drafted:
        """Return several borrowers' drafts as one, whose transaction runs them in this order."""
        parts = [one.drafted for one in chosen if isinstance(one.drafted, Drafted)]
        return self.drafter.joined(seen, chosen[0].opportunity, parts, gas_used)

    def _too_little(self, drafted: Drafted, *, gas_wei: int) -> Declined | None:
        declined = below_minimum(
            vault_wei=drafted.draft.worth_wei,
            gas_wei=gas_wei,
            repaid_wei=drafted.repaid_wei,
            options=self.options,
        )
        if declined is None or drafted.carrying is None:
            return declined
        return replace(declined, detail=f"carried, as it would be booked: {declined.detail}")


def _no_money(best: _Best, used: frozenset[Address]) -> Declined | None:
    """Return that another of the same block spends the vault's money already, or None."""
    draft = best.drafted.draft
    if draft.carry is None or not draft.pools & used:
        return None
    why = "another transaction of this block spends the vault's money; it is looked at again after that"
    return Declined(reason=Reason.IN_FLIGHT, detail=why)


def _no_room(best: _Best, left: Left, busy_pools: frozenset[Address]) -> Declined | None:
    """Return why a draft has no place in the block behind those before it, or None."""
    if busy := best.drafted.draft.pools & busy_pools:
        why = f"a transaction in flight counts on {len(busy)} of its pools"
        return Declined(reason=Reason.IN_FLIGHT, detail=why)
    if (wanted := gas_limit(best.gas_used)) > left.gas:
        why = f"{wanted} gas are wanted, and {left.gas} left of the block's"
        return Declined(reason=Reason.BLOCK_FULL, detail=why)
    return None


def _keys(pairs: Sequence[Pair]) -> tuple[Key, ...]:
    return tuple(pair.key for pair in pairs)
