"""The picture of `keeper plan --plot`: what each size would bring, as PNG or SVG by the file's extension.

Matplotlib draws it, and is loaded here alone: it is an extra, and a keeper that runs has no use for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from keeper.domain.errors import ConfigError
from keeper.domain.fixed_point import BPS, WAD
from keeper.domain.plan import Plan
from keeper.domain.report import Curve, CurvePoint, PlanReport
from keeper.render.figures import health, native, percent, short, short_market

_PAPER, _INK, _SOFT, _LINE = "#faf9f6", "#1c1d21", "#6a6d76", "#dddbd4"
_ACCENT, _GOOD, _WARM, _HOT, _DIM = "#3457d5", "#1f9d76", "#b9770e", "#c9442c", "#a8abb3"
_FORMATS = (".png", ".svg")
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # it comes with Matplotlib: a picture is the same everywhere
    "font.size": 10,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "path",
    "svg.hashsalt": "keeper",
}
_SAME_PERCENT = 0.05
"""Sizes that are closer are pointed out as one."""
_LINE_CHARACTERS = 122.0
"""About how many of a label's characters stand side by side in the picture."""


def plottable(file: Path) -> None:
    """Raise ConfigError where no picture could be written to `file`, whatever there is to draw."""
    if file.suffix.lower() not in _FORMATS:
        raise ConfigError(f"--plot: {file}: expected a name that ends in .png or .svg")
    if not file.parent.is_dir():
        raise ConfigError(f"--plot: {file}: there is no folder {file.parent}")
    _matplotlib("figure")


def plot(report: PlanReport, curve: Curve, file: Path) -> None:
    """Draw a plan's curve into a file, in place of what is there. Raises ConfigError where it can't be."""
    with _matplotlib("rc_context")(_STYLE):
        figure = _matplotlib("figure").Figure(figsize=(10, 6.4), dpi=160, facecolor=_PAPER)
        axes = figure.add_axes((0.085, 0.112, 0.885, 0.552), facecolor=_PAPER)
        _Picture(report, curve, axes).draw()
        _headings(report, curve, figure)
        kind = file.suffix.lower()[1:]
        try:
            figure.savefig(
                file, format=kind, metadata={"Date": None} if kind == "svg" else {"Software": None}
            )
        except OSError as error:
            raise ConfigError(f"--plot: {file}: {error.strerror}") from None


def _matplotlib(part: str) -> Any:
    """Return Matplotlib's module or function of that name. Raises ConfigError where it is not installed."""
    try:
        whole = import_module("matplotlib")
        return getattr(whole, part) if part == "rc_context" else import_module(f"matplotlib.{part}")
    except ImportError:
        raise ConfigError("--plot: needs the package matplotlib: pip install 'keeper[plot]'") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    """A size that is pointed out: by a line down to the axis, a dot on the curve, and a label above."""

    x: float
    y: float
    names: tuple[str, ...]
    said: str
    colour: str
    strong: bool = False

    @property
    def title(self) -> str:
        return f"{', '.join(self.names)}, {self.x:.3g} %"

    @property
    def wide(self) -> float:
        """Return about how wide the label is, in percent of the axis."""
        return max(len(self.title), len(self.said)) * (112 if self.strong else 100) / _LINE_CHARACTERS


def _merged(notes: Sequence[_Note]) -> list[_Note]:
    """Return the notes, those of one size in one: by the first one's colour, which matters most."""
    kept: list[_Note] = []
    for note in notes:
        same = next((at for at, one in enumerate(kept) if abs(one.x - note.x) < _SAME_PERCENT), None)
        if same is None:
            kept.append(note)
        else:
            kept[same] = replace(kept[same], names=(*kept[same].names, *note.names))
    return kept


