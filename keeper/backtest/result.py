"""One backtest, done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.backtest.inclusion import Model
from keeper.backtest.ledger import Ledger
from keeper.backtest.score import Score
from keeper.domain.address import Address
from keeper.domain.odds import Odds


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a pass over past blocks brought, and what was supposed."""

    chain_id: int
    ledger: Ledger
    score: Score
    model: Model
    odds: Odds
    """Those of its races, as they were known at the end."""
    journal: tuple[str, ...]
    symbols: Mapping[Address, str]
    """Names of the markets' tokens."""
    failed_reads: int
    """How often an endpoint left a question open, as long as it was asked."""
    seconds: float
    """How long it took. No part of what is told of the past: a replay is the same in all but this."""
