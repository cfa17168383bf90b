"""`keeper report`: what the journal knows, gathered. Needs no endpoint, and reads while a keeper runs."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from keeper.config import Settings
from keeper.domain.address import Address
from keeper.domain.carriage import Carry
from keeper.domain.errors import ConfigError
from keeper.domain.ledger import Entry, Part, Watched, total
from keeper.domain.race import Race
from keeper.domain.report import CarriedRow, IdleReport, LedgerReport, LedgerRow, LostReport, LostRow
from keeper.domain.submission import Included, Reverted
from keeper.domain.token import TokenAmount
from keeper.store.journal import SqliteJournal


def ledger(settings: Settings, *, since_s: int) -> LedgerReport:
    """Return predicted against realised: each transaction, and summed up by day and by protocol."""
    with _journal(settings) as journal:
        entries = journal.entries(since_s=since_s)
    landed = [
        (entry, part) for entry in entries for part in entry.parts if part.became in ("included", "reverted")
    ]
    return LedgerReport(
        since_s=since_s,
        entries=entries,
        days=_rows(landed, lambda entry, _: f"{datetime.fromtimestamp(entry.at_s, UTC):%Y-%m-%d}"),
        protocols=_rows(landed, lambda _, part: part.protocol),
        total=_row("in all", landed),
        carried=_carried(entry.carried for entry in entries),
    )


def lost(settings: Settings, *, since_s: int) -> LostReport:
    """Return the races that others won, and why, the most frequent reason first."""
    with _journal(settings) as journal:
        races = journal.races(since_s=since_s)
    verdicts = {race.verdict for race in races}
    rows = [_lost_row(verdict, [race for race in races if race.verdict == verdict]) for verdict in verdicts]
    return LostReport(
        since_s=since_s, races=races, rows=tuple(sorted(rows, key=lambda row: (-row.races, row.verdict)))
    )


def idle(settings: Settings, *, since_s: int) -> IdleReport:
    """Return how much was watched, and why nothing more came of it."""
    with _journal(settings) as journal:
        spans = journal.spans(since_s=since_s)
        declined = journal.declined_counts(since_s=since_s)
        entries = journal.entries(since_s=since_s)
        turns = [turn for turn in journal.turns() if turn.at_s >= since_s]
    return IdleReport(
        since_s=since_s,
        watched=_summed(spans),
        declined=tuple(sorted(declined.items(), key=lambda item: -item[1])),
        included=sum(isinstance(entry.outcome, Included) for entry in entries),
        turns=tuple(turns),
    )


# --- the journal --------------------------------------------------------------------------------------------


def _journal(settings: Settings) -> SqliteJournal:
    """Return the journal: of the chain that is configured, or the only one there is."""
    if settings.chain_id is not None:
        path, chain_id = settings.journal(settings.chain_id), settings.chain_id
        if not path.exists():
            raise ConfigError(
                f"KEEPER_STATE_DIR: there is no journal {path}: nothing was sent or watched yet"
            )
        return SqliteJournal.open(path, chain_id=chain_id)
    found = {
        int(path.stem.removeprefix("journal-")): path
        for path in sorted(settings.state_dir.glob("journal-*.sqlite"))
        if path.stem.removeprefix("journal-").isdecimal()
    }
    if not found:
        raise ConfigError(
            f"KEEPER_STATE_DIR: there is no journal in {settings.state_dir}: nothing was sent or watched yet"
        )
    if len(found) > 1:
        chains = ", ".join(map(str, found))
        raise ConfigError(f"KEEPER_CHAIN_ID: is needed here, as there are journals of the chains {chains}")
    ((chain_id, path),) = found.items()
    return SqliteJournal.open(path, chain_id=chain_id)


_Landed: TypeAlias = tuple[Entry, Part]


# --- sums ---------------------------------------------------------------------------------------------------


def _rows(landed: Sequence[_Landed], key: Callable[[Entry, Part], str]) -> tuple[LedgerRow, ...]:
    names = sorted({key(*one) for one in landed})
    return tuple(_row(name, [one for one in landed if key(*one) == name]) for name in names)


def _row(name: str, landed: Sequence[_Landed]) -> LedgerRow:
    included = [part for _, part in landed if part.became == "included"]
    return LedgerRow(
        name=name,
        included=len(included),
        reverted=len(landed) - len(included),
        predicted=total(part.predicted for part in included),
        realised=total(part.realised for _, part in landed),
    )


def _carried(carries: Iterable[Carry | None]) -> tuple[CarriedRow, ...]:
    """Return what was carried, summed up by what was spent on what."""
    by_tokens: dict[tuple[Address, Address], list[Carry]] = {}
    for one in carries:
        if one is not None:
            tokens = one.paid.token.address, one.received.token.address
            by_tokens.setdefault(tokens, []).append(one)
    return tuple(
        CarriedRow(
            times=len(ones),
            paid=TokenAmount(token=ones[0].paid.token, raw=sum(one.paid.raw for one in ones)),
            received=TokenAmount(token=ones[0].received.token, raw=sum(one.received.raw for one in ones)),
            paid_wei=sum(one.paid_wei for one in ones),
            booked_wei=sum(one.booked_wei for one in ones),
        )
        for ones in by_tokens.values()
    )


def _lost_row(verdict: str, races: Sequence[Race]) -> LostRow:
    ahead_ms = sorted(race.ms_ahead for race in races if race.ms_ahead is not None)
    outbid_wei = sorted(race.outbid_by_wei for race in races)
    return LostRow(
        verdict=verdict,
        races=len(races),
        median_ms_ahead=ahead_ms[len(ahead_ms) // 2] if ahead_ms else None,
        median_outbid_by_wei=outbid_wei[len(outbid_wei) // 2],
        foregone_wei=sum(race.sighting.net_wei for race in races if race.sighting is not None),
        winners_gas_wei=sum(race.winner.gas_wei for race in races),
    )


def _summed(spans: Iterable[Watched]) -> Watched:
    spans = tuple(spans)
    if not spans:
        return Watched(at_s=0)
    return Watched(
        at_s=spans[0].at_s,
        heads=sum(span.heads for span in spans),
        first_head=spans[0].first_head,
        last_head=spans[-1].last_head,
        borrowers=spans[-1].borrowers,
        most_unhealthy=max(span.most_unhealthy for span in spans),
        nearly=spans[-1].nearly,
        planned=sum(span.planned for span in spans),
        declined=sum(span.declined for span in spans),
        sent=sum(span.sent for span in spans),
        overtaken=sum(span.overtaken for span in spans),
        degraded=sum(span.degraded for span in spans),
    )


# --- for a spreadsheet --------------------------------------------------------------------------------------


def write_csv(report: LedgerReport, path: Path) -> None:
    """Write a line for each liquidation, amounts in wei. Raises ConfigError where the file can't be."""
    parts = ("bonus", "price_impact", "flash_fee", "bid", "gas", "l1_fee", "net")
    columns = ["at", "market", "borrower", "transaction", "outcome", "block"]
    columns += [f"{kind}_{part}_wei" for kind in ("predicted", "realised") for part in parts]
    columns += ["carried", "carried_raw", "carried_for", "carried_for_raw", "carried_booked_wei"]
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(_csv_row(entry, part, parts) for entry in report.entries for part in entry.parts)
    except OSError as error:
        raise ConfigError(f"--csv: can't write {path}: {error.strerror}") from None


def _csv_row(entry: Entry, part: Part, columns: Sequence[str]) -> list[object]:
    outcome = entry.outcome
    return [
        datetime.fromtimestamp(entry.at_s, UTC).isoformat(),
        part.position.market,
        f"0x{part.position.borrower.hex()}",
        f"0x{entry.transaction.hex()}",
        part.became,
        outcome.block_number if isinstance(outcome, Included | Reverted) else "",
        *(getattr(split, f"{one}_wei") for split in (part.predicted, part.realised) for one in columns),
        *_csv_carried(entry.carried if part.position == entry.positions[0] else None),
    ]


def _csv_carried(carry: Carry | None) -> tuple[object, ...]:
    if carry is None:
        return ("",) * 5
    received, paid = carry.received, carry.paid
    return (received.token.symbol, received.raw, paid.token.symbol, paid.raw, carry.booked_wei)
