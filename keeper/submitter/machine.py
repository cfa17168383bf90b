"""The life of one submission: a state and an event give a state and commands. All rules are in this table.

| state     | event                                          | next      | commands         |
|-----------|------------------------------------------------|-----------|------------------|
| planned   | SignatureMade                                  | signed    | JournalIntent    |
| planned   | Dropped                                        | discarded |                  |
| signed    | IntentWritten                                  | sent      | Send             |
| signed    | Dropped (the journal can't be written)         | discarded |                  |
| sent      | Accepted, Unclear, Refused (known, nonce used) | sent      |                  |
| sent      | Refused (for any other reason)                 | concluded | JournalOutcome   |
| sent      | Looked: in a block, deep enough                | concluded | JournalOutcome   |
| sent      | Looked: in a block up to the head              | mined     |                  |
| sent      | Looked: its nonce used without it, deep enough | concluded | JournalOutcome   |
| sent      | Looked: not in its target block, deep enough   | concluded | JournalOutcome   |
| sent      | Looked: past its deadline, not in the pool     | concluded | JournalOutcome   |
| sent      | Looked: anything else                          | sent      |                  |
| mined     | Looked: as in *sent*; in no block any more     | sent      |                  |
| concluded | Looked (its outcome is not written yet)        | concluded | JournalOutcome   |
| concluded | OutcomeWritten                                 | done      |                  |
| done      | Looked: as its outcome says                    | done      |                  |
| done      | Looked: anything else                          | done      | JournalReopening |
| done      | ReopeningWritten (by that look)                | as *sent* | as *sent*        |

The outcomes: *included* or *reverted* by a block; *superseded* by another transaction with its nonce, ours or
not; *expired* where no block took it and none can any more. *Deep enough* is the confirmations asked for; a
nonce that is used without it must be seen so at two heads at least, for a node may count a transaction a
moment before it can show it. A reorg that takes the block away brings the submission back to *sent*.

An outcome may be taken back, by a chain that takes back more blocks than were waited for, and by whoever kept
a transaction that all others had forgotten: one past its deadline reverts, and costs its gas. So *done* is
looked at again where that may be (:mod:`keeper.submitter.submitter` says when), and goes on as if it had
never been concluded; the journal keeps both outcomes, and the last one counts.

A channel's answer that comes late (in *mined* or *concluded*) changes nothing: the chain has spoken.
Whatever is not in the table is a bug, and raises Invariant.

Submissions that exclude each other share a nonce: bids, sizes, replacements, cancellations, the same plan
anew for the next block. Each has a machine of its own, and :mod:`keeper.submitter.submitter` says when a
nonce *yields*, which is when another may be sent for it.

What follows from it, and is tested: nothing is sent before its intent is written; nothing is sent twice; of
one nonce at most one is included; every intent comes to exactly one outcome that stands. A process that is
killed is no special case: an intent that was read back from the journal is in *sent*, in doubt (see
:mod:`keeper.submitter.recovery`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TypeAlias, assert_never

from keeper.domain.address import Hash32
from keeper.domain.carriage import Carried
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

# --- states -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A nonce is set aside for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """It is signed, and its intent is being written."""

    submission: Submission


class Standing(Enum):
    """What is known of a transaction that was sent and is in no block."""

    AWAITED = auto()
    """The channel has not answered yet."""
    TAKEN = auto()
    """The channel said that it has it, or the node knew it at the last look."""
    IN_DOUBT = auto()
    """Its answer was lost, and nobody has looked since: it may be anywhere or nowhere."""
    MISSING = auto()
    """The node did not know it at the last look: it may still be somewhere else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Its intent is written, and it was sent; or is being sent; or, after a restart, perhaps was."""

    submission: Submission
    standing: Standing
    passed_at: int | None = None
    """The head at which its nonce was first seen used although it was in no block."""
    built_by: str = ""
    """Who built the target block that it was not in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """It is in a block that is not deep enough yet to count on."""

    submission: Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """Its outcome is certain, and being written."""

    submission: Submission
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Its outcome is written."""

    submission: Submission
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """It was never written down and never sent."""


State: TypeAlias = Planned | Signed | Sent | Mined | Concluded | Done | Discarded

# --- events -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureMade:
    submission: Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """It will not be sent after all: no signature was given, or its intent can't be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentWritten:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeWritten:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a block did with a transaction."""

    block_number: int
    block_hash: Hash32
    succeeded: bool
    gas_used: int
    effective_gas_price_wei: int
    vault_profit_wei: int
    tip_wei: int
    l1_fee_wei: int = 0
    failed_parts: tuple[int, ...] = ()
    """Which of the positions that it was to close it left as they were, by their places."""
    carried: tuple[Carried, ...] = ()
    """What the vault paid, and what it keeps for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What the chain says about a transaction, looked at when `head_number` was the head."""

    head_number: int
    head_timestamp_s: int
    chain_nonce: int
    """How many transactions of this key are in the chain up to that head."""
    receipt: Receipt | None
    known: bool
    """The node has it, in a block or waiting for one."""
    confirmations: int
    """How many blocks must be built on a block before it is counted on."""
    built_by: str = ""
    """Who built the head, as it says of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopeningWritten:
    """It is written that the outcome no longer stands."""

    look: Looked
    """What says so."""


Event: TypeAlias = (
    SignatureMade
    | Dropped
    | IntentWritten
    | Accepted
    | Refused
    | Unclear
    | Looked
    | OutcomeWritten
    | ReopeningWritten
)

# --- commands -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalIntent:
    """Write the intent; then IntentWritten, or Dropped where it can't be."""

    submission: Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send it, once; then Accepted, Refused or Unclear."""

    submission: Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOutcome:
    """Write the outcome; then OutcomeWritten. Where it can't be, the next look commands it again."""

    submission: Submission
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReopening:
    """Write that the outcome no longer stands; then ReopeningWritten. Where it can't be, look again."""

    submission: Submission
    outcome: Outcome
    look: Looked