class _Picture:
    """One curve on its axes: shares of the debt across, the native coin upwards."""

    def __init__(self, report: PlanReport, curve: Curve, axes: Any) -> None:
        self._report = report
        self._curve = curve
        self._axes = axes

    def draw(self) -> None:
        """Draw everything, from the back to the front."""
        self._extent()
        self._intervals()
        self._line()
        self._notes(sorted(_merged(self._noted()), key=lambda note: note.x))
        self._frame()

    def _share(self, repay_raw: int) -> float:
        return repay_raw * 100 / self._curve.owed_raw

    def _points(self) -> list[CurvePoint]:
        return [point for stretch in self._curve.stretches for point in stretch]

    def _extent(self) -> None:
        """Show what pays whole, and of the losses about as much."""
        nets = [point.net_wei / WAD for point in self._points()]
        most, least = max(*nets, 0.0), min(*nets, 0.0)
        if most > 0:
            least = max(least, -0.8 * most)
        room = (most - least) * 0.08 or 1e-6
        self._axes.set_ylim(least - room, most + room)
        self._axes.set_xlim(-1.5, 101.5)

    def _intervals(self) -> None:
        """Shade what may be repaid, and hatch what may not: beyond the dust rules, or the close factor."""
        axes, at = self._axes, 0.0
        for one in self._curve.feasible:
            low, high = self._share(one.least_raw), self._share(one.most_raw)
            if low > at + 0.5:
                self._hole(at, low)
            if high > low:
                axes.axvspan(low, high, facecolor=_ACCENT, alpha=0.055, edgecolor="none", zorder=0)
            at = high
        if at < 99.5:
            self._hole(at, 100)

    def _hole(self, low: float, high: float) -> None:
        self._axes.axvspan(low, high, facecolor="none", edgecolor=_LINE, hatch="////", linewidth=0, zorder=0)
        if high - low > 16:
            bottom, top = self._axes.get_ylim()
            self._axes.text(
                (low + high) / 2,
                bottom + (top - bottom) * 0.06,
                "may not be repaid",
                ha="center",
                color=_SOFT,
                fontsize=8.5,
                bbox={"facecolor": _PAPER, "edgecolor": "none", "pad": 3},
            )

    def _line(self) -> None:
        axes = self._axes
        axes.axhline(0, color=_INK, linewidth=0.8, zorder=2)
        for stretch in self._curve.stretches:
            shares = [self._share(point.repay_raw) for point in stretch]
            nets = [point.net_wei / WAD for point in stretch]
            if len(stretch) == 1:
                axes.plot(shares, nets, "o", color=_ACCENT, markersize=6, zorder=4)
                continue
            axes.plot(shares, nets, color=_ACCENT, linewidth=2.2, solid_capstyle="round", zorder=4)
            paying, losing = [net > 0 for net in nets], [net < 0 for net in nets]
            axes.fill_between(shares, nets, 0, where=paying, color=_GOOD, alpha=0.13, linewidth=0, zorder=1)
            axes.fill_between(shares, nets, 0, where=losing, color=_HOT, alpha=0.10, linewidth=0, zorder=1)

    # --- what is pointed out --------------------------------------------------------------------------------

    def _noted(self) -> list[_Note]:
        curve, coin = self._curve, self._report.native.symbol
        notes = [
            self._note(curve.best, "optimum", f"{native(curve.best.net_wei)} {coin}", _GOOD, strong=True)
        ]
        if curve.chosen is not None and curve.chosen.repay_raw != curve.best.repay_raw:
            said = f"{native(curve.chosen.net_wei)} {coin}"
            name = f"planned ({self._report.objective.value})"
            notes.append(self._note(curve.chosen, name, said, _ACCENT, strong=True))
        for point in curve.break_even:
            name = "pays from" if point.repay_raw < curve.best.repay_raw else "pays up to"
            notes.append(self._note(point, "break-even", f"{name} here", _SOFT))
        if (restored := curve.restore_health) is not None:
            said = f"{native(restored.net_wei)} {coin}"
            notes.append(self._note(restored, "restores health", said, _WARM))
        if curve.half is not None:
            said = f"{native(curve.half.net_wei)} {coin}"
            if curve.best.net_wei > 0:
                said += f", {percent(curve.half.net_wei * BPS // curve.best.net_wei)} of the best"
            notes.append(self._note(curve.half, "a naive half", said, _HOT))
        return notes

    def _note(self, point: CurvePoint, name: str, said: str, colour: str, *, strong: bool = False) -> _Note:
        x, y = self._share(point.repay_raw), point.net_wei / WAD
        return _Note(x=x, y=y, names=(name,), said=said, colour=colour, strong=strong)

    def _notes(self, notes: Sequence[_Note]) -> None:
        """Put the labels above the axes."""
        axes = self._axes
        bottom, top = axes.get_ylim()
        for note, left, row in _laid_out(notes):
            height = top + (top - bottom) * (0.05 + 0.125 * row)
            shown = max(min(note.y, top), bottom)
            axes.plot(
                [note.x, note.x],
                [shown, height - (top - bottom) * 0.012],
                color=note.colour,
                linewidth=1.3 if note.strong else 0.9,
                linestyle="-" if note.strong else (0, (2, 2)),
                clip_on=False,
                zorder=3,
            )
            inside = bottom <= note.y <= top
            axes.plot(
                [note.x],
                [shown],
                marker="o" if inside else "v",
                color=note.colour,
                markersize=10 if note.strong else 7,
                markeredgecolor=_PAPER,
                markeredgewidth=1.6,
                clip_on=False,
                zorder=6 if note.strong else 5,
            )
            weight = "bold" if note.strong else "normal"
            for said, colour, above in ((note.title, note.colour, 0.05), (note.said, _INK, 0.0)):
                axes.text(
                    left,
                    height + (top - bottom) * above,
                    said,
                    color=colour,
                    fontsize=9,
                    weight=weight,
                    zorder=7,
                    bbox={"facecolor": _PAPER, "edgecolor": "none", "pad": 1.5},
                )

    # --- the rest -------------------------------------------------------------------------------------------

    def _frame(self) -> None:
        axes, curve = self._axes, self._curve
        for side in ("top", "right", "left", "bottom"):
            axes.spines[side].set_visible(False)
        axes.grid(axis="y", color=_LINE, linewidth=0.7, zorder=0)
        axes.set_axisbelow(True)
        axes.tick_params(colors=_SOFT, length=0, labelsize=9)
        axes.set_xticks(range(0, 101, 10), [f"{share} %" for share in range(0, 101, 10)])
        axes.set_xlabel(
            f"close factor: how much of the {curve.debt.symbol} that is owed is repaid",
            color=_SOFT,
            fontsize=9.5,
            labelpad=8,
        )


