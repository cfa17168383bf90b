"""A sweep: every combination of some settings over every part of a range of blocks. Pure.

What is best is chosen on the earlier parts and reported on the later ones: a choice that is praised for what
it was chosen by tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import TypeAlias

import msgspec

from keeper.backtest import charts
from keeper.domain.errors import ConfigError

Combination: TypeAlias = tuple[tuple[str, str], ...]
"""Variables and the texts that they are set to, in the order in which they were given."""


class Part(msgspec.Struct, frozen=True):
    """Some blocks of the range."""

    first: int
    last: int
    chosen_on: bool
    """The choice is made on it; else it is reported on."""


class Job(msgspec.Struct, frozen=True):
    """One combination over one part."""

    combination: Combination
    part: Part

    def __str__(self) -> str:
        return f"{named(self.combination)} over blocks {self.part.first} to {self.part.last}"


class Outcome(msgspec.Struct, frozen=True):
    """What a job brought; wei as decimal strings, which have no bound."""

    job: Job
    low_wei: str
    central_wei: str
    high_wei: str
    chain_liquidations: int
    won: int
    failed: int
    unanswered: int
    blocks: int


class Row(msgspec.Struct, frozen=True):
    """A combination: what it earned where the choice was made, and where it was not."""

    combination: Combination
    chosen_on_wei: int
    reported_wei: int
    whole: bool
    """No part of it is missing."""
    unanswered: int
    """Questions without an answer, in all of its parts."""


class Report(msgspec.Struct, frozen=True):
    """A sweep, done."""

    parts: tuple[Part, ...]
    rows: tuple[Row, ...]
    chosen: Row | None
    """The best of those that are whole, by what it earned where the choice was made."""
    missing: tuple[Job, ...]
    """What could not be had, tried again or not."""


def combinations(sweeps: Sequence[str]) -> tuple[Combination, ...]:
    """Return every combination of texts such as ``KEEPER_MIN_PROFIT_WEI=1e15,1e16``. Raises ConfigError."""
    variables: dict[str, list[str]] = {}
    mistakes = []
    for text in sweeps:
        name, _, values = text.partition("=")
        listed = [value.strip() for value in values.split(",") if value.strip()]
        if not name.startswith("KEEPER_") or not listed:
            mistakes.append(f"--sweep: {text!r}: expected KEEPER_VARIABLE=value,value")
        elif name in variables:
            mistakes.append(f"--sweep: {name} stands twice")
        variables[name] = listed
    if mistakes:
        raise ConfigError(*mistakes)
    names = list(variables)
    return tuple(tuple(zip(names, texts, strict=True)) for texts in product(*variables.values()))


def parts(first: int, last: int, *, count: int, chosen_on_share: float = 0.5) -> tuple[Part, ...]:
    """Return the range in about equal parts, the earlier ones to choose on. Raises ConfigError."""
    if count < 2 or last - first < 2 * count:
        raise ConfigError(
            f"--parts: {count} parts of {last - first + 1} blocks: expected 2 or more, of 3 blocks"
        )
    edges = [first + (last - first) * n // count for n in range(count + 1)]
    chosen_on = min(max(round(count * chosen_on_share), 1), count - 1)
    return tuple(Part(first=edges[n], last=edges[n + 1], chosen_on=n < chosen_on) for n in range(count))


def jobs(of: Sequence[Combination], over: Sequence[Part]) -> tuple[Job, ...]:
    """Return every combination over every part."""
    return tuple(Job(combination=combination, part=part) for combination in of for part in over)


def report(asked: Sequence[Job], done: Sequence[Outcome]) -> Report:
    """Return what a sweep found, whatever of it is there."""
    outcomes = {outcome.job: outcome for outcome in done}
    by_combination: dict[Combination, list[Job]] = {}
    for job in asked:
        by_combination.setdefault(job.combination, []).append(job)
    rows = tuple(_row(combination, its, outcomes) for combination, its in by_combination.items())
    whole = [row for row in rows if row.whole]
    return Report(
        parts=tuple(dict.fromkeys(job.part for job in asked)),
        rows=rows,
        chosen=max(whole, key=lambda row: row.chosen_on_wei, default=None),
        missing=tuple(job for job in asked if job not in outcomes),
    )


def named(combination: Combination) -> str:
    """Return a combination for a person."""
    return " ".join(f"{name.removeprefix('KEEPER_')}={text}" for name, text in combination) or "as configured"


def section(told: Report) -> str:
    """Return a sweep as a section of the report: a heat map of the first two variables."""
    if told.chosen is None:
        return f"<section><h2>Sweep</h2>{charts.empty('no combination is whole')}</section>"
    on = ", ".join(f"{part.first}–{part.last}" for part in told.parts if part.chosen_on)
    off = ", ".join(f"{part.first}–{part.last}" for part in told.parts if not part.chosen_on)
    missing = (
        f'<p class="note">{len(told.missing)} of its runs could not be had: '
        f"{'; '.join(map(str, told.missing[:5]))}.</p>"
        if told.missing
        else ""
    )
    return (
        "<section><h2>Sweep</h2>"
        f'<p class="about">Central net profit in ether. The choice was made on blocks {on}. '
        f"Chosen: <b>{named(told.chosen.combination)}</b>. On blocks that it was not made on ({off}) "
        f"that earned <b>{told.chosen.reported_wei / 1e18:,.4f} ETH</b>.</p>"
        f'<div class="heats">{_heat(told, "chosen on", lambda row: row.chosen_on_wei)}'
        f"{_heat(told, 'reported on', lambda row: row.reported_wei)}</div>{missing}</section>"
    )


def _row(combination: Combination, its: Sequence[Job], outcomes: Mapping[Job, Outcome]) -> Row:
    def sum_wei(chosen_on: bool) -> int:
        return sum(
            int(outcomes[job].central_wei)
            for job in its
            if job.part.chosen_on is chosen_on and job in outcomes
        )

    return Row(
        combination=combination,
        chosen_on_wei=sum_wei(chosen_on=True),
        reported_wei=sum_wei(chosen_on=False),
        whole=all(job in outcomes for job in its),
        unanswered=sum(outcomes[job].unanswered for job in its if job in outcomes),
    )


def _heat(told: Report, title: str, wei: Callable[[Row], int]) -> str:
    """Return the first variable down, the second across; of further ones the best choice counts."""
    axes = [list(dict.fromkeys(texts)) for texts in zip(*(_texts(row) for row in told.rows), strict=True)]
    names = [name for name, _ in told.rows[0].combination]
    down, across = axes[0], axes[1] if len(axes) > 1 else [""]
    best: dict[tuple[str, str], Row] = {}
    for row in sorted(told.rows, key=lambda row: row.chosen_on_wei):
        if row.whole:
            best[_cell(row)] = row
    values = [[wei(best[y, x]) / 1e18 if (y, x) in best else None for x in across] for y in down]
    assert told.chosen is not None
    chosen = _cell(told.chosen)
    return charts.heat(
        [f"{names[0].removeprefix('KEEPER_')} {text}" for text in down],
        [f"{names[1].removeprefix('KEEPER_')} {text}" for text in across] if len(axes) > 1 else ["ether"],
        values,
        title=title,
        chosen=(down.index(chosen[0]), across.index(chosen[1])),
    )


def _texts(row: Row) -> Iterator[str]:
    return (text for _, text in row.combination)


def _cell(row: Row) -> tuple[str, str]:
    texts = list(_texts(row))
    return texts[0], texts[1] if len(texts) > 1 else ""
