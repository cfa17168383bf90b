"""Calibration: over blocks in which the keeper really ran, a backtest against what came of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keeper.backtest.landing import Flight
from keeper.backtest.score import Score
from keeper.domain.ledger import Watched
from keeper.domain.submission import Included, Outcome, Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Wins and profit: as the backtest has them, and as the ledger has. Profit is after gas and bids."""

    first: int
    last: int
    """The blocks of the backtest in which the keeper watched."""
    wins: int
    ledger_wins: int
    both: int
    """Positions that were won in either."""
    profit_wei: int
    ledger_profit_wei: int

    @property
    def wins_error(self) -> float:
        """Return how many more are won in the backtest, as a share of the ledger's; above 0 it flatters."""
        return (self.wins - self.ledger_wins) / max(self.ledger_wins, 1)

    @property
    def profit_error(self) -> float:
        """Return how much more is earned in the backtest, as a share of the ledger's."""
        return (self.profit_wei - self.ledger_profit_wei) / max(abs(self.ledger_profit_wei), 1)


def calibration(
    score: Score,
    journal: Iterable[tuple[Submission, Outcome | None]],
    watched: Iterable[Watched],
    *,
    first: int,
    last: int,
) -> Calibration | None:
    """Return how far a backtest of these blocks is off; None where the keeper watched none of them."""
    spans = [
        range(max(span.first_head, first), min(span.last_head, last) + 1) for span in watched if span.heads
    ]
    spans = [span for span in spans if len(span)]
    if not spans:
        return None

    def counts(block_number: int) -> bool:
        return any(block_number - 1 in span for span in spans)  # what is decided upon one lands in the next

    flown = [one for one in (*score.won, *score.extra) if one.block and counts(one.block.number)]
    landed = [
        (submission, outcome)
        for submission, outcome in journal
        if isinstance(outcome, Included) and counts(outcome.block_number)
    ]
    really = {position for submission, _ in landed for position in submission.positions}
    return Calibration(
        first=min(span.start for span in spans),
        last=max(span.stop for span in spans) - 1,
        wins=len(flown),
        ledger_wins=len(landed),
        both=len(really & {one.position for one in flown}),
        profit_wei=_profit_wei(flown),
        ledger_profit_wei=sum(outcome.realised_profit_wei for _, outcome in landed),
    )


def _profit_wei(flown: Sequence[Flight]) -> int:
    return sum(one.outcome.realised_profit_wei for one in flown if isinstance(one.outcome, Included))
