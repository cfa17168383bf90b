"""Many submissions of one key against a chain, a channel and a journal that do what they like.

The driver here is the smallest that obeys the commands; the chain mines, drops, forgets, reorganises and lets
others use the key; the process is killed between any two steps.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum, auto

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keeper.domain.errors import Invariant
from keeper.domain.submission import (
    Accepted,
    Expired,
    Included,
    Outcome,
    Refusal,
    Refused,
    Reverted,
    Submission,
    Superseded,
    Unclear,
)
from keeper.submitter.machine import (
    Command,
    Dropped,
    Event,
    IntentWritten,
    JournalIntent,
    JournalOutcome,
    OutcomeWritten,
    Send,
)
from keeper.submitter.submitter import Submitter
from tests.unit.submitter.submissions import looked, receipt, submission

CONFIRMATIONS = 1
BLOCK_TIME_S = 12
PATIENCE_S = 36


class Fate(Enum):
    """What becomes of one sending."""

    ACCEPTED = auto()
    ANSWER_LOST = auto()
    """The node has it, the answer does not arrive."""
    REQUEST_LOST = auto()
    ALREADY_KNOWN = auto()
    UNDERPRICED = auto()
    UNWRITABLE = auto()
    """The journal can't take the intent."""
    KILLED_BEFORE = auto()
    """The process dies between intent and sending."""
    KILLED_AFTER = auto()
    """The process dies between sending and answer."""


class Killed(Exception):
    pass


@dataclass
class Block:
    number: int
    succeeded: dict[bytes, bool] = field(default_factory=dict)
    nonces_used: int = 0


