"""The report as one HTML file: opens offline, holds everything it shows, and nothing that is not of the past.

The same backtest gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape

from keeper.backtest import charts
from keeper.backtest.charts import Axis, Mark
from keeper.backtest.footing import Footing
from keeper.backtest.inclusion import Model
from keeper.backtest.ledger import Ledger
from keeper.backtest.result import Backtest
from keeper.backtest.score import Class, Score, Verdict
from keeper.backtest.style import STYLE
from keeper.backtest.summary import (
    Summary,
    advice,
    earned,
    largest_misses,
    missed_wei,
    shares_by_latency,
    summary,
)
from keeper.backtest.sweep import Report, named, section
from keeper.domain.address import Address, checksum
from keeper.domain.submission import Included

_ETHER = 1e18
_NET = "net, after outbidding every winner that was observed"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    name: str
    colour: str
    means: str


_KINDS: Mapping[Class, _Kind] = {
    Class.CAUGHT: _Kind(name="caught before", colour="good", means="an earlier block"),
    Class.SAME_BLOCK: _Kind(name="same block", colour="accent", means="ahead of the winner in its block"),
    Class.LATE: _Kind(name="late", colour="warm", means="behind the winner, or its prices had moved"),
    Class.OUTBID: _Kind(name="outbid", colour="hot", means="the winner offered more"),
    Class.DECLINED: _Kind(name="declined", colour="cool", means="seen, and left on purpose"),
    Class.NOT_SEEN: _Kind(name="not seen", colour="dim", means="trigger and liquidation in one block"),
    Class.UNKNOWN: _Kind(name="unknown", colour="faint", means="the chain does not tell"),
}


def page(done: Backtest, *, sections: str = "") -> str:
    """Return the report. `sections` is further HTML, put before the suppositions."""
    ledger, score, model = done.ledger, done.score, done.model
    figures = summary(ledger, score)
    body = "".join(
        (
            _hero(figures, ledger),
            _classes(figures, score),
            '<div class="pair">',
            _card(
                "Profit over time",
                "Cumulative net profit in ether: each liquidation won, after gas and after outbidding its "
                "winner; each failure's gas. What only the keeper would have done is not in it.",
                _profit(score, model),
            ),
            _card(
                "What another latency would have won",
                "Share of the chain's liquidations, if every decision took just that long, each for itself.",
                _latency(ledger, score, model),
            ),
            "</div>",
            _misses(score, done.symbols),
            '<div class="pair">',
            _card(
                "Predicted against realised",
                "In ether after gas, before the bid. Realised is what the EVM paid out in the block, at the "
                "transaction's place, with all before it replayed; they are equal where it stood as planned.",
                _predicted(score),
            ),
            _card(
                "Profit against close factor",
                "How much of the debt each closed, in percent, and what that brought, in ether.",
                _close_factor(score),
            ),
            "</div>",
            '<div class="pair">',
            _card("Gas", "What each transaction used, by its place in the range.", _gas(ledger)),
            _card(
                "How unhealthy positions ended",
                "Each stretch of blocks in which somebody could be liquidated, by what ended it.",
                _endings(ledger, figures),
            ),
            "</div>",
            sections,
            _suppositions(done, figures),
        )
    )
    return _html(f"keeper backtest, blocks {figures.first:,} to {figures.last:,}", body)


def sweep_page(told: Report) -> str:
    """Return a sweep as a page of its own."""
    blocks = f"{told.parts[0].first:,} – {told.parts[-1].last:,}"
    head = (
        f'<header><p class="over">keeper backtest · sweep · blocks {blocks}</p>'
        f"<h1>{_ether(told.chosen.reported_wei) if told.chosen else '–'}"
        "<small>net, of what was chosen, on blocks that it was not chosen on</small></h1></header>"
    )
    rows = "".join(
        f"<tr><td>{escape(named(row.combination))}</td>"
        f'<td class="r">{_ether(row.chosen_on_wei)}</td><td class="r">{_ether(row.reported_wei)}</td></tr>'
        for row in sorted(told.rows, key=lambda row: -row.chosen_on_wei)
        if row.whole
    )
    table = (
        '<table><tr><th>combination</th><th class="r">chosen on</th><th class="r">reported on</th></tr>'
        f"{rows}</table>"
    )
    return _html("keeper backtest, sweep", head + section(told) + _card("Every combination", "", table))


def _html(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>\n"
    )


# --- the top ------------------------------------------------------------------------------------------------


def _hero(figures: Summary, ledger: Ledger) -> str:
    span = _span(ledger.last.timestamp_s - ledger.first.timestamp_s)
    tiles = (
        (f"{figures.won_share:.0%}", f"won of {figures.chain_liquidations} liquidations on chain"),
        (_ether(figures.realised_profit_wei), "realised after gas, before bids"),
        (_apart(figures), "realised from predicted"),
        (str(figures.failed), "transactions that reverted"),
        (str(figures.extra), f"extra, worth {_ether(figures.extra_profit_wei)}: in no headline"),
    )
    cells = "".join(f"<div><b>{told}</b><span>{escape(what)}</span></div>" for told, what in tiles)
    return (
        f'<header><p class="over">keeper backtest · blocks {figures.first:,} – {figures.last:,} · {span}</p>'
        f"<h1>{_ether(figures.central_wei)}<small>{_NET}</small></h1>{_range(figures)}"
        f'<div class="tiles">{cells}</div>'
        "</header>"
    )


def _span(seconds: int) -> str:
    for unit, of_s in (("days", 86_400), ("hours", 3_600)):
        if seconds >= 2 * of_s:
            return f"{seconds / of_s:.1f} {unit}"
    return f"{seconds / 60:.0f} minutes"


def _range(figures: Summary) -> str:
    low, central, high = (wei / _ETHER for wei in (figures.low_wei, figures.central_wei, figures.high_wei))
    first, last = min(low, 0.0), max(high, 0.0)
    width = (last - first) or 1.0
    at = [100 * (value - first) / width for value in (low, central, high)]
    return (
        '<div class="range"><div class="track">'
        f'<i style="left:{at[0]:.1f}%;width:{max(at[2] - at[0], 0.4):.1f}%"></i>'
        f'<b style="left:{at[1]:.1f}%"></b></div>'
        f'<p><span>low {_ether(figures.low_wei)}</span><span style="left:{min(max(at[1], 38), 62):.1f}%">'
        f"central {_ether(figures.central_wei)}</span><span>high {_ether(figures.high_wei)}</span></p></div>"
    )


def _classes(figures: Summary, score: Score) -> str:
    total = max(figures.chain_liquidations, 1)
    bar, legend = [], []
    for kind, told in _KINDS.items():
        count = score.count(kind)
        if count:
            bar.append(
                f'<i style="flex:{count};background:var(--{told.colour})" title="{told.name}: {count}"></i>'
            )
        legend.append(
            f'<div class="{"" if count else "nil"}"><i style="background:var(--{told.colour})"></i>'
            f"<b>{count}</b> {told.name}<span>{count / total:.0%} · {told.means}</span></div>"
        )
    reasons = ", ".join(f"{reason.value} {count}" for reason, count in sorted(score.reasons.items()))
    told_reasons = f"<p class=note>Declined because: {escape(reasons)}.</p>" if reasons else ""
    return _card(
        "Every liquidation on chain, in one class each",
        "",
        f'<div class="bar">{"".join(bar)}</div><div class="legend">{"".join(legend)}</div>{told_reasons}',
    )


# --- charts -------------------------------------------------------------------------------------------------


def _profit(score: Score, model: Model) -> str:
    total, points = 0, []
    for one in earned(score, model):
        total += one.wei
        colour = "hot" if one.wei < 0 else "good" if one.kind == Class.CAUGHT.value else "accent"
        title = f"block {one.block_number}: {one.kind.replace('_', ' ')}, {_ether(one.wei)}"
        points.append(Mark(x=one.block_number, y=total / _ETHER, colour=colour, title=title))
    return charts.steps(points, x_name="block", y_name="ether")


def _latency(ledger: Ledger, score: Score, model: Model) -> str:
    columns = [
        (
            f"{one.latency_s:g}",
            (
                ("good", one.caught, f"{one.latency_s:g} s: {one.caught:.0%} in an earlier block"),
                ("accent", one.same_block, f"{one.latency_s:g} s: {one.same_block:.0%} in the same block"),
            ),
        )
        for one in shares_by_latency(ledger, score, model)
    ]
    return charts.stacked(columns, x_name="seconds", y_name="share won", most=1.0)


_FOOTINGS: Mapping[Footing, str] = {
    Footing.AS_PLANNED: "accent",
    Footing.MOVED: "hot",
    Footing.WITHOUT: "warm",
    Footing.BEHIND: "cool",
}


def _predicted(score: Score) -> str:
    stood = {one.submission.hash: score.footings[one.submission.hash] for one in score.won}
    points = [
        Mark(
            x=one.plan.waterfall.net_wei / _ETHER,
            y=one.realised_wei / _ETHER,
            colour=_FOOTINGS[stood[one.submission.hash]],
            title=f"{checksum(one.plan.draft.borrower)}: predicted {_ether(one.plan.waterfall.net_wei)}, "
            f"realised {_ether(one.realised_wei)}, {stood[one.submission.hash]}",
        )
        for one in score.won
    ]
    counts = Counter(stood.values())
    key = [(_FOOTINGS[one], f"{counts[one]} {one}") for one in Footing if counts[one]]
    chart = charts.scatter(points, x_name="predicted", y_name="realised", logarithmic=True, diagonal=True)
    return charts.key(key) + chart


def _close_factor(score: Score) -> str:
    points = [
        Mark(
            x=close.close_factor_bps / 100,
            y=one.realised_wei / _ETHER,
            title=f"{close.repaid} for {close.seized}: "
            f"{close.close_factor_bps / 100:g} % closed, {_ether(one.realised_wei)}",
        )
        for one in score.won
        for close in one.plan.draft.closes
        if one.realised_wei > 0
    ]
    whole = Axis(low=0, high=104)
    return charts.scatter(points, x_name="percent of the debt", y_name="ether", x=whole, logarithmic=True)


def _gas(ledger: Ledger) -> str:
    points = [
        Mark(
            x=flight.block.number,
            y=flight.ran.gas_used / 1e3,
            colour="accent" if isinstance(flight.outcome, Included) else "hot",
            title=f"block {flight.block.number}: {flight.ran.gas_used:,} gas, "
            f"{'included' if isinstance(flight.outcome, Included) else 'reverted'}",
        )
        for flight in ledger.flights
        if flight.block is not None and flight.ran is not None
    ]
    return charts.scatter(points, x_name="block", y_name="thousand gas")


def _endings(ledger: Ledger, figures: Summary) -> str:
    told = {
        "caught": ("the keeper closed it", "good"),
        "liquidated": ("somebody else did", "hot"),
        "repaid": ("the borrower repaid or topped up", "cool"),
        "recovered": ("prices came back", "dim"),
    }
    counts = {name: sum(one.ending.value == name for one in ledger.episodes) for name in told}
    most = max(counts.values(), default=1) or 1
    rows = "".join(
        f'<div class="row"><span>{why}</span><div><i style="width:{100 * counts[name] / most:.1f}%;'
        f'background:var(--{colour})"></i></div><b>{counts[name]}</b></div>'
        for name, (why, colour) in told.items()
    )
    return f'<div class="rows">{rows}</div>'


# --- tables -------------------------------------------------------------------------------------------------


def _misses(score: Score, symbols: Mapping[Address, str]) -> str:
    missed = largest_misses(score)
    if not missed:
        return _card("The largest misses", "", charts.empty("nothing was missed"))
    rows = "".join(_miss(one, symbols) for one in missed)
    return _card(
        "The largest misses",
        "By what the keeper had predicted of them, where it had a plan.",
        "<table><tr><th>block</th><th>borrower</th><th>pair</th><th>class</th><th>why</th>"
        f'<th class="r">predicted</th><th>what would have changed it</th></tr>{rows}</table>',
    )


def _miss(one: Verdict, symbols: Mapping[Address, str]) -> str:
    told = _KINDS[one.kind]
    seen = one.observed
    pair = " → ".join(symbols.get(token, "?") for token in (seen.collateral, seen.debt) if token is not None)
    borrower = checksum(seen.position.borrower)
    predicted = _ether(missed_wei(one)) if one.flight else "–"
    return (
        f"<tr><td>{seen.block_number}</td>"
        f"<td><code title={borrower}>{borrower[:8]}…{borrower[-4:]}</code></td>"
        f'<td class="whole">{escape(pair) or "–"}</td>'
        f'<td class="whole"><i class="pip" style="background:var(--{told.colour})"></i>{told.name}</td>'
        f'<td>{escape(one.detail)}</td><td class="r">{predicted}</td><td>{escape(advice(one))}</td></tr>'
    )


def _suppositions(done: Backtest, figures: Summary) -> str:
    terms = "".join(f"<dt>{name}</dt><dd>{escape(said)}</dd>" for name, said in _supposed(done))
    return _card(
        "What is supposed",
        "Change any of it on the command line and look again.",
        f'<dl>{terms}</dl><p class="note">{figures.unanswered} questions without an answer. Low: every '
        "liquidation costs all that may be bid, and those count alone that nine of ten latencies would have "
        "won. Central: one wei a unit of gas more than its winner offered. High: what was caught in an "
        "earlier block costs the planned fee.</p>",
    )


def _supposed(done: Backtest) -> Iterator[tuple[str, str]]:
    model, odds = done.model, done.odds
    yield (
        "latency",
        f"{model.latency_s:g} s in the median, spread {model.latency_spread:g} (lognormal): "
        f"{model.quantile_s(0.1):.2f} to {model.quantile_s(0.9):.2f} s in eight of ten cases",
    )
    yield "a block closes", f"{model.closes_before_s:g} s before its timestamp"
    yield "bid", f"up to {model.bid_bps / 100:g} % of the profit predicted after gas"
    yield "channel", "a lost race costs its gas" if model.reverts_land else "what would revert is dropped"
    if odds.reverts_land:
        began = replace(odds, races=()).chance
        yield (
            "a race is run",
            "where p × its profit is more than (1 − p) × what losing it costs; p is taken from the races "
            f"before: {float(began):.0%} at the first, {float(odds.chance):.0%} after the last",
        )
    yield (
        "builders",
        ", ".join(checksum(one) for one in sorted(model.builders)) if model.builders else "all reachable",
    )


def _card(title: str, about: str, inside: str) -> str:
    told = f'<p class="about">{escape(about)}</p>' if about else ""
    return f"<section><h2>{escape(title)}</h2>{told}{inside}</section>"


def _ether(wei: int) -> str:
    ether = wei / _ETHER
    return f"{ether:,.2f} ETH" if abs(ether) >= 1 else f"{ether:,.4f} ETH"


def _apart(figures: Summary) -> str:
    if figures.predicted_profit_wei == 0:
        return "–"
    apart = (figures.realised_profit_wei / figures.predicted_profit_wei - 1) * 1e4
    return f"{apart:+.2f} bp"
