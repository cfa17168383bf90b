"""Charts as SVG, drawn by hand: no library, no script, nothing that is not in the page itself.

Colours are the page's CSS variables, so that a chart is at home in the light and in the dark. Each mark has a
title: a browser shows it where the pointer rests.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 26, 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One direction of a chart, from `low` to `high`."""

    low: float
    high: float
    logarithmic: bool = False

    @classmethod
    def around(cls, values: Iterable[float], *, logarithmic: bool = False, zero: bool = False) -> Axis:
        """Return an axis with room for these values."""
        held = [value for value in values if not logarithmic or value > 0]
        low, high = (min(held), max(held)) if held else (0.0, 1.0)
        if logarithmic:
            return cls(low=low / 1.4, high=high * 1.4 if high > low else low * 10, logarithmic=True)
        if zero:
            low, high = min(low, 0.0), max(high, 0.0)
        if high <= low:
            high = low + 1
        room = (high - low) * 0.06
        return cls(low=low if zero and low == 0 else low - room, high=high + room)

    def share(self, value: float) -> float:
        """Return how far along the axis a value is, 0 to 1."""
        if self.logarithmic:
            value, low, high = (math.log10(max(one, 1e-18)) for one in (value, self.low, self.high))
            return (value - low) / (high - low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, about: int = 5) -> list[float]:
        """Return round values along it."""
        if self.logarithmic:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            every = max(1, (last - first + 1) // about)
            return [10.0**power for power in range(first, last + 1, every)]
        step = _round_step((self.high - self.low) / about)
        first_step = math.ceil(self.low / step)
        last_step = math.floor(self.high / step)
        return [step * n for n in range(first_step, last_step + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One point: where, of which colour, and what it says."""

    x: float
    y: float
    colour: str = "accent"
    title: str = ""


@dataclass(slots=True)
class _Frame:
    x: Axis
    y: Axis

    def at_x(self, value: float) -> float:
        return _LEFT + self.x.share(value) * (_WIDTH - _LEFT - _RIGHT)

    def at_y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - self.y.share(value) * (_HEIGHT - _TOP - _BOTTOM)

    def grid(self, x_name: str, y_name: str, x_ticks: Sequence[tuple[float, str]] | None = None) -> str:
        parts = []
        right, low = _WIDTH - _RIGHT, _HEIGHT - 16
        for value in self.y.ticks():
            y = self.at_y(value)
            parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(_text("tick", _LEFT - 8, y + 3.5, short(value), "end"))
        for value, label in x_ticks or [(tick, short(tick)) for tick in self.x.ticks(6)]:
            x = self.at_x(value)
            if _LEFT - 1 <= x <= right + 1:
                parts.append(_text("tick", x, low, label, "middle"))
        parts.append(_text("axis", right, _HEIGHT - 2, x_name, "end"))
        parts.append(_text("axis", _LEFT - 50, _TOP - 12, y_name, "start"))
        return "".join(parts)


def steps(points: Sequence[Mark], *, x_name: str, y_name: str) -> str:
    """Return a line that climbs and falls in steps, with a mark at each."""
    if not points:
        return empty("nothing was won and nothing lost")
    frame = _Frame(
        Axis.around([one.x for one in points]), Axis.around([0.0, *(one.y for one in points)], zero=True)
    )
    zero = frame.at_y(0)
    path = f"M{_LEFT} {zero:.1f}"
    for one in points:
        path += f" H{frame.at_x(one.x):.1f} V{frame.at_y(one.y):.1f}"
    path += f" H{_WIDTH - _RIGHT}"
    marks = "".join(_dot(frame, one, 3.2) for one in points)
    return _svg(
        frame.grid(x_name, y_name)
        + f'<path class="area" d="{path} V{zero:.1f} H{_LEFT} Z"/><path class="line" d="{path}"/>{marks}'
    )


def scatter(
    points: Sequence[Mark],
    *,
    x_name: str,
    y_name: str,
    logarithmic: bool = False,
    diagonal: bool = False,
    x: Axis | None = None,
) -> str:
    """Return a cloud of marks; with a `diagonal`, where both would be equal. `x` overrides its extent."""
    if not points:
        return empty("nothing to compare")
    if diagonal:
        both = Axis.around([value for one in points for value in (one.x, one.y)], logarithmic=logarithmic)
        frame = _Frame(both, both)
    else:
        frame = _Frame(
            x or Axis.around([one.x for one in points]),
            Axis.around([one.y for one in points], logarithmic=logarithmic, zero=not logarithmic),
        )
    line = ""
    if diagonal:
        low, high = frame.x.low, frame.x.high
        line = (
            f'<line class="rule" x1="{frame.at_x(low):.1f}" y1="{frame.at_y(low):.1f}" '
            f'x2="{frame.at_x(high):.1f}" y2="{frame.at_y(high):.1f}"/>'
        )
    marks = "".join(_dot(frame, one, 4.5) for one in points if not logarithmic or (one.x > 0 and one.y > 0))
    return _svg(frame.grid(x_name, y_name) + line + marks)


def stacked(
    columns: Sequence[tuple[str, Sequence[tuple[str, float, str]]]], *, x_name: str, y_name: str, most: float
) -> str:
    """Return columns of stacked parts: each column a label and its (colour, height, title)."""
    frame = _Frame(Axis(low=0, high=max(len(columns), 1)), Axis(low=0, high=most))
    wide = (_WIDTH - _LEFT - _RIGHT) / max(len(columns), 1)
    parts = []
    for place, (_, pieces) in enumerate(columns):
        base = 0.0
        for colour, height, title in pieces:
            if height <= 0:
                continue
            top, bottom = frame.at_y(base + height), frame.at_y(base)
            parts.append(
                f'<rect x="{_LEFT + place * wide + wide * 0.14:.1f}" y="{top:.1f}" width="{wide * 0.72:.1f}" '
                f'height="{max(bottom - top, 1):.1f}" rx="2" fill="var(--{colour})">'
                f"<title>{escape(title)}</title></rect>"
            )
            base += height
    labels = [(place + 0.5, label) for place, (label, _) in enumerate(columns)]
    return _svg(frame.grid(x_name, y_name, labels) + "".join(parts))


def heat(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    *,
    title: str,
    chosen: tuple[int, int] | None,
) -> str:
    """Return a table of shades: the deeper, the more; the chosen cell has a frame."""
    held = [value for row in values for value in row if value is not None]
    low, high = (min(held), max(held)) if held else (0.0, 1.0)
    cells = []
    for y, row in enumerate(values):
        told = "".join(_cell(value, low, high, chosen == (y, x)) for x, value in enumerate(row))
        cells.append(f"<tr><th>{escape(rows[y])}</th>{told}</tr>")
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    caption = f"<caption>{escape(title)}</caption>"
    return f'<table class="heat">{caption}<tr><th></th>{head}</tr>{"".join(cells)}</table>'


def key(of: Sequence[tuple[str, str]]) -> str:
    """Return what each colour stands for."""
    told = "".join(
        f'<span><i style="background:var(--{colour})"></i>{escape(what)}</span>' for colour, what in of
    )
    return f'<p class="key">{told}</p>'


def empty(why: str) -> str:
    """Return what stands where there is nothing to draw."""
    return f'<p class="none">{escape(why)}</p>'


def short(value: float) -> str:
    """Return a number for an axis: few digits, no noise."""
    if value == 0:
        return "0"
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _cell(value: float | None, low: float, high: float, chosen: bool) -> str:
    if value is None:
        return '<td class="gone">–</td>'
    share = (value - low) / (high - low) if high > low else 1.0
    style = f"background:color-mix(in srgb, var(--accent) {8 + 72 * share:.0f}%, transparent)"
    return f'<td class="{"chosen" if chosen else ""}" style="{style}">{value:,.3f}</td>'


def _dot(frame: _Frame, one: Mark, radius: float) -> str:
    return (
        f'<circle cx="{frame.at_x(one.x):.1f}" cy="{frame.at_y(one.y):.1f}" r="{radius}" '
        f'fill="var(--{one.colour})" fill-opacity=".8"><title>{escape(one.title)}</title></circle>'
    )


def _text(kind: str, x: float, y: float, said: str, anchor: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def _svg(inside: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{inside}</svg>'


def _round_step(rough: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(power * unit for unit in (1, 2, 2.5, 5, 10) if power * unit >= rough)