Command: TypeAlias = JournalIntent | Send | JournalOutcome | JournalReopening
Step: TypeAlias = tuple[State, tuple[Command, ...]]

# --- transitions --------------------------------------------------------------------------------------------


def step(state: State, event: Event) -> Step:
    """Return the next state, and what is to be done now. Raises Invariant for what cannot happen."""
    match state, event:
        case Planned(), SignatureMade(submission=submission):
            return Signed(submission=submission), (JournalIntent(submission=submission),)
        case ((Planned() | Signed()), Dropped()):
            return Discarded(), ()
        case Signed(submission=submission), IntentWritten():
            return Sent(submission=submission, standing=Standing.AWAITED), (Send(submission=submission),)
        case Sent(), (Accepted() | Refused() | Unclear()):
            return _answered(state, event)
        case ((Mined() | Concluded() | Done()), (Accepted() | Refused() | Unclear())):
            return state, ()
        case ((Sent() | Mined()), Looked()):
            return _looked(state, event)
        case Concluded(), Looked():
            return state, (JournalOutcome(submission=state.submission, outcome=state.outcome),)
        case Concluded(), OutcomeWritten():
            return Done(submission=state.submission, outcome=state.outcome), ()
        case Done(submission=submission, outcome=outcome), Looked():
            if _stands(submission, outcome, event):
                return state, ()
            return state, (JournalReopening(submission=submission, outcome=outcome, look=event),)
        case Done(submission=submission), ReopeningWritten(look=look):
            return _looked(Sent(submission=submission, standing=Standing.IN_DOUBT), look)
        case _:
            raise Invariant(f"{type(event).__name__} came in state {type(state).__name__}")


def _answered(state: Sent, answer: Accepted | Refused | Unclear) -> Step:
    match answer:
        case Accepted() | Refused(kind=Refusal.ALREADY_KNOWN):
            return replace(state, standing=Standing.TAKEN), ()
        case Unclear() | Refused(kind=Refusal.NONCE_TOO_LOW):  # used, perhaps by this very transaction
            return replace(state, standing=Standing.IN_DOUBT), ()
        case Refused():
            return _conclude(
                state.submission, Expired(head_number=state.submission.head_number, why=f"refused, {answer}")
            )
        case _:
            assert_never(answer)


