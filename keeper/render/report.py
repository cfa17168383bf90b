"""`keeper report`: the ledger, the lost races and why it was idle, as tables."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from keeper.domain.brake import Tripped
from keeper.domain.report import IdleReport, LedgerReport, LedgerRow, LostReport
from keeper.render.figures import gwei, native, short, short_hash

_SHOWN = 20


def ledger_view(report: LedgerReport) -> RenderableType:
    """Return the ledger: the last liquidations, then the sums."""
    if not report.entries:
        return Text(f"nothing was sent since {_time(report.since_s)}; `keeper report --idle` tells why")
    each = _table("when", "borrower", "transaction", "outcome", "predicted", "realised")
    parts = [(entry, part) for entry in report.entries for part in entry.parts]
    for entry, part in parts[-_SHOWN:]:
        each.add_row(
            _time(entry.at_s),
            short(part.position.borrower),
            short_hash(entry.transaction),
            Text(part.became, "green" if part.became == "included" else "yellow"),
            native(part.predicted.net_wei),
            native(part.realised.net_wei) if part.became in ("included", "reverted") else "",
        )
    sums = _table("", "included", "reverted", "predicted", "realised")
    for row in (*report.days, *report.protocols, report.total):
        sums.add_row(
            row.name,
            f"{row.included:,}",
            f"{row.reverted:,}",
            native(row.predicted.net_wei),
            native(row.realised.net_wei),
        )
    since = Text(f"since {_time(report.since_s)}, in the native coin\n")
    formula = Text(
        "net = bonus − price impact − flash fee − bid − gas − L1 fee\n"
        "what is predicted of the L1 fee stands within the gas",
        "dim",
    )
    return Group(since, each, Text(), sums, Text(), _split(report.total), formula, *_carried(report))


def _carried(report: LedgerReport) -> tuple[RenderableType, ...]:
    """Return what the vault paid and kept; nothing where it did not."""
    if not report.carried:
        return ()
    table = _table("carried", "times", "paid", "cost", "booked at")
    for row in report.carried:
        table.add_row(
            str(row.received),
            f"{row.times:,}",
            str(row.paid),
            native(row.paid_wei),
            native(row.booked_wei),
        )
    legend = Text(
        "what the vault paid for and keeps until its owner redeems it: in no profit and no loss above,\n"
        "booked as it was carried, at the lower of the oracle's price and of what pools gave for it",
        "dim",
    )
    return Text(), table, legend


def lost_view(report: LostReport) -> RenderableType:
    """Return why others were first: summed up, then the last of them."""
    if not report.races:
        return Text(f"nobody else liquidated anything that is watched since {_time(report.since_s)}")
    sums = _table("why", "races", "seen before", "outbid by", "foregone", "paid")
    for row in report.rows:
        sums.add_row(
            row.verdict,
            f"{row.races:,}",
            "" if row.median_ms_ahead is None else f"{row.median_ms_ahead:,} ms",
            gwei(row.median_outbid_by_wei) if row.median_outbid_by_wei else "",
            native(row.foregone_wei) if row.foregone_wei else "",
            native(row.winners_gas_wei),
        )
    each = _table("block and place", "borrower", "by", "paid", "seen before", "why")
    for race in report.races[-_SHOWN:]:
        each.add_row(
            f"{race.liquidation.block_number:,} {race.winner.place}",
            short(race.liquidation.position.borrower),
            short(race.winner.sender),
            native(race.winner.gas_wei),
            "" if race.ms_ahead is None else f"{race.ms_ahead:,} ms",
            race.verdict,
        )
    legend = Text(
        "seen before, outbid by: medians. foregone: what plans were to net. paid: the winners, for gas", "dim"
    )
    return Group(sums, legend, Text(), each)


def idle_view(report: IdleReport) -> RenderableType:
    """Return how much was watched, and why nothing more came of it."""
    watched = report.watched
    if not watched.heads:
        return Text(f"no head was seen since {_time(report.since_s)}: did the keeper run?")
    told = _table("since " + _time(watched.at_s), "")
    for name, value in (
        ("heads read", f"{watched.heads:,}, of blocks {watched.first_head:,} to {watched.last_head:,}"),
        ("decisions that a newer head overtook", f"{watched.overtaken:,}"),
        ("times that something did not answer", f"{watched.degraded:,}"),
        ("positions with debt, at the last head", f"{watched.borrowers:,}"),
        ("below health 1, at most at one head", f"{watched.most_unhealthy:,}"),
        ("below health 1.02, at the last head", f"{watched.nearly:,}"),
        ("declined, at each head anew", f"{watched.declined:,}"),
        ("plans", f"{watched.planned:,}"),
        ("sent", f"{watched.sent:,}"),
        ("included", f"{report.included:,}"),
    ):
        told.add_row(name, value)
    why = _table("declined because", "times")
    for reason, times in report.declined:
        why.add_row(reason, f"{times:,}")
    brakes = [
        Text(f"{_time(turn.at_s)}  {turn if isinstance(turn, Tripped) else 'released'}", "yellow")
        for turn in report.turns
    ]
    parts: list[RenderableType] = [told, *brakes]
    if report.declined:
        parts += [Text(), why]
    return Group(*parts)


def _split(row: LedgerRow) -> Table:
    """Return what a sum is made of."""
    table = _table("what it is made of", "predicted", "realised", "difference")
    for name in ("bonus", "price impact", "flash fee", "bid", "gas", "L1 fee", "net"):
        field = f"{name.lower().replace(' ', '_')}_wei"
        predicted_wei, realised_wei = getattr(row.predicted, field), getattr(row.realised, field)
        table.add_row(name, native(predicted_wei), native(realised_wei), native(realised_wei - predicted_wei))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        is_text = place == 0 or column == "why"
        table.add_column(column, justify="left" if is_text else "right", no_wrap=column != "why")
    return table


def _time(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M}"
