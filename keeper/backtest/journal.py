"""The journal of a backtest: lines of JSON, the same for the same past and settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from keeper.domain.address import Address
from keeper.domain.declined import Reason
from keeper.domain.errors import Invariant
from keeper.domain.head import Head
from keeper.domain.plan import Draft
from keeper.domain.submission import Outcome, Submission
from keeper.render.as_json import as_json


class LinesJournal:
    """A :class:`keeper.ports.Journal` in memory. It has no earlier run, and no clock."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def predicted(self, head: Head, drafts: Sequence[Draft]) -> None:
        """Keep what was predicted."""
        self._add("predicted", head=head.number, drafts=as_json(tuple(drafts)))

    def declined(self, head: Head, counts: Mapping[Reason, int]) -> None:
        """Keep how many were left alone, and why."""
        self._add(
            "declined", head=head.number, counts={reason.value: counts[reason] for reason in sorted(counts)}
        )

    def intended(self, submission: Submission) -> None:
        """Keep what is about to be sent."""
        self._add("intended", submission=as_json(submission))

    def concluded(self, submission: Submission, outcome: Outcome) -> None:
        """Keep what became of it."""
        self._add("concluded", hash="0x" + submission.hash.hex(), outcome=as_json(outcome))

    def reopened(self, submission: Submission) -> None:
        """Raise Invariant: what is past is not taken back."""
        raise Invariant(f"a backtest took back what became of 0x{submission.hash.hex()}")

    def unconcluded(self, operator: Address) -> tuple[Submission, ...]:
        """Return nothing: a backtest begins with nothing in flight."""
        return ()

    def revisable(self, operator: Address, *, from_block: int) -> tuple[tuple[Submission, Outcome], ...]:
        """Return nothing, for the same reason."""
        return ()

    def _add(self, kind: str, **told: object) -> None:
        self.lines.append(json.dumps({"kind": kind, **told}, separators=(",", ":"), sort_keys=True))
