"""What is to be done about each unhealthy borrower of one state: propose, simulate, choose, conclude.

There is one round trip as a rule: each draft is simulated alone and in the order that is expected, at once.
Only where the gas turns out to change that order, or a draft fails, is there another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import assert_never

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.events import Concluded, Reopened, Settled
from keeper.domain.observation import Observation
from keeper.domain.odds import Odds
from keeper.domain.plan import Decision, Draft, Plan
from keeper.domain.position import Opportunity, PositionId
from keeper.engine.batching import Batch, batch, fitting
from keeper.engine.each import each
from keeper.engine.in_sequence import in_sequence
from keeper.engine.simulating import Simulator
from keeper.engine.usual_gas import UsualGas, as_expected
from keeper.planner.drafting import Drafted
from keeper.planner.planner import Planner
from keeper.planner.proposal import Chosen, Proposal
from keeper.ports import Bidder, BidForm, Foresight, Guard, Landing
from keeper.query import Simulated


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """One borrower, and what was decided: with everything that led to it."""

    opportunity: Opportunity
    proposal: Proposal | None
    """None where a transaction is on its way already, or the last one failed just now."""
    gas_used: Mapping[Draft, int | Declined]
    """What each proposed draft used in its simulation, or why that failed."""
    decision: Decision


@dataclass(slots=True, kw_only=True)
class Decider:
    """Decides; it sends nothing, and asks for nothing but simulations."""

    planner: Planner
    simulator: Simulator
    landing: Landing | None = None
    """What it has in flight is not planned for again, and its pools are left alone."""
    guard: Guard | None = None
    bidder: Bidder | None = None
    backrun_bidder: Bidder | None = None
    """Says what is bid behind a hash, where that is another than elsewhere."""
    odds: Odds | None = None
    """Of the races before; without them the chance to lose is left out of account."""
    _usual: UsualGas = field(default_factory=UsualGas, init=False)

    async def decide(self, seen: Observation, *, behind: Foresight | None = None) -> tuple[Considered, ...]:
        """Return what is to be done about each unhealthy borrower: the plans first, in the order they run.

        All is simulated `behind` a transaction of somebody else's, such as the oracle's whose prices `seen`
        has; there, a race that is lost costs nothing. Raises Unavailable, Inconsistent, Broken.
        """
        if not seen.opportunities:
            return ()
        planner, basis = self._bidding(behind), self.simulator.basis(seen, behind)
        if behind is not None:  # what is behind a report may have to go into one transaction, with one floor
            planner = planner.not_carrying()
        odds = self.odds if behind is None else None
        flying = self.landing.in_flight() if self.landing is not None else {}
        busy_pools = frozenset(pool for pools in flying.values() for pool in pools)
        free, left = self._free(seen.opportunities, flying)
        proposals = await each(planner.proposing(seen, free), of=len(free))
        proposed = [drafted.draft for proposal in proposals for drafted in proposal.drafts]
        sequence = tuple if self.landing is None else self.landing.sequence
        choose = partial(planner.choosing, seen, busy_pools=busy_pools, sequence=sequence)
        expected = self._usual.expected(proposed)
        chosen = await in_sequence(partial(choose, gas_used=expected), proposals, sequence)
        together = self._together(seen, planner, chosen)
        ladders = self._ladders(seen, planner, chosen, behind, but=together.parts if together else ())
        beside = [rung.draft for ladder in ladders.values() for rung in ladder]
        beside += [together.joined.draft] if together else []
        simulations = await self.simulator.all(seen, proposed, _in_order(chosen), basis, beside=beside)
        gas_used = simulations.gas_used(proposed)
        gas_used |= await self.simulator.hazards(seen, simulations.of(proposed))
        self._usual.learn(gas_used)
        # sized for the expected gas where that came true, so that what was simulated is what is sent
        sized_for = {draft: as_expected(gas, expected[draft]) for draft, gas in gas_used.items()}
        if sized_for != expected:
            chosen = await in_sequence(partial(choose, gas_used=sized_for), proposals, sequence)
        while True:
            simulated = await self.simulator.in_order(seen, _in_order(chosen), basis, known=simulations)
            rungs = {draft: simulations.known(ladder) for draft, ladder in ladders.items()}
            decisions = await self._concluded(seen, planner, chosen, simulated, rungs, odds)
            by_position = {one.opportunity.position: one for one in proposals}
            considered = [
                Considered(
                    opportunity=one.opportunity,
                    proposal=by_position[one.opportunity.position],
                    gas_used=gas_used,
                    decision=decision,
                )
                for one, decision in zip(chosen, decisions, strict=True)
            ]
            failed = _failed(chosen, considered)
            if failed is None or len(simulated) == 1:
                break
            # those after it counted on the depth that it would have left: choose again without it
            left.append(failed)
            proposals = tuple(one for one in proposals if one is not failed.proposal)
            chosen = await in_sequence(partial(choose, gas_used=sized_for), proposals, sequence)
        if behind is not None and behind.behind.raw is None and len(simulated) > 1:
            leading = chosen[: max(1, fitting(one.gas_used for one in simulated))]
            return await self._as_one(seen, planner, leading, simulated, (*considered, *left), behind)
        if together is not None and together.is_head_of(_in_order(chosen)):
            for joined, result in simulations.known([together.joined]):
                decision = planner.conclude(seen, joined, result, odds=odds)
                considered = _batched(considered, len(together.parts), decision)
        return (*considered, *left)

    def learn(self, settled: Settled) -> None:
        """Take in how a race came out, or that it is not over after all."""
        if self.odds is None:
            return
        match settled:
            case Concluded(submission=submission, outcome=outcome):
                self.odds = self.odds.after(submission, outcome)
            case Reopened(submission=submission):
                self.odds = self.odds.without(submission)
            case _:
                assert_never(settled)

    def _together(self, seen: Observation, planner: Planner, chosen: Sequence[Chosen]) -> Batch | None:
        """Return the drafts that may go in one transaction, where several are to."""
        if self.landing is None or not self.landing.joins or planner.options.most_joined < 2:
            return None
        return batch(seen, planner, chosen, self._usual.expected(_in_order(chosen)))

    def _ladders(
        self,
        seen: Observation,
        planner: Planner,
        chosen: Sequence[Chosen],
        behind: Foresight | None,
        *,
        but: Collection[Draft],
    ) -> dict[Draft, tuple[Drafted, ...]]:
        """Return the smaller sizes of each draft, where more than one size of it can be offered.

        What passes through a pool that one before it did has none: it stands behind that one's whole size.
        Nor have those that may go in one transaction.
        """
        if self.landing is None or not self.landing.takes_ladder(behind.behind if behind else None):
            return {}
        found: dict[Draft, tuple[Drafted, ...]] = {}
        used: frozenset[Address] = frozenset()
        for one in chosen:
            if isinstance(one.drafted, Drafted):
                draft = one.drafted.draft
                if used.isdisjoint(draft.pools) and draft not in but:
                    found[draft] = planner.rungs(seen, one, gas_used=self._usual.expected([draft])[draft])
                used |= draft.pools
        return found

    async def _concluded(
        self,
        seen: Observation,
        planner: Planner,
        chosen: Sequence[Chosen],
        simulated: Sequence[Simulated],
        rungs: Mapping[Draft, Sequence[tuple[Drafted, Simulated]]],
        odds: Odds | None,
    ) -> Sequence[Decision]:
        """Return what each chosen draft came to, in its simulation; what was declined stays so."""
        results = iter(simulated)
        concluding = (
            one.drafted
            if isinstance(one.drafted, Declined)
            else planner.conclude(
                seen, one.drafted, next(results), odds=odds, rungs=rungs.get(one.drafted.draft, ())
            )
            for one in chosen
        )
        return await each(concluding, of=len(chosen))

    async def _as_one(
        self,
        seen: Observation,
        planner: Planner,
        chosen: Sequence[Chosen],
        simulated: Sequence[Simulated],
        considered: Sequence[Considered],
        behind: Foresight,
    ) -> tuple[Considered, ...]:
        """Return the plans joined in one transaction: no more than one is taken behind a hash.

        Where they do not go together, the one of them that brings most alone.
        """
        gas_used = [one.gas_used for one in simulated[: len(chosen)]]
        joined = planner.joined(seen, chosen, gas_used)
        basis = self.simulator.basis(seen, behind)
        (result,) = await self.simulator.in_order(seen, [joined.draft], basis)
        decision = planner.conclude(seen, joined, result)
        if isinstance(decision, Plan):
            left = (one for one in considered[1:] if isinstance(one.decision, Declined))
            return (replace(considered[0], decision=decision), *left)
        best = max(considered, key=_net_wei)
        return await self.decide(replace(seen, opportunities=(best.opportunity,)), behind=behind)

    def _bidding(self, behind: Foresight | None) -> Planner:
        """Return the planner with what is bid now: behind a hash, what is learned there, if anything is."""
        backrun = self.backrun_bidder if behind is not None and behind.behind.raw is None else None
        if backrun is not None:
            return self.planner.bidding(backrun.share_bps(), form=BidForm.COINBASE)
        return self.planner if self.bidder is None else self.planner.bidding(self.bidder.share_bps())

    def _free(
        self, opportunities: Iterable[Opportunity], flying: Collection[PositionId]
    ) -> tuple[list[Opportunity], list[Considered]]:
        """Return what there is to plan for, and what waits.

        What is not sent must not be planned with either: those behind it would count on what it leaves.
        """
        free: list[Opportunity] = []
        waiting: list[Considered] = []
        for one in opportunities:
            why = self._waits(one.position, flying)
            if why is None:
                free.append(one)
            else:
                waiting.append(Considered(opportunity=one, proposal=None, gas_used={}, decision=why))
        return free, waiting

    def _waits(self, position: PositionId, flying: Collection[PositionId]) -> Declined | None:
        """Return why nothing is planned for a position at this head, or None."""
        if position in flying:
            return Declined(reason=Reason.IN_FLIGHT, detail="a transaction is on its way")
        return None if self.guard is None else self.guard.backing_off(position)


def _failed(chosen: Sequence[Chosen], considered: Sequence[Considered]) -> Considered | None:
    """Return the first whose draft was chosen, and came to nothing in its simulation."""
    both = zip(chosen, considered, strict=True)
    return next(
        (one for was, one in both if isinstance(was.drafted, Drafted) and isinstance(one.decision, Declined)),
        None,
    )


def _in_order(chosen: Sequence[Chosen]) -> list[Draft]:
    return [one.drafted.draft for one in chosen if isinstance(one.drafted, Drafted)]


def _batched(considered: list[Considered], parts: int, decision: Decision) -> list[Considered]:
    """Return the first plans as the one that joins them, where that brings more."""
    first, after = considered[:parts], considered[parts:]
    if not isinstance(decision, Plan) or decision.waterfall.net_wei <= sum(map(_net_wei, first)):
        return considered
    return [replace(first[0], decision=decision), *after]


def _net_wei(considered: Considered) -> int:
    """Return what a plan brings; where there is none, less than any does."""
    return considered.decision.waterfall.net_wei if isinstance(considered.decision, Plan) else -1
