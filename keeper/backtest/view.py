"""A backtest for a terminal, and as the one line that machines read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keeper.backtest.calibration import Calibration
from keeper.backtest.page import sweep_page
from keeper.backtest.replay import Fate, Replay
from keeper.backtest.result import Backtest
from keeper.backtest.score import Class
from keeper.backtest.summary import summary
from keeper.backtest.sweep import Report, Row, named
from keeper.domain.address import checksum
from keeper.domain.errors import ConfigError
from keeper.render.as_json import Json, as_json

if TYPE_CHECKING:
    from rich.console import RenderableType

_MEANS = {
    Class.CAUGHT: "in an earlier block",
    Class.SAME_BLOCK: "ahead of the winner in its block",
    Class.LATE: "behind the winner, or its prices had moved",
    Class.OUTBID: "the winner offered more",
    Class.DECLINED: "seen, and left",
    Class.NOT_SEEN: "trigger and liquidation in one block",
    Class.UNKNOWN: "the chain does not tell",
}


_ON_THE_LINE = (
    *("blocks", "chain_liquidations", "caught", "same_block", "late", "outbid", "declined", "not_seen"),
    *("unknown", "extra", "predicted_profit_wei", "realised_profit_wei", "unanswered"),
)


def as_line(done: Backtest) -> dict[str, Json]:
    """Return the figures as what ``json.dumps`` takes; amounts are decimal strings.

    What else there is to tell is in the report's ``summary.json``.
    """
    told = as_json(summary(done.ledger, done.score))
    assert isinstance(told, dict)
    return {name: told[name] for name in _ON_THE_LINE} | {"seconds": round(done.seconds, 3)}


def calibration_line(told: Calibration) -> dict[str, Json]:
    """Return a calibration as what ``json.dumps`` takes; amounts are decimal strings."""
    figures = as_json(told)
    assert isinstance(figures, dict)
    return {**figures, "wins_error": told.wins_error, "profit_error": told.profit_error}


def _calibration_text(told: Calibration) -> str:
    return (
        f"live in blocks {told.first} to {told.last}: {told.ledger_wins} won, "
        f"{_ether(told.ledger_profit_wei)}; the backtest has {told.wins} ({told.wins_error:+.1%}), "
        f"{told.both} of the same, and {_ether(told.profit_wei)} ({told.profit_error:+.1%})"
    )


def summary_view(done: Backtest, calibration: Calibration | None = None) -> RenderableType:
    """Return the figures for a person."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    figures = summary(done.ledger, done.score)
    classes = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    classes.add_column(justify="right")
    for kind in Class:
        count = done.score.count(kind)
        classes.add_row(
            f"{count:,}", kind.value.replace("_", " "), Text(_MEANS[kind], style="dim"), style=_style(count)
        )
    reasons = ", ".join(f"{reason.value} {count}" for reason, count in sorted(done.score.reasons.items()))
    lines: list[RenderableType] = [
        Text(
            f"{figures.blocks:,} blocks, {figures.chain_liquidations:,} liquidations on chain, "
            f"{figures.won_share:.0%} of them won, in {done.seconds:.1f} s"
        ),
        classes,
        *([Text(f"declined because: {reasons}")] if reasons else []),
        Text(
            f"net {_ether(figures.central_wei)} after outbidding the winners "
            f"(low {_ether(figures.low_wei)}, high {_ether(figures.high_wei)})",
            style="bold",
        ),
        Text(
            f"predicted {_ether(figures.predicted_profit_wei)}, realised "
            f"{_ether(figures.realised_profit_wei)} before bids; {figures.failed} reverted; "
            f"{figures.repaid} borrowers got out alone"
        ),
        Text(f"apart from that: {figures.extra} extra, {_ether(figures.extra_profit_wei)}", style="dim"),
    ]
    if calibration is not None:
        lines.append(Text(_calibration_text(calibration), style="bold"))
    if figures.unanswered:
        lines.append(Text(f"{figures.unanswered} questions without an answer", style="bold"))
    return Group(*lines)


# --- a live keeper's tape -----------------------------------------------------------------------------------

_MOST_SHOWN = 30


def replay_line(done: Replay) -> dict[str, Json]:
    """Return what deciding again came to as what ``json.dumps`` takes."""
    differ: list[Json] = [
        {
            "head": one.head_number,
            "market": one.position.market,
            "borrower": checksum(one.position.borrower),
            "fate": one.fate.value,
            "then": one.then.told if one.then else None,
            "now": one.now.told if one.now else None,
        }
        for one in done.compared
        if one.fate is not Fate.SAME
    ]
    return {
        "first": done.first,
        "last": done.last,
        "heads": done.heads,
        "overtaken": done.overtaken,
        "decisions": len(done.compared),
        **{fate.value: count for fate, count in done.counts.items()},
        "differ": differ,
        "unread": len(done.unread),
        "unanswered": sum(done.unanswered.values()),
        "seconds": round(done.seconds, 3),
    }


