"""All submissions in flight of one key, by nonce. Pure: its owner does what it commands.

A nonce is held by its alternatives, of which at most one can be included. It *yields* where each of them is

- bound to a block that has gone by without it, or
- missing: it was looked for, and the node does not know it, or
- stuck: known, in no block for long, or past its deadline, when it can do nothing but cost gas.

A new submission is given the lowest nonce that is free or yields: so nonces are used in order, a gap is
filled first, and nothing waits behind what may be nowhere. What shares a nonce with something that may still
be in a pool pays enough more to replace it. Nothing is known of a transaction whose answer was lost until it
has been looked for: until then its nonce is held, and so is every higher one. One whose answer is still
awaited holds its own alone: so what is decided upon one head is sent side by side. Should it be refused,
those behind it wait in the pools until its nonce is given again, which it is first of all.

Whoever has a transaction that may still be included gets no other nonce than that one's: no borrower is
closed twice by mistake.

What has come to its outcome holds nothing, and is remembered for as long as that may be taken back: for some
blocks where a block decided it; and what expired until something known to us has used its nonce, because
whoever kept it may have it included until then. What is said to be in no block is looked for as long as its
nonce was used by nothing that is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Invariant
from keeper.domain.plan import Fees
from keeper.domain.position import PositionId
from keeper.domain.submission import (
    Expired,
    Included,
    Outcome,
    Purpose,
    Refusal,
    Refused,
    Reverted,
    Submission,
    Superseded,
    decided_at,
)
from keeper.submitter.machine import (
    Command,
    Concluded,
    Discarded,
    Done,
    Dropped,
    Event,
    Looked,
    Mined,
    Planned,
    ReopeningWritten,
    Sent,
    SignatureMade,
    Signed,
    Standing,
    State,
    step,
)
from keeper.submitter.recovery import recovered
from keeper.submitter.replacing import most

REMEMBERED_BLOCKS = 64
"""No chain takes back more: two epochs of Ethereum's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What of the chain decides whether a nonce yields."""

    head_number: int
    timestamp_s: int
    chain_nonce: int
    """How many transactions of the key are in the chain up to that head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A nonce that is set aside."""

    nonce: int
    over: Fees | None
    """The highest fees among those that it may have to replace; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """No nonce can be had now."""

    by: Submission
    why: str

    def __str__(self) -> str:
        return f"nonce {self.by.nonce} is held by 0x{self.by.hash.hex()}: {self.why}"


@dataclass(slots=True)
class _Slot:
    """One nonce."""

    planned: Planned | None = None
    alternatives: dict[Hash32, State] = field(default_factory=dict)


class Submitter:
    """The machines of all submissions that have not come to their end."""

    def __init__(self, *, patience_blocks: int = 3) -> None:
        """A transaction that is in no block after `patience_blocks` heads is stuck."""
        self._patience_blocks = patience_blocks
        self._slots: dict[int, _Slot] = {}
        self._done: dict[Hash32, Done] = {}
        """Whose outcome may be taken back."""
        self._used_at: dict[int, int] = {}
        """By nonce of what expired: the head at which it was first seen used."""
        self._underbid: dict[int, Fees] = {}
        """By nonce: the fees that were too low to replace what waits there."""

    def recover(
        self, intents: Iterable[Submission], concluded: Iterable[tuple[Submission, Outcome]] = ()
    ) -> None:
        """Take up what an earlier run left open, and remember what it concluded.

        Raises Invariant where something is in flight already.
        """
        if self._slots:
            raise Invariant("recovery comes before anything is planned")
        for nonce, states in recovered(intents).items():
            self._slots[nonce] = _Slot(alternatives=states)
        self._done = {one.hash: Done(submission=one, outcome=outcome) for one, outcome in concluded}

    # --- giving nonces --------------------------------------------------------------------------------------

    def plan(self, now: Now, *, positions: Collection[PositionId] = ()) -> Place | Held:
        """Return the nonce now set aside for a new submission, or what holds the one that it would need."""
        self._forget_used(now.chain_nonce)
        closing = [one for one in self._live(now) if not set(positions).isdisjoint(one.positions)]
        own = closing[0] if closing else None
        if own is not None and any(one.nonce != own.nonce for one in closing):
            return Held(by=closing[-1], why=f"it may still close one of these, and nonce {own.nonce} another")
        nonce = now.chain_nonce if own is None else own.nonce
        while (slot := self._slots.get(nonce)) is not None and (holder := self._holder(slot, now)):
            if own is not None:
                return Held(by=own, why="it may still close this borrower")
            if isinstance(holder, Sent) and holder.standing is Standing.IN_DOUBT:
                return Held(by=holder.submission, why="it is in doubt until the chain tells")
            nonce += 1
        slot = self._slots.setdefault(nonce, _Slot())
        slot.planned = Planned()
        return Place(nonce=nonce, over=self._to_outbid(nonce, slot, now))

    def sequence(self, now: Now, positions: Sequence[PositionId]) -> tuple[PositionId, ...]:
        """Return positions in the order in which what closes them would run, which is that of the nonces.

        Whom a transaction may still close keeps its nonce; the others get those that are free, in this order.
        """
        closing = {position: one.nonce for one in self._live(now) for position in one.positions}
        kept = {position: closing[position] for position in positions if position in closing}
        free = (nonce for nonce in count(now.chain_nonce) if nonce not in kept.values())
        free = (nonce for nonce in free if not self._is_held(nonce, now))
        nonces = {one: kept[one] if one in kept else next(free) for one in positions}
        return tuple(sorted(positions, key=nonces.__getitem__))

    def take(self, nonce: int) -> Place:
        """Set aside this very nonce, whatever holds it: for a cancellation.

        Raises Invariant where it is set aside already.
        """
        slot = self._slots.setdefault(nonce, _Slot())
        if slot.planned is not None:
            raise Invariant(f"nonce {nonce} is set aside already")
        slot.planned = Planned()
        known = [state.submission.fees for state in slot.alternatives.values() if isinstance(state, Sent)]
        known += [self._underbid[nonce]] if nonce in self._underbid else []
        return Place(nonce=nonce, over=most(known))

    def beside(self, submission: Submission) -> Place:
        """Set aside the nonce of a submission once more, for one to be offered beside it, not in its place.

        Raises Invariant where it is set aside already.
        """
        return replace(self.take(submission.nonce), over=None)

    def discard(self, nonce: int) -> None:
        """Give back a nonce that was set aside and not signed with."""
        slot = self._slots[nonce]
        if slot.planned is None:
            raise Invariant(f"nonce {nonce} is not set aside")
        step(slot.planned, Dropped())
        slot.planned = None
        self._close(nonce)

    def sign(self, submission: Submission) -> tuple[Command, ...]:
        """Give the nonce that was set aside to what was signed with it; return what is to be done now."""
        slot = self._slots.get(submission.nonce)
        if slot is None or slot.planned is None:
            raise Invariant(f"nonce {submission.nonce} is not set aside")
        if submission.hash in slot.alternatives:
            raise Invariant(f"0x{submission.hash.hex()} is in flight already")
        state, commands = step(slot.planned, SignatureMade(submission=submission))
        slot.planned = None
        slot.alternatives[submission.hash] = state
        self._done.pop(submission.hash, None)  # what was refused is sent again, to the byte
        return commands

    def tell(self, submission: Submission, event: Event) -> tuple[Command, ...]:
        """Move this submission, and return what is to be done now.

        An answer that comes after it ended is passed over, whoever holds its nonce by then.
        """
        if not self.holds(submission):
            return self._tell_done(submission, event)
        slot = self._slots[submission.nonce]
        state, commands = step(slot.alternatives[submission.hash], event)
        if isinstance(event, Refused) and event.kind is Refusal.REPLACEMENT_UNDERPRICED:
            self._underbid[submission.nonce] = submission.fees
        if isinstance(state, Done | Discarded):
            del slot.alternatives[submission.hash]
            self._close(submission.nonce)
            if isinstance(state, Done):
                self._done[submission.hash] = state
        else:
            slot.alternatives[submission.hash] = state
        return commands

    def _tell_done(self, submission: Submission, event: Event) -> tuple[Command, ...]:
        """Move what came to its outcome: nothing but the chain can."""
        done = self._done.get(submission.hash)
        if done is None or not isinstance(event, Looked | ReopeningWritten):
            return ()
        state, commands = step(done, event)
        if not isinstance(state, Done):
            del self._done[submission.hash]
            self._slots.setdefault(submission.nonce, _Slot()).alternatives[submission.hash] = state
        return commands

    def before(self, submission: Submission) -> tuple[bytes, ...]:
        """Return what must be included before a submission for one block: raw, of the lower nonces.

        Of several sizes of one plan it is the largest. None where it may be in any block: then each waits for
        the one before it in the pool.
        """
        if submission.target_block is None:
            return ()
        found: list[bytes] = []
        for nonce, slot in sorted(self._slots.items()):
            offered = [
                state.submission
                for state in slot.alternatives.values()
                if isinstance(state, Sent) and state.submission.target_block == submission.target_block
            ]
            if nonce < submission.nonce and offered:
                latest = min(reversed(offered), key=lambda one: one.rung)
                found.append(latest.transaction.raw)
        return tuple(found)

    # --- what is in flight ----------------------------------------------------------------------------------

    def holds(self, submission: Submission) -> bool:
        """Return whether this very submission has not come to its end."""
        return self.knows(submission.nonce, submission.hash)

    def knows(self, nonce: int, hash_: Hash32) -> bool:
        """Return whether a transaction of that nonce and hash is in flight."""
        slot = self._slots.get(nonce)
        return slot is not None and hash_ in slot.alternatives

    @property
    def states(self) -> Mapping[int, tuple[State, ...]]:
        """Return the states of each nonce that is held."""
        return {
            nonce: (*((slot.planned,) if slot.planned else ()), *slot.alternatives.values())
            for nonce, slot in sorted(self._slots.items())
        }

    def waiting(self) -> tuple[Submission, ...]:
        """Return the submissions to look at on the chain, by nonce."""
        return tuple(
            state.submission for state in self._states() if isinstance(state, Sent | Mined | Concluded)
        )

    def may_land_after_all(self, now: Now) -> bool:
        """Return whether something that is said to be in no block may be in one, some day or already."""
        return bool(self.doubted(now, left_branch=False)) or any(
            isinstance(one.outcome, Expired) and one.submission.nonce >= now.chain_nonce
            for one in self._done.values()
        )

    def doubted(self, now: Now, *, left_branch: bool) -> tuple[Submission, ...]:
        """Return what came to an outcome that may no longer stand.

        That is what is said to be in no block, where its nonce was used and by nothing known: a node may take
        long to show what used it. And where a branch was left, whatever was decided in its blocks.
        """
        used = {
            state.submission.nonce
            for state in (*self._states(), *self._done.values())
            if isinstance(state, Mined)
            or (isinstance(state, Concluded | Done) and isinstance(state.outcome, Included | Reverted))
        }
        return tuple(
            done.submission
            for done in self._done.values()
            if (left_branch and not isinstance(done.outcome, Expired))
            or (
                isinstance(done.outcome, Expired | Superseded)
                and done.submission.nonce < now.chain_nonce
                and done.submission.nonce not in used
            )
        )

    def forget(self, now: Now) -> None:
        """Forget what nothing takes back any more."""
        ghosts = {done.submission.nonce for done in self._done.values() if isinstance(done.outcome, Expired)}
        used = {nonce for nonce in ghosts if nonce < now.chain_nonce}
        self._used_at = {nonce: self._used_at.get(nonce, now.head_number) for nonce in used}

        def since(done: Done) -> int:
            if isinstance(done.outcome, Expired):
                return self._used_at.get(done.submission.nonce, now.head_number)
            return decided_at(done.outcome)

        self._done = {
            hash_: done
            for hash_, done in self._done.items()
            if since(done) + REMEMBERED_BLOCKS >= now.head_number
        }

    def in_flight(self, now: Now) -> tuple[Submission, ...]:
        """Return the liquidations that hold their nonce and may still change the state that is read."""
        return tuple(
            state.submission
            for state in self._states()
            if (isinstance(state, Signed) or (isinstance(state, Sent) and not self._yields(state, now)))
            and state.submission.purpose is Purpose.LIQUIDATION
        )

    def positions_in_flight(self, now: Now) -> dict[PositionId, frozenset[Address]]:
        """Return every position that one of those in flight closes, and the pools that it counts on."""
        found: dict[PositionId, frozenset[Address]] = {}
        for one in self.in_flight(now):
            for position in one.positions:
                found[position] = found.get(position, frozenset()) | one.pools
        return found

    def to_cancel(self, now: Now) -> tuple[Submission, ...]:
        """Return, of each nonce that nothing useful can come of any more, what holds it.

        That is in a pool past its deadline: the executor would refuse it, and that costs gas. A
        cancellation that is stuck itself is to be replaced once it is the next one to be included.
        """
        found: list[Submission] = []
        for nonce, slot in sorted(self._slots.items()):
            waiting = [state for state in slot.alternatives.values() if isinstance(state, Sent)]
            if slot.planned is not None or len(waiting) < len(slot.alternatives) or nonce < now.chain_nonce:
                continue
            known = [
                one for one in waiting if one.standing is Standing.TAKEN and not one.submission.is_private
            ]
            cancelling = [one for one in known if one.submission.purpose is Purpose.CANCELLATION]
            useless = all(one.submission.deadline_s < now.timestamp_s for one in waiting)
            if cancelling:
                stuck = nonce == now.chain_nonce and all(self._yields(one, now) for one in waiting)
                found += [cancelling[-1].submission] if stuck else []
            elif known and useless:
                found.append(known[-1].submission)
        return tuple(found)

    def gaps(self, now: Now) -> tuple[int, ...]:
        """Return the nonces that nobody has, below one that waits in the public pools: it waits for them."""
        waiting = [
            state.submission.nonce
            for state in self._states()
            if isinstance(state, Sent)
            and state.standing is Standing.TAKEN
            and not state.submission.is_private
            and state.submission.target_block is None
        ]
        below = range(now.chain_nonce, max(waiting, default=0))
        return tuple(nonce for nonce in below if nonce not in self._slots)

    # --- how it is found out --------------------------------------------------------------------------------

    def _states(self) -> Iterator[State]:
        for _, slot in sorted(self._slots.items()):
            yield from slot.alternatives.values()

    def _is_held(self, nonce: int, now: Now) -> bool:
        slot = self._slots.get(nonce)
        return slot is not None and self._holder(slot, now) is not None

    def _holder(self, slot: _Slot, now: Now) -> State | None:
        """Return what keeps this nonce from being given, None where nothing does."""
        holding = [state for state in slot.alternatives.values() if not self._yields(state, now)]
        doubtful = (s for s in holding if isinstance(s, Sent) and s.standing is not Standing.TAKEN)
        return slot.planned or next(doubtful, None) or next(iter(holding), None)

    def _yields(self, state: State, now: Now) -> bool:
        """Return whether another may be sent with the nonce of a submission in this state."""
        if not isinstance(state, Sent):
            return False
        one = state.submission
        if now.chain_nonce > one.nonce:  # it is in the chain by now, or nevermore
            return True
        if one.target_block is not None:
            return now.head_number >= one.target_block
        if state.standing is Standing.TAKEN:
            waited = now.head_number - one.head_number
            return waited >= self._patience_blocks or one.deadline_s < now.timestamp_s
        return state.standing is Standing.MISSING

    def _live(self, now: Now) -> Iterator[Submission]:
        """Return the liquidations that may be included in a block after the head."""
        for state in self._states():
            if isinstance(state, Sent | Signed) and state.submission.purpose is Purpose.LIQUIDATION:
                one = state.submission
                gone_by = one.target_block is not None and one.target_block <= now.head_number
                if one.nonce >= now.chain_nonce and one.deadline_s >= now.timestamp_s and not gone_by:
                    yield one

    def _to_outbid(self, nonce: int, slot: _Slot, now: Now) -> Fees | None:
        pooled = [
            state.submission.fees
            for state in slot.alternatives.values()
            if isinstance(state, Sent) and state.submission.target_block is None
        ]
        return most([*pooled, *([self._underbid[nonce]] if nonce in self._underbid else [])])

    def _close(self, nonce: int) -> None:
        slot = self._slots[nonce]
        if slot.planned is None and not slot.alternatives:
            del self._slots[nonce]

    def _forget_used(self, chain_nonce: int) -> None:
        for nonce in [one for one in self._underbid if one < chain_nonce]:
            del self._underbid[nonce]