class World(RuleBasedStateMachine):
    """The chain, the pool, the journal and one keeper."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [Block(100)]
        self.timestamp_s = 1_000
        self.pool: dict[int, Submission] = {}
        self.underway: list[Submission] = []
        """Lost by all accounts, and perhaps only late."""
        self.intents: list[Submission] = []
        self.outcomes: dict[bytes, Outcome] = {}
        self.sends: Counter[bytes] = Counter()
        self.serial = 0
        self.outcome_writable = True
        self.start()

    # --- the keeper -----------------------------------------------------------------------------------------

    def start(self) -> None:
        self.submitter = Submitter()
        self.submitter.recover([one for one in self.intents if one.hash not in self.outcomes])
        self.seen_nonce = self.chain_nonce()
        self.look()

    def carry_out(self, one: Submission, commands: tuple[Command, ...], fate: Fate) -> None:
        waiting = deque(commands)
        while waiting:
            event = self.do(waiting.popleft(), fate)
            if event is not None:
                waiting.extend(self.submitter.tell(one, event))

    def do(self, command: Command, fate: Fate) -> Event | None:
        match command:
            case JournalIntent(submission=one):
                if fate is Fate.UNWRITABLE:
                    return Dropped()
                self.intents.append(one)
                if fate is Fate.KILLED_BEFORE:
                    raise Killed
                return IntentWritten()
            case Send(submission=one):
                return self.send(one, fate)
            case JournalOutcome(submission=one, outcome=outcome):
                if not self.outcome_writable:
                    return None
                assert one in self.intents
                assert one.hash not in self.outcomes, "a second outcome"
                self.outcomes[one.hash] = outcome
                return OutcomeWritten()

    def send(self, one: Submission, fate: Fate) -> Event:
        assert one in self.intents, "sent before it was written"
        self.sends[one.hash] += 1
        if fate is Fate.UNDERPRICED:
            return Refused(kind=Refusal.UNDERPRICED, detail="")
        if one.nonce < self.chain_nonce():  # somebody else has used it
            return Refused(kind=Refusal.NONCE_TOO_LOW, detail="")
        if fate is Fate.REQUEST_LOST:
            self.underway.append(one)
        else:
            self.arrive(one)
        if fate is Fate.KILLED_AFTER:
            raise Killed
        if fate in (Fate.ANSWER_LOST, Fate.REQUEST_LOST):
            return Unclear(detail="")
        if fate is Fate.ALREADY_KNOWN:
            return Refused(kind=Refusal.ALREADY_KNOWN, detail="")
        return Accepted()

    def arrive(self, one: Submission) -> None:
        assert one.nonce not in self.pool, "two live transactions with one nonce"
        self.pool[one.nonce] = one

    def look(self, *, shown: int | None = None) -> None:
        """Look at the chain through a node that shows what is in its first `shown` blocks, or in all."""
        self.seen_nonce = self.chain_nonce()
        for one in self.submitter.waiting():
            found = next((b for b in self.blocks[:shown] if one.hash in b.succeeded), None)
            event = looked(
                head=self.blocks[-1].number,
                at_s=self.timestamp_s,
                chain_nonce=self.seen_nonce,
                found=receipt(block=found.number, succeeded=found.succeeded[one.hash]) if found else None,
                known=found is not None or self.pool.get(one.nonce) == one,
                confirmations=CONFIRMATIONS,
            )
            self.carry_out(one, self.submitter.tell(one, event), Fate.ACCEPTED)

    # --- the chain ------------------------------------------------------------------------------------------

    def chain_nonce(self) -> int:
        return sum(block.nonces_used for block in self.blocks)

    def mine(self, *, ours: bool, foreign: bool, reverts: bool) -> None:
        self.timestamp_s += BLOCK_TIME_S
        block = Block(self.blocks[-1].number + 1)
        self.blocks.append(block)
        while ours and (one := self.pool.pop(self.chain_nonce(), None)) is not None:
            block.succeeded[one.hash] = not reverts and self.timestamp_s <= one.deadline_s
            block.nonces_used += 1
        if foreign:
            self.pool.pop(self.chain_nonce(), None)
            block.nonces_used += 1

    # --- what may happen ------------------------------------------------------------------------------------

    @rule(fate=st.sampled_from(Fate))
    def submit(self, fate: Fate) -> None:
        nonce = self.submitter.plan(chain_nonce=self.seen_nonce)
        if nonce is None:
            assert self.submitter.in_doubt()
            return
        self.serial += 1
        one = submission(nonce=nonce, serial=self.serial, deadline_s=self.timestamp_s + PATIENCE_S)
        try:
            self.carry_out(one, self.submitter.sign(one), fate)
        except Killed:
            self.start()

    @rule(ours=st.booleans(), foreign=st.booleans(), reverts=st.booleans())
    def new_head(self, ours: bool, foreign: bool, reverts: bool) -> None:
        self.mine(ours=ours, foreign=foreign, reverts=reverts)
        self.look()

    @rule(ours=st.booleans())
    def new_head_not_looked_at(self, ours: bool) -> None:
        self.mine(ours=ours, foreign=False, reverts=False)

    @rule(ours=st.booleans())
    def new_head_of_a_node_whose_index_is_late(self, ours: bool) -> None:
        self.mine(ours=ours, foreign=False, reverts=False)
        self.look(shown=-1)

    @precondition(lambda self: self.underway)
    @rule()
    def arrives_after_all(self) -> None:
        one = self.underway.pop()
        if self.timestamp_s <= one.deadline_s and one.nonce >= self.chain_nonce():
            self.arrive(one)

    @precondition(lambda self: self.pool)
    @rule(data=st.data())
    def pool_forgets(self, data: st.DataObject) -> None:
        del self.pool[data.draw(st.sampled_from(sorted(self.pool)))]

    @precondition(lambda self: len(self.blocks) > 2)
    @rule(ours=st.booleans(), foreign=st.booleans())
    def reorg(self, ours: bool, foreign: bool) -> None:
        """The newest block gives way to another of its height; what was in it waits again."""
        gone = self.blocks.pop()
        self.timestamp_s -= BLOCK_TIME_S
        for one in self.intents:
            if one.hash in gone.succeeded:
                self.pool[one.nonce] = one
        self.mine(ours=ours, foreign=foreign, reverts=False)
        self.look()

    @rule()
    def killed_and_started(self) -> None:
        self.start()

    @rule()
    def disk_full_for_a_while(self) -> None:
        self.outcome_writable = False
        self.mine(ours=True, foreign=False, reverts=False)
        self.look()
        self.outcome_writable = True

    # --- what must hold -------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        assert all(count == 1 for count in self.sends.values())

    @invariant()
    def one_open_intent_for_each_nonce(self) -> None:
        open_ = [one.nonce for one in self.intents if one.hash not in self.outcomes]
        assert len(open_) == len(set(open_))
        assert {one.nonce for one in self.submitter.waiting()} == set(open_)

    def teardown(self) -> None:
        """Let it all come to an end, and compare the journal with the chain."""
        for _ in range(8):
            self.mine(ours=True, foreign=False, reverts=False)
            self.look()
        self.pool.clear()  # what waits behind a gap is evicted some day
        for _ in range(3):
            self.mine(ours=False, foreign=False, reverts=False)
            self.look()
        assert not self.submitter.states
        on_chain = {hash_: ok for block in self.blocks for hash_, ok in block.succeeded.items()}
        for one in self.intents:
            match self.outcomes[one.hash]:
                case Included():
                    assert on_chain[one.hash]
                case Reverted():
                    assert not on_chain[one.hash]
                case Expired() | Superseded():
                    assert one.hash not in on_chain


TestWorld = pytest.mark.timeout(300)(World.TestCase)
TestWorld.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_recover__while_something_is_in_flight__is_our_bug() -> None:
    submitter = Submitter()
    submitter.plan(chain_nonce=3)
    with pytest.raises(Invariant, match="before anything is planned"):
        submitter.recover([])


def test_plan__while_one_is_in_doubt__gives_no_nonce() -> None:
    submitter = Submitter()
    doubtful = submission(nonce=3)
    submitter.recover([doubtful])
    assert submitter.plan(chain_nonce=3) is None
    submitter.tell(doubtful, looked(chain_nonce=3, known=True))
    assert submitter.plan(chain_nonce=3) == 4


def test_discard__planned__nonce_is_given_again() -> None:
    submitter = Submitter()
    assert submitter.plan(chain_nonce=3) == 3
    assert submitter.plan(chain_nonce=3) == 4
    submitter.discard(3)
    assert submitter.plan(chain_nonce=3) == 3


def test_tell__late_answer_of_an_ended_submission__passes_over_its_successor() -> None:
    submitter = Submitter()
    first, second = submission(serial=1), submission(serial=2)
    submitter.recover([first])
    submitter.tell(first, looked(at_s=2_000))
    submitter.tell(first, OutcomeWritten())
    assert submitter.plan(chain_nonce=7) == 7
    submitter.sign(second)
    submitter.tell(second, IntentWritten())
    before = dict(submitter.states)
    assert submitter.tell(first, Refused(kind=Refusal.UNDERPRICED, detail="")) == ()
    assert submitter.states == before


def test_in_flight__mined__is_so_no_more() -> None:
    submitter = Submitter()
    one = submission()
    submitter.recover([one])
    assert submitter.in_flight() == (one,)
    submitter.tell(one, looked(found=receipt(), confirmations=5))
    assert submitter.in_flight() == ()
    assert submitter.waiting() == (one,)


def test_stuck__known_and_past_its_deadline__until_it_is_in_a_block() -> None:
    submitter = Submitter()
    one = submission()
    submitter.recover([one])
    late_s = one.deadline_s + 1
    assert submitter.stuck(at_s=late_s) == (), "it is in doubt: nobody knows whether it is anywhere"
    submitter.tell(one, looked(known=True))
    assert submitter.stuck(at_s=one.deadline_s) == ()
    assert submitter.stuck(at_s=late_s) == (one,)
    submitter.tell(one, looked(found=receipt(), confirmations=5))
    assert submitter.stuck(at_s=late_s) == ()
