"""A backtest as tables for one's own tools: CSV, one row for each liquidation, transaction and episode."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from keeper.backtest.ledger import Ledger
from keeper.backtest.score import Score
from keeper.domain.address import Address, checksum


def tables(ledger: Ledger, score: Score) -> Mapping[str, str]:
    """Return each table's text by its file's name. The same backtest, the same text."""
    return {
        "liquidations.csv": _csv(_LIQUIDATIONS, _liquidations(score)),
        "transactions.csv": _csv(_TRANSACTIONS, _transactions(ledger, score)),
        "episodes.csv": _csv(_EPISODES, _episodes(ledger)),
    }


_LIQUIDATIONS = (
    *("block", "transaction", "market", "borrower", "class", "detail", "late_by", "reason"),
    *("repaid_raw", "seized_raw", "winner", "winner_tip_wei", "own_block", "own_predicted_wei"),
)
_TRANSACTIONS = (
    *("decided_upon", "block", "index", "market", "borrower", "debt", "collateral", "repaid_raw"),
    *("close_factor_bps", "outcome", "counts_as", "gas_used", "tip_wei", "bid_wei"),
    *("predicted_wei", "realised_wei", "stood"),
)
_EPISODES = ("market", "borrower", "first_block", "last_block", "ending")


def _liquidations(score: Score) -> Iterable[Sequence[object]]:
    for one in score.verdicts:
        seen, flight = one.observed, one.flight
        yield (
            seen.block_number,
            f"0x{seen.transaction.hex()}",
            seen.position.market,
            checksum(seen.position.borrower),
            one.kind.value,
            one.detail,
            one.late_by or "",
            one.reason.value if one.reason else "",
            seen.repaid_raw,
            seen.seized_raw,
            checksum(Address(one.winner.sender)),
            one.winner.tip_wei,
            flight.block.number if flight and flight.block else "",
            flight.plan.waterfall.net_wei if flight else "",
        )


def _transactions(ledger: Ledger, score: Score) -> Iterable[Sequence[object]]:
    won = {flight.submission.hash for flight in score.won}
    extra = {flight.submission.hash for flight in score.extra}
    for flight in ledger.flights:
        draft = flight.plan.draft
        hash_ = flight.submission.hash
        yield (
            flight.head.number,
            flight.block.number if flight.block else "",
            flight.place.index if flight.place else "",
            draft.market,
            checksum(draft.borrower),
            *_each(close.repaid.token.symbol for close in draft.closes),
            *_each(close.seized.token.symbol for close in draft.closes),
            *_each(close.repaid.raw for close in draft.closes),
            *_each(close.close_factor_bps for close in draft.closes),
            type(flight.outcome).__name__.lower() if flight.outcome else "in flight",
            "won" if hash_ in won else "extra" if hash_ in extra else "",
            flight.ran.gas_used if flight.ran else "",
            flight.place.tip_wei if flight.place else "",
            flight.bid_wei,
            flight.plan.waterfall.net_wei,
            flight.realised_wei,
            score.footings.get(hash_, ""),
        )


def _each(values: Iterable[object]) -> tuple[object]:
    """Return one cell: a transaction's value, or those of its several closes, one after the other."""
    listed = tuple(values)
    return (listed[0] if len(listed) == 1 else " ".join(map(str, listed)),)


def _episodes(ledger: Ledger) -> Iterable[Sequence[object]]:
    for one in ledger.episodes:
        yield (
            one.position.market,
            checksum(one.position.borrower),
            one.first,
            one.last,
            one.ending.value,
        )


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