def _decided(report: PlanReport) -> str:
    """Return the decision in a few words: of several closes in a row the curve shows but one by itself."""
    decision = report.decision
    if not isinstance(decision, Plan):
        return str(decision)
    if (closes := len(decision.draft.closes)) == 1:
        return "planned"
    earned = f"{native(decision.waterfall.net_wei)} {report.native.symbol}"
    return f"planned: {closes} closes in a row for {earned}, this one alone below"


def _laid_out(notes: Sequence[_Note]) -> Iterator[tuple[_Note, float, int]]:
    """Yield each note with the left end of its label, in percent of the axis, and its row from below.

    There are as many rows as it takes for no label to cover another. Nor does one cover the line to a label
    in a row above: an earlier one's never, the next one's where there is room to the left of it.
    """
    free = [-1e9] * len(notes)
    next_lines = [*(note.x for note in notes[1:]), 1e9]
    for note, next_line in zip(notes, next_lines, strict=False):
        left = min(max(note.x - note.wide / 2, -1.0), 101.5 - note.wide)
        beside = min(left, next_line - 1 - note.wide)
        if beside >= max(free[0], -1.0):
            left = beside
        row = next(place for place, end in enumerate(free) if left >= end)
        free[row] = left + note.wide + 1.5
        free[:row] = [max(end, note.x + 1) for end in free[:row]]
        yield note, left, row


def _headings(report: PlanReport, curve: Curve, figure: Any) -> None:
    decision = report.decision
    left = 0.028
    figure.text(
        left,
        0.948,
        f"Seize {curve.collateral.symbol} for {curve.debt.symbol}",
        fontsize=16,
        weight="bold",
        color=_INK,
    )
    figure.text(
        left,
        0.905,
        f"{short(report.borrower)} in {short_market(report.market)}, health "
        f"{health(report.health.health_factor_wad)}, block {report.head.number:,}; "
        f"funded by {short_market(curve.funding)}",
        fontsize=9.5,
        color=_SOFT,
    )
    planned = isinstance(decision, Plan)
    figure.text(
        0.972,
        0.947,
        _decided(report),
        ha="right",
        fontsize=10,
        weight="bold",
        color=_GOOD if planned else _WARM,
    )
    gas = "before gas, which no simulation told"
    if curve.gas_wei is not None:
        gas = f"after {native(curve.gas_wei)} of gas"
    figure.text(left, 0.868, f"Net profit in {report.native.symbol}, {gas}", fontsize=9.5, color=_INK)
