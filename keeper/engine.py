"""The engine: one state after another, observe → plan → submit → settle.

It joins the rooms and decides nothing. A state is always taken in; a decision that a newer state overtakes
is dropped. What it cannot read it says, and goes on at the next head: the books find the gap themselves.

From the state to the signature there is one round trip as a rule: what the chain says of transactions in
flight is asked for while the state is read, the operator's balance comes with it, and each draft is simulated
alone and in the order that is expected, at once. Only where the gas turns out to change that order, or a
draft fails, is there another.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Any, TypeAlias, TypeVar

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.errors import Broken, Inconsistent, Rejected, Unavailable
from keeper.domain.events import (
    Audited,
    Concluded,
    Decided,
    Degraded,
    Foretold,
    Left,
    Listener,
    Observed,
    Overtaken,
    Planned,
    Relinked,
    Sent,
    Stopped,
)
from keeper.domain.head import Head
from keeper.domain.observation import Observation
from keeper.domain.odds import Odds
from keeper.domain.pending import Leading
from keeper.domain.plan import Decision, Draft, Plan
from keeper.domain.position import Opportunity, PositionId
from keeper.domain.report import Trigger
from keeper.domain.state import Mined, StateRef
from keeper.domain.token import Token
from keeper.planner.hazards import probes
from keeper.planner.planner import Chosen, Drafted, Planner, Proposal, disagreement
from keeper.ports import (
    Bidder,
    BidForm,
    Doubted,
    Foresees,
    Foresight,
    Guard,
    Journal,
    Landing,
    NewHead,
    Tick,
    World,
)
from keeper.query import (
    Answer,
    Answering,
    Ask,
    Query,
    Simulated,
    SimulatedCall,
    balance,
    both,
    run,
    settle,
    simulate,
)
from keeper.reverts import explained
from keeper.watcher import Watcher
from keeper.watcher.triggers import triggers, unpredicted
from keeper.watcher.watcher import Advance

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The chain's times and the operator's patience, in seconds; and what their purse should hold."""

    block_time_s: int
    deadline_s: int
    """How long after the next block a transaction may still run."""
    max_head_age_s: int
    """An older head is not decided upon."""
    min_purse_wei: int = 0
    """Where the operator has less for gas, the keeper says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """One borrower, and what was decided: with everything that led to it."""

    opportunity: Opportunity
    proposal: Proposal | None
    """None where a transaction is on its way already, or the last one failed just now."""
    gas_used: Mapping[Draft, int | Declined]
    """What each proposed draft used in its simulation, or why that failed."""
    decision: Decision


_Kind: TypeAlias = tuple[str, tuple[tuple[Address, Address], ...], int]
"""A draft's market, each close's two tokens, and how many pools it passes: its gas depends on these most."""

_USUAL_GAS = 700_000
"""What a draft of a kind that was never simulated is expected to use."""
_MOST_JOINED_GAS = 13_000_000
"""Of plans in one transaction, for its gas limit to stay below what a transaction may have (EIP-7825)."""
_EXPECTED_WITHIN = 50
"""Gas that is within a fiftieth of what was expected came out as expected."""


_MOST_ROUNDS = 3
"""Requests that a head may cost where nothing is to be sent."""


class _Counting:
    """The world, and how often it was asked."""

    def __init__(self, world: Answering) -> None:
        self._world = world
        self.rounds = 0

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        self.rounds += 1
        return await self._world.answer(asks, at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """What drafts are simulated upon."""

    at: StateRef
    ahead: tuple[SimulatedCall, ...]
    """What runs before them, in the same block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Simulations:
    """What became of each draft by itself, and of some after one another."""

    alone: Mapping[Draft, Simulated]
    in_order: Mapping[tuple[Draft, ...], tuple[Simulated, ...]]