def _looked(state: Sent | Mined, look: Looked) -> Step:
    submission = state.submission
    if look.receipt is not None:
        if look.receipt.block_number > look.head_number or look.chain_nonce <= submission.nonce:
            # The chain is ahead of the head that is decided upon, or the block is on another branch: on that
            # state its nonce is not used, and it is still to come.
            return Sent(submission=submission, standing=Standing.TAKEN), ()
        if look.head_number >= look.receipt.block_number + look.confirmations:
            return _conclude(submission, _mined_outcome(submission, look.receipt))
        return Mined(submission=submission), ()

    was = state if isinstance(state, Sent) else Sent(submission=submission, standing=Standing.TAKEN)
    if look.chain_nonce > submission.nonce and not look.known:
        passed_at = look.head_number if was.passed_at is None else was.passed_at
        if look.head_number >= passed_at + max(look.confirmations, 1):
            return _conclude(submission, Superseded(head_number=look.head_number))
        return replace(was, passed_at=passed_at), ()
    if look.known:
        return Sent(submission=submission, standing=Standing.TAKEN), ()
    if submission.target_block is not None:
        return _missed(was, submission.target_block, look)
    if look.head_timestamp_s > submission.deadline_s:  # and so is every block to come
        return _conclude(submission, Expired(head_number=look.head_number, why="its deadline passed"))
    return Sent(submission=submission, standing=_unknown(was)), ()


def _stands(submission: Submission, outcome: Outcome, look: Looked) -> bool:
    """Return whether an outcome is still what the chain says."""
    found = look.receipt
    is_out = found is None or found.block_number > look.head_number
    match outcome:
        case Included() | Reverted():
            return look.head_number < outcome.block_number or (
                found is not None and found.block_hash == outcome.block_hash
            )
        case Expired():
            return is_out
        case Superseded():  # its nonce may be free again, and whoever kept it may use it then
            return is_out and look.chain_nonce > submission.nonce
        case _:
            assert_never(outcome)


def _missed(was: Sent, target_block: int, look: Looked) -> Step:
    """Return what follows where a submission for one block alone is in no block up to the head."""
    built_by = look.built_by if look.head_number == target_block else was.built_by
    if look.head_number >= target_block + look.confirmations:
        builder = f", which {built_by} built" if built_by else ""
        return _conclude(
            was.submission,
            Expired(head_number=look.head_number, why=f"not in block {target_block}{builder}"),
        )
    return replace(was, passed_at=None, built_by=built_by), ()


def _unknown(was: Sent) -> Standing:
    """Return the standing of what a node does not know: private ones, no node knows before their block."""
    if was.standing is Standing.AWAITED:
        return Standing.AWAITED
    if was.standing is Standing.TAKEN and was.submission.is_private:
        return Standing.TAKEN
    return Standing.MISSING


def _conclude(submission: Submission, outcome: Outcome) -> Step:
    return (
        Concluded(submission=submission, outcome=outcome),
        (JournalOutcome(submission=submission, outcome=outcome),),
    )


def _mined_outcome(submission: Submission, receipt: Receipt) -> Included | Reverted:
    if receipt.succeeded:
        return Included(
            block_number=receipt.block_number,
            block_hash=receipt.block_hash,
            gas_used=receipt.gas_used,
            effective_gas_price_wei=receipt.effective_gas_price_wei,
            vault_profit_wei=receipt.vault_profit_wei,
            tip_wei=receipt.tip_wei,
            l1_fee_wei=receipt.l1_fee_wei,
            left_out=tuple(submission.positions[part] for part in receipt.failed_parts),
            carried=receipt.carried,
        )
    return Reverted(
        block_number=receipt.block_number,
        block_hash=receipt.block_hash,
        gas_used=receipt.gas_used,
        effective_gas_price_wei=receipt.effective_gas_price_wei,
        l1_fee_wei=receipt.l1_fee_wei,
    )
