"""All submissions in flight of one key, at most one for each nonce. Pure: its owner does what it commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from keeper.domain.address import Address
from keeper.domain.errors import Invariant
from keeper.domain.submission import Submission
from keeper.submitter.machine import (
    Command,
    Concluded,
    Discarded,
    Done,
    Dropped,
    Event,
    Mined,
    Planned,
    Sent,
    SignatureMade,
    Signed,
    Standing,
    State,
    step,
)
from keeper.submitter.nonces import next_nonce
from keeper.submitter.recovery import recovered


class Submitter:
    """The machines of all submissions that have not come to their end, by nonce."""

    def __init__(self) -> None:
        self._states: dict[int, State] = {}

    def recover(self, intents: Iterable[Submission]) -> None:
        """Take up what an earlier run left open. Raises Invariant where something is in flight already."""
        if self._states:
            raise Invariant("recovery comes before anything is planned")
        self._states.update(recovered(intents))

    def plan(self, *, chain_nonce: int) -> int | None:
        """Return the nonce now set aside for a new submission; None while a lower one is in doubt.

        Behind a transaction that may be nowhere another one would wait without end.
        """
        if self.in_doubt():
            return None
        nonce = next_nonce(chain_nonce=chain_nonce, held=self._states.keys())
        self._states[nonce] = Planned()
        return nonce

    def sign(self, submission: Submission) -> tuple[Command, ...]:
        """Give the nonce that was set aside to what was signed with it; return what is to be done now."""
        return self._move(submission.nonce, SignatureMade(submission=submission))

    def discard(self, nonce: int) -> None:
        """Give back a nonce that was set aside and not signed with."""
        self._move(nonce, Dropped())

    def tell(self, submission: Submission, event: Event) -> tuple[Command, ...]:
        """Move this submission, and return what is to be done now.

        An answer that comes after it ended is passed over, whoever holds its nonce by then.
        """
        return self._move(submission.nonce, event) if self.holds(submission) else ()

    def holds(self, submission: Submission) -> bool:
        """Return whether this very submission has not come to its end."""
        state = self._states.get(submission.nonce)
        return (
            isinstance(state, Signed | Sent | Mined | Concluded) and state.submission.hash == submission.hash
        )

    @property
    def states(self) -> Mapping[int, State]:
        """Return the state of each nonce that is held."""
        return self._states

    def waiting(self) -> tuple[Submission, ...]:
        """Return the submissions to look at on the chain, by nonce."""
        return tuple(
            state.submission
            for _, state in sorted(self._states.items())
            if isinstance(state, Sent | Mined | Concluded)
        )

    def in_flight(self) -> tuple[Submission, ...]:
        """Return the submissions that may still change the state that a decision reads."""
        return tuple(state.submission for state in self._states.values() if isinstance(state, Signed | Sent))

    def in_doubt(self) -> tuple[Submission, ...]:
        """Return the submissions of which nobody knows whether they are on their way."""
        return tuple(
            state.submission
            for state in self._states.values()
            if isinstance(state, Sent) and state.standing is Standing.IN_DOUBT
        )

    def stuck(self, *, at_s: int) -> tuple[Submission, ...]:
        """Return the submissions that are known, in no block, and past their deadline at the time `at_s`.

        They can do nothing any more but cost gas; their nonces are held until each is in a block or replaced.
        """
        return tuple(
            state.submission
            for state in self._states.values()
            if isinstance(state, Sent)
            and state.standing is not Standing.IN_DOUBT
            and state.submission.deadline_s < at_s
        )

    def pools(self) -> frozenset[Address]:
        """Return the pools whose depth is spoken for."""
        return frozenset(pool for submission in self.in_flight() for pool in submission.pools)

    def _move(self, nonce: int, event: Event) -> tuple[Command, ...]:
        if nonce not in self._states:
            raise Invariant(f"nonce {nonce} is not held")
        state, commands = step(self._states[nonce], event)
        if isinstance(state, Done | Discarded):
            del self._states[nonce]
        else:
            self._states[nonce] = state
        return commands
