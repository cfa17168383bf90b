"""How likely a race is won: by how others through the same channels came out, and pessimistic at first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from keeper.domain.address import Hash32
from keeper.domain.submission import Included, Outcome, Purpose, Submission, Superseded

_REMEMBERED = 100
"""Races: rivals come and go, so older ones tell nothing."""
_BELIEVED_WON, _BELIEVED_RUN = 1, 5
"""What is believed before anything is known: as if one of five had been won."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """The races through some channels, and whether one that is lost costs anything there."""

    channels: tuple[str, ...]
    reverts_land: bool
    """Whether a transaction that does not succeed may land, and costs its gas."""
    races: tuple[tuple[Hash32, bool], ...] = ()
    """The last ones by their transactions, the newest last, and whether each was won."""

    @property
    def chance(self) -> Fraction:
        """Return how likely the next one is won."""
        return Fraction(sum(won for _, won in self.races) + _BELIEVED_WON, len(self.races) + _BELIEVED_RUN)

    def after(self, submission: Submission, outcome: Outcome | None) -> Odds:
        """Return the odds after one more. What went another way, or was replaced, tells nothing.

        Nor does a smaller size that did not land: it lost the plan's own race once more.
        """
        if (
            outcome is None
            or isinstance(outcome, Superseded)
            or submission.purpose is not Purpose.LIQUIDATION
            or submission.channels != self.channels
            or (submission.rung and not isinstance(outcome, Included))
        ):
            return self
        race = (submission.hash, isinstance(outcome, Included))
        return replace(self, races=(*self.races, race)[-_REMEMBERED:])

    def without(self, submission: Submission) -> Odds:
        """Return the odds as if this one's race were not over: the chain took its outcome back."""
        return replace(self, races=tuple(race for race in self.races if race[0] != submission.hash))

    def after_all(self, submissions: Iterable[tuple[Submission, Outcome | None]]) -> Odds:
        """Return the odds after these, oldest first."""
        odds = self
        for submission, outcome in submissions:
            odds = odds.after(submission, outcome)
        return odds
