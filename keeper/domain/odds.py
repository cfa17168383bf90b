"""How likely a race is won: by how others through the same channels came out, and pessimistic at first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

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
    won: tuple[bool, ...] = ()
    """The last ones, the newest last."""

    @property
    def chance(self) -> Fraction:
        """Return how likely the next one is won."""
        return Fraction(sum(self.won) + _BELIEVED_WON, len(self.won) + _BELIEVED_RUN)

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
        return replace(self, won=(*self.won, isinstance(outcome, Included))[-_REMEMBERED:])

    def after_all(self, submissions: Iterable[tuple[Submission, Outcome | None]]) -> Odds:
        """Return the odds after these, oldest first."""
        odds = self
        for submission, outcome in submissions:
            odds = odds.after(submission, outcome)
        return odds
