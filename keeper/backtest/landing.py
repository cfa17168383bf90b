"""Landing in the past: a plan goes into the block it would have reached; the EVM says what came of it.

What is in flight, written down and concluded the daemon's own submitter says. Two things are otherwise than
live: each transaction has a nonce to itself, so none is replaced by another or waits for one; and what a
block did is final at that block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from eth_utils.crypto import keccak

from keeper import contracts
from keeper.abi import interface
from keeper.backtest import past
from keeper.backtest.inclusion import Model, Place, place
from keeper.backtest.overlay import Carried
from keeper.backtest.past import Execute, Mined, Own, Past, Ran
from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Invariant
from keeper.domain.events import Concluded
from keeper.domain.head import Head
from keeper.domain.pending import Leading
from keeper.domain.plan import Plan
from keeper.domain.position import PositionId
from keeper.domain.submission import (
    Accepted,
    Outcome,
    Refusal,
    Refused,
    SignedTransaction,
    Submission,
)
from keeper.ports import Journal
from keeper.query import Log, SimulatedCall
from keeper.submitter import machine
from keeper.submitter.earnings import earnings_wei
from keeper.submitter.submitter import Now, Submitter

_NEVER_STUCK = 2**63


@dataclass(slots=True, kw_only=True)
class Flight:
    """A plan that was sent, and what became of it."""

    plan: Plan
    submission: Submission
    head: Head
    """That it was decided upon."""
    sent_at_s: float
    """When it was with the builders."""
    block: Head | None = None
    """That it ran in."""
    place: Place | None = None
    ran: Ran | None = None
    outcome: Outcome | None = None
    untold: str = ""
    """Why nobody knows what became of it, where nobody does."""
    run: int = 0
    """Which of the keeper's own it was that ran in the block, from 0."""
    differed: int = 0
    """Transactions before it that did not end as they really had."""

    @property
    def position(self) -> PositionId:
        """Return whose position it goes for."""
        return PositionId(self.plan.draft.market, self.plan.draft.borrower)

    @property
    def touched(self) -> frozenset[Address]:
        """Return who had logged something in its block before it, of others' doing."""
        return frozenset() if self.ran is None else frozenset(map(Address, self.ran.touched))

    @property
    def bid_wei(self) -> int:
        """Return what was paid above the planned fee, to come before others."""
        if self.place is None or self.ran is None:
            return 0
        return self.ran.gas_used * (self.place.tip_wei - self.plan.fees.max_priority_fee_per_gas_wei)

    @property
    def realised_wei(self) -> int:
        """Return what it brought after gas, before the bid: what the prediction is compared with."""
        return 0 if self.outcome is None else self.outcome.realised_profit_wei + self.bid_wei