def replay_view(done: Replay) -> RenderableType:
    """Return what deciding again came to for a person: what differs, head by head."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    counts = done.counts
    lines: list[RenderableType] = [
        Text(
            f"{done.heads:,} heads, {done.first} to {done.last}, decided again in {done.seconds:.1f} s: "
            f"{counts[Fate.SAME]:,} of {len(done.compared):,} decisions are the same",
            style="bold",
        )
    ]
    differ = [one for one in done.compared if one.fate is not Fate.SAME]
    if differ:
        table = Table(box=None, padding=(0, 3, 0, 0))
        for column in ("head", "borrower", "then", "now"):
            table.add_column(column)
        for one in differ[:_MOST_SHOWN]:
            then, now = one.then.told if one.then else "–", one.now.told if one.now else "–"
            if then == now:
                now = f"{now}, otherwise"
            table.add_row(str(one.head_number), checksum(one.position.borrower), then, now)
        lines.append(table)
        if len(differ) > _MOST_SHOWN:
            lines.append(Text(f"and {len(differ) - _MOST_SHOWN:,} more", style="dim"))
    if unanswered := sum(done.unanswered.values()):
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(done.unanswered.items()))
        lines.append(Text(f"{unanswered:,} questions that the tape can't answer ({kinds})", style="bold"))
    if done.unread:
        lines.append(Text(f"{len(done.unread):,} heads were not dealt with to their end", style="bold"))
    return Group(*lines)


# --- sweeps -------------------------------------------------------------------------------------------------


def sweep_line(told: Report) -> dict[str, Json]:
    """Return a sweep as what ``json.dumps`` takes; amounts are decimal strings."""
    rows: list[Json] = [_row(row) for row in told.rows]
    missing: list[Json] = [str(job) for job in told.missing]
    return {"combinations": rows, "chosen": _row(told.chosen) if told.chosen else None, "missing": missing}


def sweep_view(told: Report) -> RenderableType:
    """Return a sweep for a person: the best first, by what the choice was made on."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 3, 0, 0))
    table.add_column("combination")
    table.add_column("chosen on, ETH", justify="right")
    table.add_column("reported, ETH", justify="right")
    for row in sorted(told.rows, key=lambda row: -row.chosen_on_wei):
        wei = (row.chosen_on_wei, row.reported_wei)
        cells = [f"{one / 1e18:,.4f}" for one in wei] if row.whole else ["–", "–"]
        table.add_row(named(row.combination), *cells, style="bold" if row == told.chosen else "")
    lines: list[RenderableType] = [table]
    if told.chosen is not None:
        lines.append(
            Text(
                f"chosen: {named(told.chosen.combination)}; on blocks that it was not chosen on: "
                f"{_ether(told.chosen.reported_wei)}"
            )
        )
    if unanswered := sum(row.unanswered for row in told.rows):
        lines.append(Text(f"{unanswered} questions without an answer", style="bold"))
    lines += [Text(f"could not be had: {job}", style="bold") for job in told.missing]
    return Group(*lines)


def write_sweep(told: Report, folder: Path) -> None:
    """Write a sweep's page and its table into a folder. Raises ConfigError where it can't be."""
    rows = [
        ",".join((*(text for _, text in row.combination), str(row.chosen_on_wei), str(row.reported_wei)))
        for row in told.rows
    ]
    names = [name for name, _ in told.rows[0].combination]
    try:
        (folder / "sweep.html").write_text(sweep_page(told), "utf-8")
        head = ",".join((*names, "chosen_on_wei", "reported_wei"))
        (folder / "sweep.csv").write_text("\n".join((head, *rows, "")), "utf-8")
    except OSError as error:
        raise ConfigError(f"--out: {folder}: {error.strerror}") from None


def _row(row: Row) -> dict[str, Json]:
    return {
        **dict(row.combination),
        "chosen_on_wei": str(row.chosen_on_wei),
        "reported_wei": str(row.reported_wei),
        "whole": row.whole,
        "unanswered": row.unanswered,
    }


def _style(count: int) -> str:
    return "" if count else "dim"


def _ether(wei: int) -> str:
    return f"{wei / 1e18:,.4f} ETH"
