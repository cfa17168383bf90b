"""The table of the machine's docstring, row by row; and that nothing else is possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from keeper.domain.address import Address
from keeper.domain.errors import Invariant
from keeper.domain.position import PositionId
from keeper.domain.submission import (
    Accepted,
    Expired,
    Included,
    Outcome,
    Refusal,
    Refused,
    Reverted,
    Superseded,
    Unclear,
)
from keeper.submitter.machine import (
    Concluded,
    Discarded,
    Done,
    Dropped,
    Event,
    IntentWritten,
    JournalIntent,
    JournalOutcome,
    JournalReopening,
    Looked,
    Mined,
    OutcomeWritten,
    Planned,
    ReopeningWritten,
    Send,
    Sent,
    SignatureMade,
    Signed,
    Standing,
    State,
    step,
)
from tests.unit.submitter.submissions import looked, receipt, submission

ONE = submission()
AWAITED = Sent(submission=ONE, standing=Standing.AWAITED)
TAKEN = Sent(submission=ONE, standing=Standing.TAKEN)
IN_DOUBT = Sent(submission=ONE, standing=Standing.IN_DOUBT)
MISSING = Sent(submission=ONE, standing=Standing.MISSING)
BUNDLED = Sent(submission=submission(target_block=101, is_private=True), standing=Standing.TAKEN)
MINED = Mined(submission=ONE)
INCLUDED = Included(
    block_number=101,
    block_hash=receipt().block_hash,
    gas_used=500_000,
    effective_gas_price_wei=4 * 10**9,
    vault_profit_wei=9 * 10**15,
    tip_wei=0,
)
CONCLUDED = Concluded(submission=ONE, outcome=INCLUDED)


def after(state: State, events: Sequence[Event]) -> State:
    for event in events:
        state, _ = step(state, event)
    return state


def test_step__from_plan_to_block__commands_in_their_order() -> None:
    state: State = Planned()
    commanded = []
    for event in (
        SignatureMade(submission=ONE),
        IntentWritten(),
        Accepted(),
        looked(known=True),
        looked(head=102, found=receipt(block=102), chain_nonce=8),
        OutcomeWritten(),
    ):
        state, commands = step(state, event)
        commanded += [type(command) for command in commands]
    assert commanded == [JournalIntent, Send, JournalOutcome]
    assert isinstance(state, Done)
    assert isinstance(state.outcome, Included)
    assert state.outcome.realised_profit_wei == 9 * 10**15 - 500_000 * 4 * 10**9


@pytest.mark.parametrize("state", [Planned(), Signed(submission=ONE)])
def test_step__dropped_before_it_was_written__discarded_without_a_trace(state: State) -> None:
    assert step(state, Dropped()) == (Discarded(), ())


@pytest.mark.parametrize(
    ("answer", "standing"),
    [
        (Accepted(), Standing.TAKEN),
        (Refused(kind=Refusal.ALREADY_KNOWN, detail=""), Standing.TAKEN),
        (Refused(kind=Refusal.NONCE_TOO_LOW, detail=""), Standing.IN_DOUBT),
        (Unclear(detail="cut"), Standing.IN_DOUBT),
    ],
)
def test_step__answer_that_does_not_end_it__stays_sent(
    answer: Accepted | Refused | Unclear, standing: Standing
) -> None:
    assert step(AWAITED, answer) == (Sent(submission=ONE, standing=standing), ())


@pytest.mark.parametrize(
    "kind", [Refusal.UNDERPRICED, Refusal.INSUFFICIENT_FUNDS, Refusal.UNREACHABLE, Refusal.INVALID]
)
def test_step__refused_outright__expires_and_says_why(kind: Refusal) -> None:
    state, commands = step(AWAITED, Refused(kind=kind, detail="the node's words"))
    assert isinstance(state, Concluded)
    assert isinstance(state.outcome, Expired)
    assert state.outcome.why == f"refused, {kind.value}: the node's words"
    assert commands == (JournalOutcome(submission=ONE, outcome=state.outcome),)


@pytest.mark.parametrize("state", [AWAITED, TAKEN, IN_DOUBT, MISSING, MINED])
def test_step__receipt__included_or_reverted(state: State) -> None:
    included, _ = step(state, looked(found=receipt(), chain_nonce=8))
    reverted, _ = step(state, looked(found=receipt(succeeded=False), chain_nonce=8))
    assert included == CONCLUDED
    assert isinstance(reverted, Concluded)
    assert isinstance(reverted.outcome, Reverted)
    assert reverted.outcome.realised_profit_wei == -500_000 * 4 * 10**9


def test_looked__in_a_block_but_its_nonce_is_not_used_at_the_head__that_is_another_branchs() -> None:
    state, commands = step(TAKEN, looked(head=105, found=receipt(block=101), chain_nonce=7))
    assert state == TAKEN and not commands


def test_step__receipt_not_deep_enough__waits_for_the_blocks_on_it() -> None:
    state, commands = step(TAKEN, looked(head=102, found=receipt(), chain_nonce=8, confirmations=2))
    assert (state, commands) == (MINED, ())
    state, _ = step(state, looked(head=103, found=receipt(), chain_nonce=8, confirmations=2))
    assert state == CONCLUDED


@pytest.mark.parametrize("state", [AWAITED, TAKEN, IN_DOUBT, MISSING, MINED])
def test_step__receipt_of_a_block_after_the_head__is_still_to_come(state: State) -> None:
    assert step(state, looked(head=100, found=receipt(block=101))) == (TAKEN, ())


def test_step__reorg_takes_the_block_away__sent_again_in_state_only() -> None:
    state, commands = step(MINED, looked(known=True))
    assert (state, commands) == (TAKEN, ())


def test_step__nonce_used_by_another__superseded_at_the_second_look() -> None:
    first = looked(head=101, chain_nonce=8)
    state, commands = step(TAKEN, first)
    assert commands == ()
    state, commands = step(state, first)  # the same head again tells nothing new
    assert commands == ()
    state, commands = step(state, looked(head=102, chain_nonce=8))
    assert isinstance(state, Concluded)
    assert state.outcome == Superseded(head_number=102)


def test_step__receipt_of_several_with_one_part_that_failed__included_without_that_one() -> None:
    several = submission(others=(PositionId("aave-v3:test", Address(b"\x07" * 20)),))
    mined = replace(receipt(), failed_parts=(1,))
    state, _ = step(Sent(submission=several, standing=Standing.TAKEN), looked(found=mined, chain_nonce=8))
    assert isinstance(state, Concluded) and isinstance(state.outcome, Included)
    assert state.outcome.left_out == several.others


def test_step__nonce_counted_before_the_receipt_shows__included() -> None:
    state = after(TAKEN, [looked(head=101, chain_nonce=8), looked(head=102, chain_nonce=8, found=receipt())])
    assert state == CONCLUDED


def test_step__nonce_counted_and_receipt_late__waits_as_long_as_the_node_knows_it() -> None:
    looks = [looked(head=head, chain_nonce=8, known=True) for head in (101, 102, 103)]
    assert after(TAKEN, looks) == TAKEN


def test_step__nonce_counted_on_a_branch_that_was_left__starts_over() -> None:
    state = after(TAKEN, [looked(head=101, chain_nonce=8), looked(head=102, chain_nonce=7, known=True)])
    assert state == TAKEN
    state, commands = step(state, looked(head=103, chain_nonce=8))
    assert isinstance(state, Sent)
    assert commands == ()


@pytest.mark.parametrize("state", [AWAITED, TAKEN, IN_DOUBT, MISSING])
def test_step__deadline_passed_and_unknown__expires(state: State) -> None:
    state, _ = step(state, looked(at_s=1_001))
    assert isinstance(state, Concluded)
    assert state.outcome == Expired(head_number=101, why="its deadline passed")


def test_step__at_the_deadline__may_still_run() -> None:
    state, commands = step(TAKEN, looked(at_s=1_000))
    assert (state, commands) == (MISSING, ())


def test_step__deadline_passed_but_in_the_pool__holds_its_nonce() -> None:
    assert step(TAKEN, looked(at_s=9_999, known=True)) == (TAKEN, ())


@pytest.mark.parametrize("state", [IN_DOUBT, MISSING])
def test_step__known_again__taken(state: Sent) -> None:
    assert step(state, looked(known=True)) == (TAKEN, ())


def test_step__private_and_unknown_to_the_node__as_it_was_for_no_node_would_know_it() -> None:
    private = submission(is_private=True)
    for before, then in (
        (Standing.AWAITED, Standing.AWAITED),
        (Standing.TAKEN, Standing.TAKEN),
        (Standing.IN_DOUBT, Standing.MISSING),
        (Standing.MISSING, Standing.MISSING),
    ):
        state, commands = step(Sent(submission=private, standing=before), looked())
        assert (state, commands) == (Sent(submission=private, standing=then), ())


def test_step__target_block_without_it__expires_once_that_is_deep_enough_and_says_who_built_it() -> None:
    state, commands = step(BUNDLED, looked(head=101, confirmations=2, built_by="Titan"))
    assert commands == ()
    state, commands = step(state, looked(head=102, confirmations=2, built_by="Quasar"))
    assert commands == ()
    state, _ = step(state, looked(head=103, confirmations=2, built_by="Quasar"))
    assert isinstance(state, Concluded)
    assert state.outcome == Expired(head_number=103, why="not in block 101, which Titan built")


def test_step__target_block_to_come__stays_sent_also_past_its_deadline() -> None:
    assert step(BUNDLED, looked(head=100, at_s=2_000)) == (BUNDLED, ())


def test_step__target_block_given_up_in_a_reorg_for_one_with_it__included() -> None:
    state, _ = step(BUNDLED, looked(head=101, confirmations=1))
    state, _ = step(state, looked(head=101, confirmations=1, found=receipt(), chain_nonce=8))
    assert isinstance(state, Mined)
    state, _ = step(state, looked(head=102, confirmations=1, found=receipt(), chain_nonce=8))
    assert isinstance(state, Concluded)
    assert isinstance(state.outcome, Included)


def test_step__nonce_used_by_another_in_a_block_not_deep_enough__waits() -> None:
    state, _ = step(TAKEN, looked(head=101, chain_nonce=8, confirmations=3))
    for head in (102, 103):
        state, commands = step(state, looked(head=head, chain_nonce=8, confirmations=3))
        assert commands == ()
    state, _ = step(state, looked(head=104, chain_nonce=8, confirmations=3))
    assert isinstance(state, Concluded)
    assert state.outcome == Superseded(head_number=104)


def test_step__looked_while_the_answer_is_awaited__goes_on_waiting() -> None:
    assert step(AWAITED, looked(known=False)) == (AWAITED, ())


@pytest.mark.parametrize("state", [MINED, CONCLUDED, Done(submission=ONE, outcome=INCLUDED)])
@pytest.mark.parametrize(
    "answer", [Accepted(), Unclear(detail=""), Refused(kind=Refusal.UNDERPRICED, detail="")]
)
def test_step__answer_after_the_chain_spoke__changes_nothing(state: State, answer: Event) -> None:
    assert step(state, answer) == (state, ())


def test_step__outcome_not_written__commanded_again_at_the_next_look() -> None:
    state, commands = step(CONCLUDED, looked(head=105))
    assert (state, commands) == (CONCLUDED, (JournalOutcome(submission=ONE, outcome=INCLUDED),))


EXPIRED = Expired(head_number=105, why="its deadline passed")


@pytest.mark.parametrize(
    ("outcome", "look"),
    [
        (INCLUDED, looked(head=150, found=receipt(), chain_nonce=8)),
        (INCLUDED, looked(head=100)),  # before its block
        (EXPIRED, looked(head=150, chain_nonce=8)),
        (Superseded(head_number=105), looked(head=150, chain_nonce=8)),
        (EXPIRED, looked(head=150, found=receipt(block=151))),
    ],
)
def test_step__outcome_stands__nothing_is_done(outcome: Outcome, look: Looked) -> None:
    done = Done(submission=ONE, outcome=outcome)
    assert step(done, look) == (done, ())


@pytest.mark.parametrize(
    ("outcome", "look", "becomes"),
    [
        (INCLUDED, looked(head=102, at_s=900), MISSING),
        (INCLUDED, looked(head=102, found=receipt(block=102), chain_nonce=8, confirmations=1), MINED),
        (INCLUDED, looked(head=102, found=receipt(block=102), chain_nonce=8), Included),
        (INCLUDED, looked(head=108, at_s=1_001), Expired),
        (EXPIRED, looked(head=107, found=receipt(block=106, succeeded=False), chain_nonce=8), Reverted),
        (Superseded(head_number=105), looked(head=107, found=receipt(block=106), chain_nonce=8), Included),
        (Superseded(head_number=105), looked(head=106, at_s=900), MISSING),
        (Superseded(head_number=105), looked(head=106, at_s=1_001), Expired),
    ],
)
def test_step__outcome_taken_back__written_and_goes_on_as_if_it_had_not_been(
    outcome: Outcome, look: Looked, becomes: State | type[Outcome]
) -> None:
    done = Done(submission=ONE, outcome=outcome)
    state, commands = step(done, look)
    assert (state, commands) == (done, (JournalReopening(submission=ONE, outcome=outcome, look=look),))
    state, commands = step(state, ReopeningWritten(look=look))
    if isinstance(becomes, type):
        assert isinstance(state, Concluded) and isinstance(state.outcome, becomes)
        assert commands == (JournalOutcome(submission=ONE, outcome=state.outcome),)
    else:
        assert (state, commands) == (becomes, ())


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (Planned(), IntentWritten()),
        (Planned(), Accepted()),
        (Planned(), looked()),
        (Signed(submission=ONE), SignatureMade(submission=ONE)),
        (Signed(submission=ONE), Accepted()),
        (Signed(submission=ONE), looked()),
        (AWAITED, Dropped()),
        (AWAITED, IntentWritten()),
        (AWAITED, OutcomeWritten()),
        (MINED, OutcomeWritten()),
        (CONCLUDED, Dropped()),
        (Discarded(), IntentWritten()),
        (Discarded(), looked()),
        (Done(submission=ONE, outcome=INCLUDED), OutcomeWritten()),
        (TAKEN, ReopeningWritten(look=looked())),
    ],
)
def test_step__what_cannot_happen__is_our_bug(state: State, event: Event) -> None:
    with pytest.raises(Invariant, match=f"{type(event).__name__} came in state {type(state).__name__}"):
        step(state, event)
