"""Braking: the brakes over a journal and a kill file, as the engine asks them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from keeper.domain.brake import Landed, Resumed, Tripped
from keeper.domain.declined import Declined, Reason
from keeper.domain.errors import Unavailable
from keeper.domain.events import Braked, Concluded, Degraded, Listener, Released, Reopened, Settled
from keeper.domain.position import PositionId
from keeper.domain.submission import Included, Purpose, Reverted
from keeper.store.journal import SqliteJournal
from keeper.submitter.brakes import Brakes, Limits


class Braking:
    """A :class:`keeper.ports.Guard`. What it knows is in the journal: a restart takes it up again."""

    def __init__(
        self,
        *,
        limits: Limits,
        max_in_flight: int | None,
        kill_file: Path,
        journal: SqliteJournal,
        listen: Listener,
        clock: Callable[[], float],
    ) -> None:
        """Take up what the journal has. Raises Unavailable where it can't be read."""
        self._max_in_flight = max_in_flight
        self._kill_file = kill_file
        self._journal = journal
        self._listen = listen
        self._clock = clock
        self._told = ""
        self._limits = limits
        self._brakes = Brakes(limits)
        self._turns = 0
        self._take_up()

    # --- the port -------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Find out whether anything is to be sent at all, and tell where that has changed."""
        why = self._why_held()
        if why and why != self._told:
            self._listen(Braked(why=why))
        if self._told and not why:
            self._listen(Released())
        self._told = why

    def backing_off(self, position: PositionId) -> Declined | None:
        """Return for how long a position whose plan failed on the chain is left alone still, or None."""
        return self._brakes.backing_off(position, self._now_s())

    def refuses(self, *, in_flight: int) -> Declined | None:
        """Return why no further plan is sent now, where so many are on their way; or None."""
        if why := self._why_held():
            return Declined(reason=Reason.HELD, detail=why)
        if self._max_in_flight is not None and in_flight >= self._max_in_flight:
            return Declined(
                reason=Reason.TOO_MANY, detail=f"{in_flight} are on their way, the most that may be"
            )
        return None

    def settled(self, settled: Sequence[Settled]) -> None:
        """Count what landed, and write down the brake that comes on by it.

        Where an outcome stands no longer, all is counted anew, by the journal, which has everything of this.
        """
        if not any(isinstance(one, Reopened) for one in settled) or not self.count_anew():
            for one in settled:
                if isinstance(one, Concluded):
                    self._count(one)

    def count_anew(self) -> bool:
        """Count what the journal has, and that alone; return whether it can be read. What is on stays on."""
        try:
            self._take_up()
        except Unavailable as error:  # too much is counted rather than too little
            self._listen(Degraded(what="the brakes count what stands no longer", why=str(error)))
            return False
        self.look()
        return True

    def _take_up(self) -> None:
        """Count what the journal has. Raises Unavailable where it can't be read."""
        turns, now_s = self._journal.turns(), self._now_s()
        anew, on = brakes_of(self._journal, self._limits), self._brakes.on(now_s)
        released = any(isinstance(turn, Resumed) for turn in turns[self._turns :])
        if on is not None and not released and anew.on(now_s) is None:  # it could not be written down
            anew.rebuild([on])
        self._brakes, self._turns = anew, len(turns)
        tripped = anew.on(now_s)
        if tripped is not None and tripped not in turns:  # a limit was lowered, or the disk was full
            self._write_down(tripped)

    def _count(self, concluded: Concluded) -> None:
        outcome = concluded.outcome
        if not isinstance(outcome, Included | Reverted):
            return  # it cost nothing
        submission = concluded.submission
        tripped = self._brakes.land(
            Landed(
                at_s=self._now_s(),
                positions=submission.positions,
                reverted=isinstance(outcome, Reverted),
                gas_wei=outcome.gas_wei + outcome.l1_fee_wei,
                profit_wei=outcome.realised_profit_wei,
                left_out=outcome.left_out if isinstance(outcome, Included) else (),
                is_liquidation=submission.purpose is Purpose.LIQUIDATION,
            )
        )
        if tripped is None:
            return
        self.look()
        self._write_down(tripped)

    def _write_down(self, tripped: Tripped) -> None:
        """Let `keeper resume` and the report know, whatever limits they are given."""
        try:
            self._journal.braked(tripped)
            self._turns += 1
        except Unavailable as error:  # it is on all the same, and a restart finds what it came on by
            self._listen(Degraded(what="a brake can't be written down", why=str(error)))

    # --- whether anything is sent ---------------------------------------------------------------------------

    def _why_held(self) -> str:
        if self._kill_file.exists():
            return f"the kill file {self._kill_file} is there"
        if self._brakes.on(self._now_s()) is not None:
            self._hear_releases()
        tripped = self._brakes.on(self._now_s())
        return "" if tripped is None else f"{tripped}; `keeper resume` releases it"

    def _hear_releases(self) -> None:
        """Take in what `keeper resume`, a process of its own, has written meanwhile."""
        try:
            turns = self._journal.turns()
        except Unavailable:  # it stays on until the journal can be read
            return
        for turn in turns[self._turns :]:
            if isinstance(turn, Resumed):
                self._brakes.resume()
        self._turns = len(turns)

    def _now_s(self) -> int:
        return int(self._clock())


def brakes_of(journal: SqliteJournal, limits: Limits) -> Brakes:
    """Return the brakes as a journal has left them. Raises Unavailable where it can't be read."""
    brakes = Brakes(limits)
    brakes.rebuild(journal.braking())
    return brakes
