"""Many submissions of one key against a chain, channels and a journal that do what they like.

The driver here is the smallest that obeys the commands; the chain mines, drops, forgets, reorganises and lets
others use the key; pools want a tenth more of a replacement; bundles live for one block; the process is
killed between any two steps.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import permutations
from typing import Any, ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from keeper.domain.address import Address
from keeper.domain.errors import Invariant
from keeper.domain.plan import Fees
from keeper.domain.position import PositionId
from keeper.domain.submission import (
    Accepted,
    Expired,
    Included,
    Outcome,
    Purpose,
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
    JournalReopening,
    OutcomeWritten,
    ReopeningWritten,
    Send,
    Sent,
    Standing,
)
from keeper.submitter.replacing import outbidding
from keeper.submitter.submitter import Held, Now, Place, Submitter
from tests.unit.submitter.submissions import looked, receipt, submission

CONFIRMATIONS = 1
BLOCK_TIME_S = 12
PATIENCE_S = 36
PATIENCE_BLOCKS = 2
MARKET = "aave-v3:test"


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


class Way(Enum):
    """Through what it is sent."""

    PUBLIC = auto()
    PRIVATE = auto()
    BUNDLE = auto()


class Killed(Exception):
    pass


@dataclass(eq=False)
class Block:
    number: int
    succeeded: dict[bytes, bool] = field(default_factory=dict)
    nonces_used: int = 0


class World(RuleBasedStateMachine):
    """The chain, the pools, the builders, the journal and one keeper."""

    seen_classes: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [Block(100)]
        self.timestamp_s = 1_000
        self.pool: dict[int, Submission] = {}
        self.hidden: dict[int, Submission] = {}
        """What is kept for more than a block, and shown to nobody. What would revert is dropped."""
        self.bundles: list[Submission] = []
        self.underway: list[Submission] = []
        """Lost by all accounts, and perhaps only late."""
        self.intents: list[Submission] = []
        self.outcomes: dict[bytes, Outcome] = {}
        self.sends: Counter[bytes] = Counter()
        self.on_chain_when_planned: dict[bytes, set[bytes]] = {}
        self.serial = 0
        self.outcome_writable = True
        self.reorgs_are_deep = False
        """More blocks may be taken back than are waited for."""
        self.start()

    @initialize(deep=st.booleans())
    def draw(self, deep: bool) -> None:
        self.reorgs_are_deep = deep

    # --- the keeper -----------------------------------------------------------------------------------------

    def start(self) -> None:
        self.submitter = Submitter(patience_blocks=PATIENCE_BLOCKS)
        self.submitter.recover(
            [one for one in self.intents if one.hash not in self.outcomes],
            [(one, self.outcomes[one.hash]) for one in self.intents if one.hash in self.outcomes],
        )
        self.looked_at: Block | None = None
        self.look()

    def launch(self, place: Place, fate: Fate, way: Way, borrower: int, purpose: Purpose) -> None:
        self.serial += 1
        bound = way is Way.BUNDLE
        fees = outbidding(submission().fees, place.over)
        one = submission(
            nonce=place.nonce,
            serial=self.serial,
            deadline_s=self.timestamp_s + PATIENCE_S,
            borrower=borrower,
            head=self.now.head_number,
            target_block=self.now.head_number + 1 if bound else None,
            is_private=way is not Way.PUBLIC,
            purpose=purpose,
            fee_wei=max(fees.max_fee_per_gas_wei, fees.max_priority_fee_per_gas_wei),
        )
        self.on_chain_when_planned[one.hash] = {
            hash_
            for block in self.blocks
            for hash_ in block.succeeded
            if block.number <= self.now.head_number
        }
        try:
            self.carry_out(one, self.submitter.sign(one), fate)
        except Killed:
            self.start()

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
            case JournalReopening(submission=one, outcome=outcome, look=look):
                if not self.outcome_writable:
                    return None
                World.seen_classes[f"{type(outcome).__name__} taken back".lower()] += 1
                assert self.outcomes.pop(one.hash) == outcome
                return ReopeningWritten(look=look)

    def send(self, one: Submission, fate: Fate) -> Event:
        assert one in self.intents, "sent before it was written"
        self.sends[one.hash] += 1
        if fate is Fate.UNDERPRICED:
            return Refused(kind=Refusal.UNDERPRICED, detail="")
        if one.nonce < self.chain_nonce():  # somebody else has used it
            return Refused(kind=Refusal.NONCE_TOO_LOW, detail="")
        if fate is Fate.REQUEST_LOST:
            self.underway.append(one)
        elif not self.arrive(one):
            World.seen_classes["too low to replace"] += 1
            return Refused(kind=Refusal.REPLACEMENT_UNDERPRICED, detail="")
        if fate is Fate.KILLED_AFTER:
            raise Killed
        if fate in (Fate.ANSWER_LOST, Fate.REQUEST_LOST):
            return Unclear(detail="")
        if fate is Fate.ALREADY_KNOWN:
            return Refused(kind=Refusal.ALREADY_KNOWN, detail="")
        return Accepted()

    def arrive(self, one: Submission) -> bool:
        if one.target_block is not None:
            self.bundles.append(one)
            return True
        pool = self.hidden if one.is_private else self.pool
        there = pool.get(one.nonce)
        if there is not None and not _replaces(one.fees, there.fees):
            return False
        if there is not None:
            World.seen_classes["replaced"] += 1
        pool[one.nonce] = one
        return True

    def look(self, *, shown: int | None = None) -> None:
        """Look at the chain through a node that shows what is in its first `shown` blocks, or in all."""
        left_branch, self.looked_at = self.looked_at not in self.blocks[-2:], self.blocks[-1]
        self.now = Now(
            head_number=self.blocks[-1].number, timestamp_s=self.timestamp_s, chain_nonce=self.chain_nonce()
        )
        self.look_at(self.submitter.waiting(), shown)
        self.submitter.forget(self.now)
        self.look_at(self.submitter.doubted(self.now, left_branch=left_branch), shown)

    def look_at(self, these: tuple[Submission, ...], shown: int | None) -> None:
        for one in these:
            found = next((b for b in self.blocks[:shown] if one.hash in b.succeeded), None)
            event = looked(
                head=self.blocks[-1].number,
                at_s=self.timestamp_s,
                chain_nonce=self.now.chain_nonce,
                found=receipt(block=found.number, succeeded=found.succeeded[one.hash]) if found else None,
                known=found is not None or self.pool.get(one.nonce) == one,
                confirmations=CONFIRMATIONS,
            )
            self.carry_out(one, self.submitter.tell(one, event), Fate.ACCEPTED)

    def cancel_useless(self) -> None:
        gaps = self.submitter.gaps(self.now)
        World.seen_classes["gap filled"] += len(gaps)
        for nonce in (*(one.nonce for one in self.submitter.to_cancel(self.now)), *gaps):
            World.seen_classes["cancelled"] += 1
            self.launch(
                self.submitter.take(nonce),
                Fate.ACCEPTED,
                Way.PUBLIC,
                borrower=0,
                purpose=Purpose.CANCELLATION,
            )

    # --- the chain ------------------------------------------------------------------------------------------

    def chain_nonce(self) -> int:
        return sum(block.nonces_used for block in self.blocks)

    def mine(self, *, ours: bool, foreign: bool, reverts: bool) -> None:
        self.timestamp_s += BLOCK_TIME_S
        block = Block(self.blocks[-1].number + 1)
        self.blocks.append(block)
        self.hidden = {nonce: one for nonce, one in self.hidden.items() if one.deadline_s >= self.timestamp_s}
        while ours and (one := self.next_of_ours(block.number)) is not None:
            in_time = one.purpose is Purpose.CANCELLATION or self.timestamp_s <= one.deadline_s
            block.succeeded[one.hash] = not reverts and in_time
            block.nonces_used += 1
        if foreign:
            self.pool.pop(self.chain_nonce(), None)
            self.hidden.pop(self.chain_nonce(), None)
            block.nonces_used += 1

    def next_of_ours(self, number: int) -> Submission | None:
        nonce = self.chain_nonce()
        bundled = [one for one in self.bundles if (one.nonce, one.target_block) == (nonce, number)]
        pooled = [pool.pop(nonce) for pool in (self.pool, self.hidden) if nonce in pool]
        return next(iter([*bundled, *pooled]), None)

    # --- what may happen ------------------------------------------------------------------------------------

    @rule(fate=st.sampled_from(Fate), way=st.sampled_from(Way), borrower=st.integers(1, 3))
    def submit_somehow(self, fate: Fate, way: Way, borrower: int) -> None:
        self.submit(fate, way, borrower)

    def submit(self, fate: Fate, way: Way, borrower: int) -> None:
        address = Address(borrower.to_bytes(20, "big"))
        if any(one.borrower == address for one in self.submitter.in_flight(self.now)):
            return  # the engine does not plan for them
        place = self.submitter.plan(self.now, positions=[PositionId(MARKET, address)])
        if isinstance(place, Held):
            World.seen_classes["held"] += 1
            return
        if place.nonce in {one.nonce for one in self.submitter.waiting()}:
            World.seen_classes["shared a nonce"] += 1
        World.seen_classes[way.name.lower()] += 1
        self.launch(place, fate, way, borrower, Purpose.LIQUIDATION)

    @rule(borrower=st.integers(1, 3))
    def submit_to_the_public(self, borrower: int) -> None:
        self.submit(Fate.ACCEPTED, Way.PUBLIC, borrower)

    @rule(looks=st.lists(st.booleans(), min_size=2, max_size=5))
    def blocks_go_by_without_ours(self, looks: list[bool]) -> None:
        for looked_at in looks:
            self.mine(ours=False, foreign=False, reverts=False)
            if looked_at:
                self.look()
        self.look()
        self.cancel_useless()

    @rule(borrower=st.integers(1, 3))
    def one_is_stuck_past_its_deadline(self, borrower: int) -> None:
        self.submit(Fate.ACCEPTED, Way.PUBLIC, borrower)
        for _ in range(PATIENCE_S // BLOCK_TIME_S + 1):
            self.mine(ours=False, foreign=False, reverts=False)
        self.look()
        self.cancel_useless()

    @rule(borrower=st.integers(1, 3))
    def one_expires_that_somebody_kept(self, borrower: int) -> None:
        self.submit(Fate.REQUEST_LOST, Way.PUBLIC, borrower)
        for _ in range(PATIENCE_S // BLOCK_TIME_S + 2):
            self.mine(ours=False, foreign=False, reverts=False)
        self.look()
        if self.underway:
            self.arrives_after_all()
            self.mine(ours=True, foreign=False, reverts=False)
            self.look()

    @rule(borrower=st.integers(1, 3))
    def plans_behind_one_in_doubt(self, borrower: int) -> None:
        self.submit(Fate.REQUEST_LOST, Way.PUBLIC, borrower)
        self.submit(Fate.ACCEPTED, Way.PUBLIC, borrower % 3 + 1)

    @rule(ours=st.booleans(), foreign=st.booleans(), reverts=st.booleans())
    def new_head(self, ours: bool, foreign: bool, reverts: bool) -> None:
        self.mine(ours=ours, foreign=foreign, reverts=reverts)
        self.look()
        self.cancel_useless()

    @rule(ours=st.booleans())
    def new_head_not_looked_at(self, ours: bool) -> None:
        self.mine(ours=ours, foreign=False, reverts=False)

    @rule(ours=st.booleans())
    def new_head_of_a_node_whose_index_is_late(self, ours: bool) -> None:
        self.mine(ours=ours, foreign=False, reverts=False)
        self.look(shown=-1)

    @rule(borrower=st.integers(1, 3), heads=st.integers(2, 4))
    def heads_of_a_node_whose_index_is_very_late(self, borrower: int, heads: int) -> None:
        """It shows the nonce used, and what used it only after all that is waited for."""
        self.submit(Fate.ACCEPTED, Way.PUBLIC, borrower)
        self.mine(ours=True, foreign=False, reverts=False)
        for late in range(heads):
            self.look(shown=-1 - late)
            self.mine(ours=False, foreign=False, reverts=False)
        self.look()

    @precondition(lambda self: self.underway)
    @rule()
    def arrives_after_all(self) -> None:
        """It does, however late: past its deadline it reverts."""
        one = self.underway.pop()
        if one.nonce >= self.chain_nonce():
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
            if one.hash in gone.succeeded and one.target_block is None:
                (self.hidden if one.is_private else self.pool)[one.nonce] = one
        self.mine(ours=ours, foreign=foreign, reverts=False)
        self.look()

    @precondition(lambda self: self.reorgs_are_deep and len(self.blocks) > 5)
    @rule(depth=st.integers(CONFIRMATIONS + 1, 4), ours=st.booleans())
    def reorg_deeper_than_was_waited_for(self, depth: int, ours: bool) -> None:
        """What expired may be in time again: what is told must be true then too, and no more is promised."""
        self.submit(Fate.ACCEPTED, Way.PUBLIC, 1)
        for _ in range(CONFIRMATIONS + 1):
            self.mine(ours=True, foreign=False, reverts=False)
            self.look()
        gone = [self.blocks.pop() for _ in range(depth)]
        self.timestamp_s -= depth * BLOCK_TIME_S
        for one in self.intents:
            if any(one.hash in block.succeeded for block in gone) and one.target_block is None:
                (self.hidden if one.is_private else self.pool)[one.nonce] = one
        for _ in range(depth):
            self.mine(ours=ours, foreign=False, reverts=False)
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
    def every_open_intent_is_looked_at(self) -> None:
        open_ = {one.hash for one in self.intents if one.hash not in self.outcomes}
        assert {one.hash for one in self.submitter.waiting()} == open_

    @invariant()
    def no_borrower_is_closed_twice_by_mistake(self) -> None:
        """Whoever is closed again is so by a plan that had seen the first time."""
        closed = [hash_ for block in self.blocks for hash_, ok in block.succeeded.items() if ok]
        by_hash = {one.hash: one for one in self.intents if one.purpose is Purpose.LIQUIDATION}
        liquidations = [by_hash[hash_] for hash_ in closed if hash_ in by_hash]
        for place, later in enumerate(liquidations):
            for earlier in liquidations[:place]:
                if earlier.borrower == later.borrower:
                    World.seen_classes["closed again"] += 1
                    seen = earlier.hash in self.on_chain_when_planned[later.hash]
                    assert seen or self.reorgs_are_deep

    def teardown(self) -> None:
        """Let it all come to an end, and compare the journal with the chain."""
        for _ in range(8):
            self.mine(ours=True, foreign=False, reverts=False)
            self.look()
            self.cancel_useless()
        self.pool.clear()  # what waits behind a gap is evicted some day
        for _ in range(8):
            self.mine(ours=False, foreign=False, reverts=False)
            self.look()
        assert not self.submitter.states
        on_chain = {hash_: ok for block in self.blocks for hash_, ok in block.succeeded.items()}
        landed = Counter(one.nonce for one in self.intents if one.hash in on_chain)
        assert all(count == 1 for count in landed.values()), "two of one nonce"
        for one in self.intents:
            match self.outcomes[one.hash]:
                case Included():
                    assert on_chain[one.hash]
                case Reverted():
                    assert not on_chain[one.hash]
                case Expired() | Superseded():
                    assert one.hash not in on_chain


def _replaces(new: Fees, old: Fees) -> bool:
    """As geth has it: at least a tenth more on both fees."""
    return all(
        wei * 100 >= than * 110 and wei > than
        for wei, than in (
            (new.max_fee_per_gas_wei, old.max_fee_per_gas_wei),
            (new.max_priority_fee_per_gas_wei, old.max_priority_fee_per_gas_wei),
        )
    )


# A failure of so many steps takes minutes to shrink; its seed is told.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@pytest.mark.timeout(300)
def test_world__whatever_happens__nothing_twice_and_one_outcome_each() -> None:
    """And each class of cases many times: of one that never came about nothing would be proved."""
    World.seen_classes.clear()
    run_state_machine_as_test(
        World, settings=settings(max_examples=200, stateful_step_count=40, deadline=None, phases=PHASES)
    )
    print(dict(World.seen_classes))
    for kind in (
        "public",
        "private",
        "bundle",
        "held",
        "shared a nonce",
        "replaced",
        "cancelled",
        "closed again",
        "included taken back",
        "expired taken back",
        "superseded taken back",
        "gap filled",
    ):
        assert World.seen_classes[kind] >= 5, kind


NOW = Now(head_number=100, timestamp_s=500, chain_nonce=7)
BORROWER = Address((1).to_bytes(20, "big"))
OTHER = Address((2).to_bytes(20, "big"))


def later(*, blocks: int = 0, seconds: int = 0, nonce: int = 7) -> Now:
    return Now(head_number=100 + blocks, timestamp_s=500 + seconds, chain_nonce=nonce)


def sent(submitter: Submitter, one: Submission, *, answer: Event | None = None) -> Submission:
    """Set a nonce aside, sign with it and send: the channel takes it, unless it answers otherwise."""
    place = submitter.plan(NOW, positions=one.positions)
    assert isinstance(place, Place)
    assert place.nonce == one.nonce
    submitter.sign(one)
    submitter.tell(one, IntentWritten())
    submitter.tell(one, answer or Accepted())
    return one


def planned(submitter: Submitter, now: Now, borrower: Address = OTHER) -> Place:
    place = submitter.plan(now, positions=[PositionId(MARKET, borrower)])
    assert isinstance(place, Place), str(place)
    return place


def test_recover__while_something_is_in_flight__is_our_bug() -> None:
    submitter = Submitter()
    submitter.plan(NOW)
    with pytest.raises(Invariant, match="before anything is planned"):
        submitter.recover([])


def test_plan__several__nonces_in_order() -> None:
    submitter = Submitter()
    assert [planned(submitter, NOW).nonce for _ in range(3)] == [7, 8, 9]
    submitter.discard(8)
    assert planned(submitter, NOW).nonce == 8, "a gap first"


def test_plan__while_one_is_in_doubt__held_until_it_is_looked_for() -> None:
    submitter = Submitter()
    doubtful = submission(borrower=1)
    submitter.recover([doubtful])
    held = submitter.plan(NOW, positions=[PositionId(MARKET, OTHER)])
    assert isinstance(held, Held)
    assert "nonce 7 is held" in str(held) and "in doubt until the chain tells" in str(held)
    submitter.tell(doubtful, looked(known=True))
    assert planned(submitter, NOW) == Place(nonce=8, over=None)


def test_plan__while_answers_are_awaited__each_its_own_nonce_and_one_that_is_refused_first_of_all() -> None:
    submitter = Submitter()
    for nonce in (7, 8, 9):
        one = submission(nonce=nonce, borrower=nonce)
        assert planned(submitter, NOW, one.borrower).nonce == nonce
        submitter.sign(one)
        submitter.tell(one, IntentWritten())
        if nonce == 8:
            refused = one
    commands = submitter.tell(refused, Refused(kind=Refusal.INVALID, detail="no"))
    assert [type(one) for one in commands] == [JournalOutcome]
    submitter.tell(refused, OutcomeWritten())
    assert planned(submitter, NOW).nonce == 8


def test_plan__looked_for_and_missing__its_nonce_again_and_pays_enough_to_replace_it() -> None:
    submitter = Submitter()
    lost = submission(borrower=1)
    submitter.recover([lost])
    submitter.tell(lost, looked())
    assert planned(submitter, NOW) == Place(nonce=7, over=lost.fees)


def test_plan__bundle_whose_block_went_by__its_nonce_again_at_no_higher_fee() -> None:
    submitter = Submitter()
    sent(submitter, submission(borrower=1, target_block=101, is_private=True))
    assert planned(submitter, NOW) == Place(nonce=8, over=None)
    submitter.discard(8)
    assert planned(submitter, later(blocks=1)) == Place(nonce=7, over=None)


@pytest.mark.parametrize("now", [later(blocks=3), later(blocks=1, seconds=501)])
def test_plan__stuck_for_blocks_or_past_its_deadline__its_nonce_again(now: Now) -> None:
    submitter = Submitter(patience_blocks=3)
    stuck = sent(submitter, submission(borrower=1))
    submitter.tell(stuck, looked(known=True))
    assert planned(submitter, later(blocks=2)).nonce == 8
    submitter.discard(8)
    assert planned(submitter, now) == Place(nonce=7, over=stuck.fees)


def test_plan__borrower_whose_transaction_may_still_run__that_nonce_or_none() -> None:
    submitter = Submitter()
    lost = submission(borrower=1)
    submitter.recover([lost])
    submitter.tell(lost, looked())
    other = submission(borrower=2, serial=1, fee_wei=2 * 10**9)
    assert planned(submitter, NOW).nonce == 7
    submitter.sign(other)
    submitter.tell(other, IntentWritten())
    submitter.tell(other, Accepted())
    held = submitter.plan(NOW, positions=[PositionId(MARKET, BORROWER)])
    assert isinstance(held, Held)
    assert held.by == lost
    assert planned(submitter, later(nonce=8), BORROWER).nonce == 8, "what had its nonce is in the chain"


@pytest.mark.parametrize("wanted", list(permutations((1, 2, 3, 4))))
def test_sequence__some_keep_the_nonces_of_what_is_stuck__as_the_nonces_are_given(
    wanted: tuple[int, ...],
) -> None:
    submitter = Submitter()
    for nonce, borrower in ((7, 5), (8, 2), (9, 3)):  # of 5 nothing is planned any more: 7 is free
        sent(submitter, submission(nonce=nonce, borrower=borrower))
    positions = [PositionId(MARKET, Address(one.to_bytes(20, "big"))) for one in wanted]
    stuck = later(blocks=3)
    sequence = submitter.sequence(stuck, positions)
    nonces = []
    for position in sequence:
        place = submitter.plan(stuck, positions=[position])
        assert isinstance(place, Place)
        nonces.append(place.nonce)
    assert nonces == [7, 8, 9, 10]
    free = [one for one in sequence if int.from_bytes(one.borrower, "big") in (1, 4)]
    assert free == [one for one in positions if one in free], "in the order that was wanted, where it can be"


def test_plan__one_of_several_positions_in_flight__its_nonce_or_none() -> None:
    submitter = Submitter(patience_blocks=1)
    several = submission(others=(PositionId(MARKET, BORROWER),), borrower=5)
    alone = submission(nonce=8, borrower=6)
    submitter.recover([several, alone])
    for one in (several, alone):
        submitter.tell(one, looked(known=True))
    assert set(submitter.positions_in_flight(NOW)) == {*several.positions, *alone.positions}
    held = submitter.plan(NOW, positions=[PositionId(MARKET, BORROWER)])
    assert isinstance(held, Held) and held.by == several, "the second of whom it closes"

    stuck = later(blocks=1)
    both = submitter.plan(stuck, positions=[PositionId(MARKET, BORROWER), *alone.positions])
    assert isinstance(both, Held) and "nonce 7 another" in str(both), "either may land, and close one again"
    place = submitter.plan(stuck, positions=[PositionId(MARKET, BORROWER)])
    assert isinstance(place, Place) and place.nonce == 7


def test_plan__refused_as_too_low_to_replace__pays_more_than_that_the_next_time() -> None:
    submitter = Submitter()
    one = submission(borrower=1)
    sent(submitter, one, answer=Refused(kind=Refusal.REPLACEMENT_UNDERPRICED, detail=""))
    submitter.tell(one, OutcomeWritten())
    assert planned(submitter, NOW) == Place(nonce=7, over=one.fees)
    submitter.discard(7)
    assert planned(submitter, later(nonce=8)) == Place(nonce=8, over=None)


def test_take__nonce_that_is_held__for_more_than_all_that_hold_it() -> None:
    submitter = Submitter()
    low, high = submission(borrower=1), submission(serial=1, fee_wei=3 * 10**9)
    submitter.recover([low, high])
    assert submitter.take(7) == Place(nonce=7, over=high.fees)
    with pytest.raises(Invariant, match="set aside already"):
        submitter.take(7)


def test_before__bundles_of_one_block__the_lower_nonces_in_their_order() -> None:
    submitter = Submitter()
    bundles = [submission(nonce=n, borrower=n, target_block=101, is_private=True) for n in (7, 8, 9)]
    for one in bundles:
        sent(submitter, one)
    assert submitter.before(bundles[2]) == (bundles[0].transaction.raw, bundles[1].transaction.raw)
    assert submitter.before(bundles[0]) == ()


def test_beside__smaller_sizes_of_a_bundle__its_nonce_and_those_behind_stand_behind_the_largest() -> None:
    submitter = Submitter()
    top = sent(submitter, submission(borrower=1, target_block=101, is_private=True))
    rungs = [
        submission(serial=n, borrower=1, target_block=101, is_private=True, rung=n, fee_wei=10**9 - n)
        for n in (1, 2)
    ]
    for one in rungs:
        assert submitter.beside(top) == Place(nonce=top.nonce, over=None), "nothing is replaced"
        with pytest.raises(Invariant, match="set aside already"):
            submitter.beside(top)
        submitter.sign(one)
        submitter.tell(one, IntentWritten())
        submitter.tell(one, Accepted())
    behind = sent(submitter, submission(nonce=8, borrower=2, target_block=101, is_private=True))
    assert submitter.before(behind) == (top.transaction.raw,)
    assert submitter.positions_in_flight(NOW).keys() == {*top.positions, *behind.positions}

    landed = looked(head=101, chain_nonce=8, found=receipt())
    assert [type(one) for one in submitter.tell(rungs[0], landed)] == [JournalOutcome]
    for one in (top, rungs[1]):
        assert submitter.tell(one, looked(head=101, chain_nonce=8)) == ()
        (command,) = submitter.tell(one, looked(head=102, chain_nonce=8))
        assert isinstance(command, JournalOutcome) and isinstance(command.outcome, Superseded)


def test_to_cancel__known_past_its_deadline__until_a_cancellation_is_on_its_way() -> None:
    submitter = Submitter()
    one = sent(submitter, submission(borrower=1))
    submitter.tell(one, looked(known=True))
    late = later(blocks=1, seconds=501)
    assert submitter.to_cancel(NOW) == ()
    assert submitter.to_cancel(late) == (one,)
    cancelling = submission(
        serial=1, purpose=Purpose.CANCELLATION, fee_wei=2 * 10**9, head=101, deadline_s=2_000
    )
    submitter.take(7)
    submitter.sign(cancelling)
    submitter.tell(cancelling, IntentWritten())
    submitter.tell(cancelling, Accepted())
    assert submitter.to_cancel(late) == ()
    assert submitter.in_flight(late) == ()
    submitter.tell(cancelling, looked(known=True))
    assert submitter.to_cancel(later(blocks=4, seconds=600)) == (cancelling,), "it is stuck itself"


@pytest.mark.parametrize("kind", [{"is_private": True}, {"is_private": True, "target_block": 101}])
def test_to_cancel__private__never_for_its_deadline_ends_it(kind: dict[str, int]) -> None:
    submitter = Submitter()
    sent(submitter, submission(borrower=1, **kind))  # type: ignore[arg-type]
    assert submitter.to_cancel(later(blocks=9, seconds=900)) == ()


def test_gaps__public_behind_nonces_that_nobody_has__those_until_they_are_taken() -> None:
    submitter = Submitter()
    waiting = submission(nonce=9, borrower=1)
    submitter.recover([waiting])
    assert submitter.gaps(NOW) == (), "whether it waits is not known yet"
    submitter.tell(waiting, looked(known=True))
    assert submitter.gaps(NOW) == (7, 8)
    submitter.take(7)
    assert submitter.gaps(NOW) == (8,)
    assert submitter.gaps(later(nonce=9)) == ()


@pytest.mark.parametrize("kind", [{"is_private": True}, {"is_private": True, "target_block": 101}])
def test_gaps__behind_what_is_in_no_public_pool__none(kind: dict[str, Any]) -> None:
    submitter = Submitter()
    hidden = submission(nonce=9, borrower=1, **kind)
    submitter.recover([hidden])
    submitter.tell(hidden, looked(known=True))
    assert submitter.gaps(NOW) == ()


def test_tell__late_answer_of_an_ended_submission__passes_over_its_successor() -> None:
    submitter = Submitter()
    first, second = submission(serial=1), submission(serial=2)
    submitter.recover([first])
    submitter.tell(first, looked(at_s=2_000))
    submitter.tell(first, OutcomeWritten())
    submitter.plan(NOW)
    submitter.sign(second)
    submitter.tell(second, IntentWritten())
    before = submitter.states
    assert submitter.tell(first, Refused(kind=Refusal.UNDERPRICED, detail="")) == ()
    assert submitter.states == before


def test_sign__nonce_not_set_aside__is_our_bug() -> None:
    with pytest.raises(Invariant, match="nonce 7 is not set aside"):
        Submitter().sign(submission())


def test_in_flight__mined__is_so_no_more() -> None:
    submitter = Submitter()
    one = submission()
    submitter.recover([one])
    assert submitter.in_flight(NOW) == (one,)
    submitter.tell(one, looked(found=receipt(), confirmations=5))
    assert submitter.in_flight(later(blocks=1, nonce=8)) == ()
    assert submitter.waiting() == (one,)


def test_states__alternatives__all_of_a_nonce() -> None:
    submitter = Submitter()
    submitter.recover([submission(), submission(serial=1)])
    assert [type(state) for state in submitter.states[7]] == [Sent, Sent]
    assert all(isinstance(s, Sent) and s.standing is Standing.IN_DOUBT for s in submitter.states[7])