class PastLanding:
    """A :class:`keeper.ports.Landing` over blocks that are long mined. Sends nothing to anybody."""

    def __init__(
        self,
        *,
        past: Past,
        carried: Carried,
        model: Model,
        journal: Journal,
        operator: Address,
        executor: Address,
        channels: tuple[str, ...],
        preamble: Sequence[SimulatedCall],
    ) -> None:
        """`channels` are the names of those that it is sent through, as the odds of its races know them."""
        self._past = past
        self._carried = carried
        self._model = model
        self._journal = journal
        self._operator = operator
        self._executor = executor
        self._channels = channels
        self._preamble = tuple((call.sender, call.to, call.data) for call in preamble)
        self._executed = interface(contracts.executor().abi).event("Executed")
        self._submitter = Submitter(patience_blocks=_NEVER_STUCK)
        self._now = Now(head_number=0, timestamp_s=0, chain_nonce=0)
        self._waiting: list[Flight] = []
        self._landed: list[Flight] = []
        self.flights: list[Flight] = []
        """Everything that was ever sent, in order."""

    # --- the port -------------------------------------------------------------------------------------------

    def in_flight(self) -> Mapping[PositionId, frozenset[Address]]:
        """Return each position with a transaction on its way, and the pools that it counts on."""
        return self._submitter.positions_in_flight(self._now)

    @property
    def joins(self) -> bool:
        """Return that none does: what became of each borrower is told by itself."""
        return False

    def takes_ladder(self, behind: Leading | None) -> bool:
        """Return that none is: each transaction has a nonce to itself here."""
        return False

    def beside(self, submission: Submission) -> tuple[Submission, ...]:
        """Return nothing: one size of a plan is sent."""
        return ()

    def takes(self, behind: Leading) -> bool:
        """Return that nothing is: what was pending in the past is not known."""
        return False

    async def submit(self, plan: Plan, head: Head, *, behind: Leading | None = None) -> Submission:
        """Journal the intent and put the plan on its way, for as long as the model's latency says."""
        if behind is not None:
            raise Invariant("nothing is sent behind what is not known")
        draft, nonce = plan.draft, self._submitter.take(len(self.flights)).nonce
        hash_ = Hash32(keccak(draft.transaction.data + head.hash + nonce.to_bytes(8, "big")))
        submission = Submission(
            market=draft.market,
            borrower=draft.borrower,
            pools=draft.pools,
            operator=self._operator,
            nonce=nonce,
            transaction=SignedTransaction(raw=b"", hash=hash_),  # nobody signs what nobody is sent
            head_number=head.number,
            head_hash=head.hash,
            deadline_s=draft.deadline_s,
            predicted_profit_wei=plan.waterfall.net_wei,
            fees=plan.fees,
            channels=self._channels,
            others=draft.others,
        )
        latency_s = self._model.drawn_s(head.hash, draft.borrower)
        flight = Flight(plan=plan, submission=submission, head=head, sent_at_s=head.timestamp_s + latency_s)
        self._obey(flight, self._submitter.sign(submission))
        return submission

    async def settle(self, head: Head) -> tuple[Concluded, ...]:
        """Return what has come to its outcome by `head`, journalled."""
        self._now = Now(head_number=head.number, timestamp_s=head.timestamp_s, chain_nonce=0)
        landed, self._landed = self._landed, []
        for flight in landed:
            self._tell(flight, self._became(flight, head))
        for flight in self._waiting:
            self._tell(flight, _looked(flight, head, receipt=None))
        return tuple(
            Concluded(submission=flight.submission, outcome=flight.outcome)
            for flight in landed
            if flight.outcome is not None
        )

    def sequence(self, positions: Sequence[PositionId]) -> tuple[PositionId, ...]:
        """Return positions as they are: each gets a nonce of its own, the next one."""
        return tuple(positions)

    async def cancel_useless(self, head: Head) -> tuple[Submission, ...]:
        """Return nothing: what did not land is over, and holds no nonce."""
        return ()

    # --- what the submitter commands ------------------------------------------------------------------------

    def _tell(self, flight: Flight, event: machine.Event) -> None:
        self._obey(flight, self._submitter.tell(flight.submission, event))

    def _obey(self, flight: Flight, commands: Sequence[machine.Command]) -> None:
        for command in commands:
            match command:
                case machine.JournalIntent(submission=submission):
                    self._journal.intended(submission)
                    self._tell(flight, machine.IntentWritten())
                case machine.Send():
                    self._waiting.append(flight)
                    self.flights.append(flight)
                    self._tell(flight, Accepted())
                case machine.JournalOutcome(submission=submission, outcome=outcome):
                    flight.outcome = outcome
                    self._journal.concluded(submission, outcome)
                    self._tell(flight, machine.OutcomeWritten())
                case machine.JournalReopening(submission=submission):
                    self._journal.reopened(submission)
                case _:
                    assert_never(command)

    def _became(self, flight: Flight, head: Head) -> machine.Event:
        """Return what the submitter hears at `head` of a transaction whose block has passed."""
        ran, block = flight.ran, flight.block
        if ran is None or block is None:
            return Refused(kind=Refusal.UNREACHABLE, detail=flight.untold)
        if not ran.succeeded and not self._model.reverts_land:
            return Refused(kind=Refusal.INVALID, detail="it would have reverted, and the channel drops that")
        vault_profit_wei, tip_wei = (
            earnings_wei(ran.logs, executor=self._executor, executed=self._executed)
            if ran.succeeded
            else (0, 0)
        )
        receipt = machine.Receipt(
            block_number=block.number,
            block_hash=block.hash,
            succeeded=ran.succeeded,
            gas_used=ran.gas_used,
            effective_gas_price_wei=ran.gas_price_wei,
            vault_profit_wei=vault_profit_wei,
            tip_wei=tip_wei,
        )
        return _looked(flight, head, receipt=receipt)

    # --- a block passes -------------------------------------------------------------------------------------

    def due(self, head: Head) -> tuple[Flight, ...]:
        """Return what reaches this block, in the order it was sent."""
        if not self._model.reaches(head.coinbase):
            return ()
        return tuple(
            one
            for one in self._waiting
            if self._model.in_time(sent_at_s=one.sent_at_s, block_at_s=head.timestamp_s)
        )

    async def mine(
        self, head: Head, parent: Head, block: Sequence[Mined], rivals: Mapping[PositionId, int]
    ) -> tuple[Log, ...]:
        """Run what is due in this block, at its places; carry what it wrote; return what it logged.

        `rivals` are the indices of the first transactions that take the same positions.
        """
        due = self.due(head)
        for flight in due:
            flight.block = head
            flight.place = self._place(flight, block, rivals.get(flight.position))
            self._waiting.remove(flight)
        self._keep_order(due, rivals)
        ordered = sorted(due, key=lambda flight: _place(flight).index)
        question = Execute(
            number=head.number,
            parent=parent.hash,
            laid=self._carried.laid(),
            preamble=self._preamble,
            own=tuple(self._own(flight) for flight in ordered),
        )
        executed = await past.execute(self._past, question)
        for run, (flight, ran) in enumerate(zip(ordered, executed.ran, strict=True)):
            flight.ran, flight.run, flight.differed = ran, run, executed.differed
            if ran.succeeded:
                self._carried.carry(ran.written)
        self._landed += ordered
        return tuple(log for flight in ordered if flight.ran for log in flight.ran.logs)

    def lose(self, head: Head, why: str) -> None:
        """Give up what is due in this block: what becomes of it is not told."""
        for flight in self.due(head):
            flight.block, flight.untold = head, why
            self._waiting.remove(flight)
            self._landed.append(flight)

    def _place(self, flight: Flight, block: Sequence[Mined], rival: int | None) -> Place:
        least_wei = flight.plan.fees.max_priority_fee_per_gas_wei
        return place(block, rival=rival, least_tip_wei=least_wei, most_tip_wei=self._most_tip_wei(flight))

    def _most_tip_wei(self, flight: Flight) -> int:
        plan = flight.plan
        return self._model.most_tip_wei(
            profit_wei=plan.waterfall.net_wei,
            gas_used=plan.gas_used,
            least_tip_wei=plan.fees.max_priority_fee_per_gas_wei,
        )

    def _keep_order(self, due: Sequence[Flight], rivals: Mapping[PositionId, int]) -> None:
        """Have those that were planned upon the depth that others leave come behind them.

        The one before offers as much as the one behind it, where it can afford that. Where it can't, the one
        behind waits for it, unless its own rival would come first then.
        """
        for at in range(len(due) - 2, -1, -1):
            before, mine = due[at], _place(due[at])
            for behind in due[at + 1 :]:
                theirs = _place(behind)
                if (
                    counts_on(behind, before)
                    and theirs.index < mine.index
                    and not mine.outbid
                    and theirs.tip_wei <= self._most_tip_wei(before)
                ):
                    mine = replace(mine, index=theirs.index, tip_wei=max(mine.tip_wei, theirs.tip_wei))
            before.place = mine
        for at, behind in enumerate(due):
            mine = _place(behind)
            waits_for = max(
                (_place(before).index for before in due[:at] if counts_on(behind, before)), default=0
            )
            if mine.index < waits_for <= rivals.get(behind.position, waits_for):
                behind.place = replace(mine, index=waits_for)

    def _own(self, flight: Flight) -> Own:
        transaction, where = flight.plan.draft.transaction, _place(flight)
        return Own(
            index=where.index,
            sender=self._operator,
            to=transaction.to,
            data=transaction.data,
            gas_limit=flight.plan.fees.gas_limit,
            tip_wei=where.tip_wei,
        )


def _looked(flight: Flight, head: Head, *, receipt: machine.Receipt | None) -> machine.Looked:
    return machine.Looked(
        head_number=head.number,
        head_timestamp_s=head.timestamp_s,
        chain_nonce=flight.submission.nonce + (receipt is not None),
        receipt=receipt,
        known=True,
        confirmations=0,  # nothing that is long mined is taken back
    )


def counts_on(behind: Flight, before: Flight) -> bool:
    """Return whether a plan counts on the depth that an earlier one of the same head leaves."""
    return behind.head == before.head and bool(behind.plan.draft.pools & before.plan.draft.pools)


def _place(flight: Flight) -> Place:
    assert flight.place is not None
    return flight.place