class Engine:
    """Drives one chain's keeper. Without `landing` nothing is sent, without `journal` nothing is kept."""

    def __init__(
        self,
        *,
        world: World,
        watcher: Watcher,
        planner: Planner,
        journal: Journal | None,
        landing: Landing | None,
        guard: Guard | None = None,
        bidder: Bidder | None = None,
        backrun_bidder: Bidder | None = None,
        listen: Listener,
        clock: Callable[[], float],
        pace: Pace,
        preamble: Sequence[SimulatedCall] = (),
        odds: Odds | None = None,
        remember: Callable[[Advance], None] | None = None,
    ) -> None:
        """`preamble` comes before each simulation: it deploys an executor where there is none yet.

        `backrun_bidder` says what is bid behind a hash, where that is another than elsewhere.
        `odds` are those of the races before; without them the chance to lose is left out of account.
        `remember` is told what changed at each head.
        """
        self._world = world
        self._watcher = watcher
        self._planner = planner
        self._journal = journal
        self._landing = landing
        self._guard = guard
        self._bidder = bidder
        self._backrun_bidder = backrun_bidder
        self._listen = listen
        self._clock = clock
        self._pace = pace
        self._preamble = tuple(preamble)
        self._odds = odds
        self._remember = remember
        self._purse_wei: int | None = None
        self._rounds = 0
        self._usual_gas: dict[_Kind, int] = {}
        self._hazard: dict[Token, Declined | None] = {}
        self._told_poor = False
        self._sending_behind: asyncio.Task[None] | None = None
        self.triggers: tuple[Trigger, ...] = ()
        """Where the next borrowers fall, as of the last head that left time for it."""

    # --- following the chain --------------------------------------------------------------------------------

    async def follow(self, stop: asyncio.Event, *, ahead: Foresees | None = None) -> None:
        """Handle every head until `stop` is set; the head in hand is finished first.

        Between heads, what `ahead` foresees is decided upon.
        """
        heads: asyncio.Queue[NewHead] = asyncio.Queue()
        doubted: Head | None = None

        def overtaken(head: Head) -> bool:
            return not heads.empty() or head == doubted

        async def receive() -> None:
            nonlocal doubted
            last_s, told = self._clock(), False
            async for signal in self._world.signals():
                match signal:
                    case NewHead():
                        last_s, told = signal.seen_at_s, False
                        heads.put_nowait(signal)
                    case Tick(seen_at_s=now_s):
                        if not told and (quiet_s := now_s - last_s) > self._pace.max_head_age_s:
                            told = True
                            self._listen(Degraded(what="no new head", why=f"for {quiet_s:.0f} s"))
                    case Doubted(head=head, why=why):
                        doubted = head
                        self._listen(Degraded(what=f"head {head.number} is doubted", why=why))

        receiving = asyncio.create_task(receive())
        stopping = asyncio.create_task(stop.wait())
        foretelling: asyncio.Task[None] | None = None
        looking: asyncio.Task[None] | None = None
        try:
            while not stop.is_set():
                next_head = asyncio.create_task(heads.get())
                await asyncio.wait((next_head, stopping, receiving), return_when=asyncio.FIRST_COMPLETED)
                if next_head.done():
                    await _ended(foretelling)
                    await self._stop_looking(looking)
                    seen = next_head.result()
                    overtaken_now = partial(overtaken, seen.head)
                    await self.step(seen, overtaken=overtaken_now)
                    foretelling = asyncio.create_task(self.foretell())
                    if ahead is not None:
                        looking = asyncio.create_task(self._look_ahead(ahead, overtaken_now))
                    continue
                next_head.cancel()
                if receiving.done():
                    receiving.result()  # raises what ended it
                    raise Unavailable("the stream of heads ended")
        finally:
            for task in (receiving, stopping, foretelling):
                await _ended(task)
            await self._stop_looking(looking)
        self._listen(Stopped(why="asked to"))

    async def step(self, seen: NewHead, *, overtaken: Callable[[], bool] = lambda: False) -> None:
        """Take in one head, settle what is in flight, decide, and send."""
        head = seen.head
        observation, concluded = await asyncio.gather(
            self.observe(head), self._settle(head), return_exceptions=True
        )
        self._told(concluded if isinstance(concluded, tuple) else ())
        if isinstance(observation, BaseException):
            self._degraded(f"head {head.number} could not be read", observation)
            return
        for how in observation.rejoined:
            self._listen(Relinked(head=head, how=how))
        for mismatch in observation.mismatches:
            self._listen(Audited(head=head, mismatch=mismatch))
        self._listen(
            Observed(
                head=head,
                borrowers=observation.borrowers,
                unhealthy=len(observation.opportunities),
                skipped=observation.skipped,
                milliseconds=self._since(seen),
            )
        )
        self._tell_purse()
        if isinstance(concluded, BaseException):
            self._degraded(f"head {head.number} was not dealt with to its end", concluded)
            return
        if overtaken():
            self._listen(Overtaken(head=head))
            return
        if (age_s := seen.seen_at_s - head.timestamp_s) > self._pace.max_head_age_s:
            self._listen(
                Degraded(what=f"head {head.number} is not decided upon", why=f"it is {age_s:.0f} s old")
            )
            return
        try:
            considered = await self.decide(observation)
            if overtaken():
                self._listen(Overtaken(head=head))
                return
            sent = await self._send(head, considered, overtaken)
            await self._cancel_useless(head)
        except (Unavailable, Inconsistent, Broken) as error:
            self._degraded(f"head {head.number} was not dealt with to its end", error)
            return
        self._listen(Decided(head=head, sent=sent, milliseconds=self._since(seen)))

    async def _settle(self, head: Head) -> tuple[Concluded, ...]:
        return () if self._landing is None else await self._landing.settle(head)

    def _told(self, concluded: Sequence[Concluded]) -> None:
        """Tell what has come to its outcome: whoever listens, then what brakes by it."""
        for one in concluded:
            self._listen(one)
            if self._odds is not None:
                self._odds = self._odds.after(one.submission, one.outcome)
            if self._guard is not None:
                self._guard.concluded(one)
        if self._guard is not None:
            self._guard.look()

    def _degraded(self, what: str, why: BaseException) -> None:
        """Tell what the world kept from being done. Raises what is nobody's fault but ours."""
        if not isinstance(why, (Unavailable, Inconsistent, Broken)):
            raise why
        self._listen(Degraded(what=what, why=str(why)))

    async def observe(self, head: Head) -> Observation:
        """Return the state after `head`. Raises Unavailable or Inconsistent; nothing is half taken in."""
        counting = _Counting(self._world)
        advance, self._purse_wei = await run(
            both(self._watcher.advance(head), self._purse()), Mined(hash=head.hash), counting
        )
        self._rounds = counting.rounds
        self._watcher.apply(advance)
        if self._remember is not None:
            self._remember(advance)
        block = head.next_block(block_time_s=self._pace.block_time_s)
        return self._watcher.observe(block=block, deadline_s=block.timestamp_s + self._pace.deadline_s)

    async def foretell(self, *, whole: bool = False) -> None:
        """Keep the trigger prices from the last head on. It gives way to whatever comes, feed by feed.

        What prices are made of is looked at as a `whole`, or one round at a head that left a request for it.
        """
        head, pricing = self._watcher.head, self._watcher.pricing
        if head is None:
            return
        books = self._watcher.current
        unknown = pricing.unknown(books)
        if unknown and (whole or self._rounds < _MOST_ROUNDS):
            looking: Query[object] = pricing.look(unknown) if whole else pricing.look_on(unknown)
            try:
                await run(looking, Mined(hash=head.hash), self._world)
            except (Unavailable, Inconsistent, Broken) as error:
                self._degraded("what prices are made of could not be read", error)
                return
        found: list[Trigger] = []
        at_s = head.next_block(block_time_s=self._pace.block_time_s).timestamp_s
        for book in books:
            for of_feed in triggers(book, pricing, at_s=at_s):
                found += of_feed
                await asyncio.sleep(0)
        missing = tuple(one for book in books for one in unpredicted(book, pricing))
        if found or missing:
            self.triggers = tuple(found)
            self._listen(Foretold(head=head, triggers=self.triggers, unpredicted=missing))

    # --- ahead of the chain ---------------------------------------------------------------------------------

    async def _look_ahead(self, ahead: Foresees, overtaken: Callable[[], bool]) -> None:
        """Decide upon whatever is foreseen upon the last head, until the next one comes."""
        if (head := self._watcher.head) is None:
            return
        ahead.upon(head)
        while True:
            await self.step_behind(await ahead.foreseen(), overtaken=overtaken)

    async def _stop_looking(self, looking: asyncio.Task[None] | None) -> None:
        """End looking ahead at once; but what is being sent is sent, and its answers are waited for."""
        await _ended(looking)
        if self._sending_behind is not None:
            await self._sending_behind
            self._sending_behind = None

    async def step_behind(
        self, foreseen: Foresight, *, overtaken: Callable[[], bool] = lambda: False
    ) -> None:
        """Decide about those whom a pending transaction lets fall, and send what is to come behind it."""
        head = foreseen.head
        if head != self._watcher.head:
            return  # it is looked at again upon the newer one
        if self._landing is not None and not self._landing.takes(foreseen.behind):
            return
        block = head.next_block(block_time_s=self._pace.block_time_s)
        seen = self._watcher.observe(
            block=block, deadline_s=block.timestamp_s + self._pace.deadline_s, prices=foreseen.prices
        )
        theirs = (one for one in seen.opportunities if one.position in foreseen.positions)
        try:
            considered = await self.decide(replace(seen, opportunities=tuple(theirs)), behind=foreseen)
        except (Unavailable, Inconsistent, Broken) as error:
            self._degraded(f"what is behind 0x{foreseen.behind.hash.hex()} was not decided", error)
            return
        if not overtaken():
            self._sending_behind = asyncio.create_task(
                self._send_behind(head, considered, overtaken, foreseen.behind)
            )
            await asyncio.shield(self._sending_behind)
            self._sending_behind = None

    async def _send_behind(
        self, head: Head, considered: Sequence[Considered], overtaken: Callable[[], bool], behind: Leading
    ) -> None:
        try:
            await self._send(head, considered, overtaken, behind=behind)
        except (Unavailable, Inconsistent, Broken) as error:
            self._degraded(f"what is behind 0x{behind.hash.hex()} was not all sent", error)

    # --- deciding -------------------------------------------------------------------------------------------

    async def decide(self, seen: Observation, *, behind: Foresight | None = None) -> tuple[Considered, ...]:
        """Return what is to be done about each unhealthy borrower: the plans first, in the order they run.

        All is simulated `behind` a transaction of somebody else's, such as the oracle's whose prices `seen`
        has; there, a race that is lost costs nothing.
        """
        basis = self._basis(seen, behind)
        odds = self._odds if behind is None else None
        flying = self._landing.in_flight() if self._landing is not None else {}
        busy_pools = frozenset(pool for pools in flying.values() for pool in pools)
        considered: list[Considered] = []
        free: list[Opportunity] = []
        for opportunity in seen.opportunities:
            why = self._waits(opportunity.position, flying)
            if why is None:
                free.append(opportunity)
            else:
                considered.append(
                    Considered(opportunity=opportunity, proposal=None, gas_used={}, decision=why)
                )
        planner = self._bidding(behind)
        proposals = await _each(planner.proposing(seen, free))
        proposed = [drafted.draft for proposal in proposals for drafted in proposal.drafts]
        expected = {
            draft: self._usual_gas.get(_kind(draft), _USUAL_GAS * len(draft.closes)) for draft in proposed
        }
        whole = len(proposals)
        as_expected = await _each(planner.choosing(seen, proposals, expected, busy_pools=busy_pools))
        simulations = await self._simulate(
            seen, proposed, [one.draft for one in _in_order(as_expected)], basis
        )
        gas_used = {draft: _gas(simulated) for draft, simulated in simulations.alone.items()}
        gas_used |= await self._hazards(seen, simulations.alone)
        self._learn(gas_used)
        while True:
            # sized for the expected gas where that came true, so that what was simulated is what is sent
            sized_for = {draft: _as_expected(gas, expected[draft]) for draft, gas in gas_used.items()}
            chosen = (
                as_expected
                if sized_for == expected and len(proposals) == whole
                else await _each(planner.choosing(seen, proposals, sized_for, busy_pools=busy_pools))
            )
            run_in_order = _in_order(chosen)
            simulated = await self._simulated(seen, [one.draft for one in run_in_order], simulations, basis)
            concluding = (
                planner.conclude(seen, drafted, result, odds=odds)
                for drafted, result in zip(run_in_order, simulated, strict=True)
            )
            decided = iter(await _each(concluding))
            by_borrower = {(one.opportunity.market, one.opportunity.borrower): one for one in proposals}
            round_: list[Considered] = [
                Considered(
                    opportunity=one.opportunity,
                    proposal=by_borrower[one.opportunity.market, one.opportunity.borrower],
                    gas_used=gas_used,
                    decision=one.drafted if isinstance(one.drafted, Declined) else next(decided),
                )
                for one in chosen
            ]
            failed = next(
                (
                    one
                    for one, was in zip(round_, chosen, strict=True)
                    if isinstance(one.decision, Declined) and isinstance(was.drafted, Drafted)
                ),
                None,
            )
            if failed is None or len(run_in_order) == 1:
                if behind is None or behind.behind.raw is not None or len(run_in_order) == 1:
                    return (*round_, *considered)
                fitting = _fitting(chosen[: len(run_in_order)], simulated)
                return await self._as_one(seen, planner, fitting, (*round_, *considered), behind)
            # those after it counted on the depth that it would have left: choose again without it
            considered.append(failed)
            proposals = tuple(
                one for one in proposals if one.opportunity.position != failed.opportunity.position
            )

    async def _as_one(
        self,
        seen: Observation,
        planner: Planner,
        chosen: Sequence[Chosen],
        considered: Sequence[Considered],
        behind: Foresight,
    ) -> tuple[Considered, ...]:
        """Return the plans joined in one transaction: no more than one is taken behind a hash.

        Where they do not go together, the one of them that brings most alone.
        """
        joined, basis = planner.joined(seen, chosen), self._basis(seen, behind)
        calls = (*basis.ahead, *self._calls([joined.draft]))
        result = await run(simulate(calls, seen.block), basis.at, self._world)
        decision = planner.conclude(seen, joined, result[-1])
        if isinstance(decision, Plan):
            left = (one for one in considered[1:] if isinstance(one.decision, Declined))
            return (replace(considered[0], decision=decision), *left)
        best = max(considered, key=_net_wei)
        return await self.decide(replace(seen, opportunities=(best.opportunity,)), behind=behind)

    def _bidding(self, behind: Foresight | None) -> Planner:
        """Return the planner with what is bid now: behind a hash, what is learned there, if anything is."""
        backrun = self._backrun_bidder if behind is not None and behind.behind.raw is None else None
        if backrun is not None:
            return self._planner.bidding(backrun.share_bps(), form=BidForm.COINBASE)
        return self._planner if self._bidder is None else self._planner.bidding(self._bidder.share_bps())

    def _basis(self, seen: Observation, behind: Foresight | None) -> _Basis:
        if behind is None:
            return _Basis(at=Mined(hash=seen.head.hash), ahead=self._preamble)
        return _Basis(at=behind.at, ahead=(*behind.ahead, *self._preamble))

    def _waits(
        self, position: PositionId, flying: Mapping[tuple[str, Address], frozenset[Address]]
    ) -> Declined | None:
        """Return why nothing is planned for a position at this head, or None.

        What is not sent must not be planned with either: those behind it would count on what it leaves.
        """
        if position in flying:
            return Declined(reason=Reason.IN_FLIGHT, detail="a transaction is on its way")
        return None if self._guard is None else self._guard.backing_off(position)

    async def _simulate(
        self,
        seen: Observation,
        proposed: Sequence[Draft],
        in_order: Sequence[Draft],
        basis: _Basis,
    ) -> _Simulations:
        """Return what becomes of each proposed draft by itself in the next block, and of some in order."""
        self._predict(seen, list(dict.fromkeys((*proposed, *in_order))))
        ahead = basis.ahead
        queries = [simulate((*ahead, *self._calls([draft])), seen.block) for draft in proposed]
        if len(in_order) > 1 or not set(in_order) <= set(proposed):
            queries.append(simulate((*ahead, *self._calls(in_order)), seen.block))
        results = await run(settle(queries), basis.at, self._world)
        own = [result[len(ahead) :] if isinstance(result, tuple) else None for result in results]
        alone = {draft: result[0] for draft, result in zip(proposed, own, strict=False) if result}
        ordered: dict[tuple[Draft, ...], tuple[Simulated, ...]] = {
            (draft,): (result,) for draft, result in alone.items()
        }
        if len(own) > len(proposed) and own[-1] is not None:
            ordered[tuple(in_order)] = own[-1]
        return _Simulations(alone=alone, in_order=ordered)

    async def _simulated(
        self,
        seen: Observation,
        drafts: Sequence[Draft],
        known: _Simulations,
        basis: _Basis,
    ) -> tuple[Simulated, ...]:
        """Return what became of each chosen draft, after those before it in the same block."""
        if not drafts:
            return ()
        if (found := known.in_order.get(tuple(drafts))) is not None:
            return found
        self._predict(seen, [draft for draft in drafts if draft not in known.alone])
        calls = (*basis.ahead, *self._calls(drafts))
        result = await run(simulate(calls, seen.block), basis.at, self._world)
        return result[len(basis.ahead) :]

    async def _hazards(
        self, seen: Observation, simulated: Mapping[Draft, Simulated]
    ) -> Mapping[Draft, Declined]:
        """Return which drafts failed, or earned something else, by a token that keeps a part of transfers.

        Each token is tried once: what is known of it costs no further request.
        """
        suspects = {
            draft: tuple(probes(draft)) for draft, result in simulated.items() if disagreement(draft, result)
        }
        unknown = {probe.token: probe for tried in suspects.values() for probe in tried}
        unknown = {token: probe for token, probe in unknown.items() if token not in self._hazard}
        if unknown:
            queries = [simulate(probe.calls, seen.block) for probe in unknown.values()]
            results = await run(settle(queries), Mined(hash=seen.head.hash), self._world)
            for probe, result in zip(unknown.values(), results, strict=True):
                if not isinstance(result, Broken):
                    self._hazard[probe.token] = probe.verdict(result)
        found = {
            draft: next(filter(None, (self._hazard.get(probe.token) for probe in tried)), None)
            for draft, tried in suspects.items()
        }
        return {draft: why for draft, why in found.items() if why is not None}

    def _learn(self, gas_used: Mapping[Draft, int | Declined]) -> None:
        """Remember what each kind of draft used: the next one's size and place are expected by it."""
        self._usual_gas |= {
            _kind(draft): gas for draft, gas in gas_used.items() if not isinstance(gas, Declined)
        }

    def _predict(self, seen: Observation, drafts: Sequence[Draft]) -> None:
        """Journal what is predicted, before a simulation has spoken."""
        if self._journal is not None and drafts:
            self._journal.predicted(seen.head, drafts)

    def _calls(self, drafts: Sequence[Draft]) -> tuple[SimulatedCall, ...]:
        operator = self._planner.desk.operator
        return tuple(
            SimulatedCall(operator, draft.transaction.to, draft.transaction.data) for draft in drafts
        )

    # --- sending --------------------------------------------------------------------------------------------

    async def _send(
        self,
        head: Head,
        considered: Sequence[Considered],
        overtaken: Callable[[], bool],
        *,
        behind: Leading | None = None,
    ) -> int:
        """Send what is planned, side by side, and return how much is on its way, or may be.

        What is declined `behind` another's transaction is not counted: no head has it unhealthy yet.
        """
        reasons = Counter(one.decision.reason for one in considered if isinstance(one.decision, Declined))
        if self._journal is not None and reasons and behind is None:
            self._journal.declined(head, reasons)
        purse_wei = self._purse_wei
        held: Counter[Reason] = Counter()
        held_pools: set[Address] = set()
        sending: list[asyncio.Task[bool]] = []
        for one in considered:
            match one.decision:
                case Declined() as why:
                    self._leave(head, one.opportunity, why, behind)
                case Plan() as plan:
                    if sending and overtaken():
                        self._listen(Overtaken(head=head))
                        break
                    self._listen(Planned(head=head, plan=plan, behind=behind.hash if behind else None))
                    most_wei = plan.fees.gas_limit * plan.fees.max_fee_per_gas_wei
                    refusal = self._refusal()
                    if refusal is None and purse_wei is not None and most_wei > purse_wei:
                        refusal = _too_poor(purse_wei, most_wei)
                    if refusal is None and held_pools & plan.draft.pools:
                        refusal = _behind_held()
                    if refusal is not None:
                        held[refusal.reason] += 1
                        held_pools |= plan.draft.pools
                        self._leave(head, one.opportunity, refusal, behind)
                        continue
                    submitting = asyncio.create_task(self._submit(plan, head, one.opportunity, behind))
                    sending.append(submitting)
                    await asyncio.sleep(0)  # it has its nonce, is signed and journalled: now the next one
                    if submitting.done() and submitting.exception() is not None:
                        break
                    if purse_wei is not None and not (submitting.done() and not submitting.result()):
                        purse_wei -= most_wei
        if self._journal is not None and held and behind is None:
            self._journal.declined(head, held)
        return sum(await _all(sending))

    def _refusal(self) -> Declined | None:
        """Return what the brakes say against sending one more plan now."""
        if self._guard is None or self._landing is None:
            return None
        return self._guard.refuses(in_flight=len(self._landing.in_flight()))

    def _purse(self) -> Query[int | None]:
        """Return what the operator can pay for gas; None where nothing is to be sent."""
        if self._landing is None:
            return None
        return (yield from balance(self._planner.desk.operator))

    def _tell_purse(self) -> None:
        """Tell, once, where the operator has less for gas than it should."""
        purse_wei, least_wei = self._purse_wei, self._pace.min_purse_wei
        poor = purse_wei is not None and purse_wei < least_wei
        if purse_wei is not None and poor and not self._told_poor:
            self._listen(
                Degraded(
                    what="the operator is running out of gas",
                    why=f"it has {purse_wei / 1e18:.6f}, and {least_wei / 1e18:.6f} is the least it should "
                    "have",
                )
            )
        self._told_poor = poor

    async def _submit(self, plan: Plan, head: Head, opportunity: Opportunity, behind: Leading | None) -> bool:
        """Return whether it is on its way, or may be."""
        if self._landing is None:
            return False
        try:
            submission = await self._landing.submit(plan, head, behind=behind)
        except Rejected as error:
            self._listen(Degraded(what=f"a plan for 0x{opportunity.borrower.hex()}", why=str(error)))
            return False
        self._listen(Sent(submission=submission))
        return True

    async def _cancel_useless(self, head: Head) -> None:
        """Free the nonces that nothing worth sending has taken over."""
        if self._landing is None:
            return
        try:
            for submission in await self._landing.cancel_useless(head):
                self._listen(Sent(submission=submission))
        except Rejected as error:
            self._listen(Degraded(what="a nonce that could not be freed", why=str(error)))

    def _leave(self, head: Head, opportunity: Opportunity, why: Declined, behind: Leading | None) -> None:
        self._listen(
            Left(
                head=head,
                market=opportunity.market,
                borrower=opportunity.borrower,
                health_factor_wad=opportunity.health.health_factor_wad,
                why=why,
                behind=behind.hash if behind else None,
            )
        )

    def _since(self, seen: NewHead) -> float:
        return (self._clock() - seen.seen_at_s) * 1e3


async def _each(ones: Iterable[T]) -> tuple[T, ...]:
    """Return all of what is computed one by one, and let others go on in between: heads, answers, a stop."""
    found: list[T] = []
    for one in ones:
        found.append(one)
        await asyncio.sleep(0)
    return tuple(found)


async def _all(tasks: Sequence[asyncio.Task[bool]]) -> list[bool]:
    """Return what each came to, once all have; raises what the first that failed did."""
    if tasks:
        await asyncio.wait(tasks)
    return [task.result() for task in tasks]


async def _ended(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task, and wait until it has ended."""
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError, Unavailable):
            await task


def _too_poor(purse_wei: int, most_wei: int) -> Declined:
    return Declined(
        reason=Reason.NO_GAS,
        detail=f"the operator has {purse_wei / 1e18:.6f} left, and this may take {most_wei / 1e18:.6f}",
    )


def _behind_held() -> Declined:
    return Declined(reason=Reason.NO_GAS, detail="it counts on the depth that one which is not sent leaves")


def _fitting(chosen: Sequence[Chosen], simulated: Sequence[Simulated]) -> Sequence[Chosen]:
    """Return as many of these, in their order, as one transaction has gas for."""
    gas_used = accumulate(one.gas_used for one in simulated)
    return chosen[: max(1, sum(so_far <= _MOST_JOINED_GAS for so_far in gas_used))]


def _net_wei(considered: Considered) -> int:
    """Return what a plan brings; where there is none, less than any does."""
    return considered.decision.waterfall.net_wei if isinstance(considered.decision, Plan) else -1


def _in_order(chosen: Sequence[Chosen]) -> list[Drafted]:
    return [one.drafted for one in chosen if isinstance(one.drafted, Drafted)]


def _kind(draft: Draft) -> _Kind:
    tokens = tuple((one.repaid.token.address, one.seized.token.address) for one in draft.closes)
    return draft.market, tokens, len(draft.pools)


def _as_expected(gas_used: int | Declined, expected: int) -> int | Declined:
    """Return the expected gas where the gas used is about that."""
    if isinstance(gas_used, Declined) or abs(gas_used - expected) * _EXPECTED_WITHIN > expected:
        return gas_used
    return expected


def _gas(simulated: Simulated) -> int | Declined:
    """Return what a draft used by itself, or why its simulation counts for nothing."""
    if simulated.reverted:
        return Declined(reason=Reason.SIMULATION, detail=explained(simulated.returned))
    return simulated.gas_used
