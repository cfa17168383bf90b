"""The table of `keeper scan`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from keeper.domain.fixed_point import WAD
from keeper.domain.position import DOLLARS, Currency, Holding
from keeper.domain.report import ScanReport, ScanRow, Supposed, Trigger
from keeper.domain.token import TokenAmount
from keeper.render.figures import amount, health, short, short_market, worth


def scan_view(report: ScanReport) -> RenderableType:
    """Return the positions, the worst first, and what could not be read."""
    below, number = health(report.below_wad), report.head.number
    if report.rows:
        found = (
            f"{len(report.rows):,} of {report.borrowers:,} positions are below {below} at block {number:,}"
        )
    else:
        found = f"None of {report.borrowers:,} positions is below {below} at block {number:,}"
    notes = [
        Text(f"! {skipped.source} could not be read: {skipped.why}", "yellow") for skipped in report.skipped
    ]
    parts: list[RenderableType] = [Text(found, "bold"), *notes]
    if report.supposed:
        parts.insert(1, Text("if " + ", ".join(_supposed(one) for one in report.supposed), "yellow"))
    for market in dict.fromkeys(row.market for row in report.rows):
        parts += [Text(), _table(market, [row for row in report.rows if row.market == market])]
    if report.triggers:
        parts += [Text(), _triggers(report.triggers)]
    return Group(*parts)


def _supposed(one: Supposed) -> str:
    return f"{one.token.symbol} were worth {float(one.factor) * 100:.6g} % of what it is"


def _triggers(triggers: Iterable[Trigger]) -> Table:
    table = Table(
        title="Trigger prices: a token falls alone, and the next borrower falls below 1",
        title_justify="left",
        title_style="dim",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("Token", no_wrap=True)
    table.add_column("Change", justify="right")
    table.add_column("Price", justify="right")
    table.add_column("Borrower", no_wrap=True)
    table.add_column("Market")
    for one in triggers:
        price = "–" if one.price is None else f"${float(one.price):,.6g}"
        change = f"{one.change_bps / 100:.2f} %"
        table.add_row(one.token.symbol, change, price, short(one.borrower), short_market(one.market))
    return table


def _table(market: str, rows: Sequence[ScanRow]) -> Table:
    table = Table(
        title=_title(market, rows[0]),
        title_justify="left",
        title_style="dim",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("Health", justify="right", no_wrap=True)
    table.add_column("Borrower", no_wrap=True)
    table.add_column("Collateral", justify="right")
    table.add_column("Debt", justify="right")
    table.add_column("May be closed", justify="right")
    for row in rows:
        table.add_row(
            Text(health(row.health.health_factor_wad), _style(row.health.health_factor_wad)),
            short(row.borrower),
            _holdings(row.collateral, row.currency),
            _holdings(row.debt, row.currency),
            _closable(row),
        )
    return table


def _title(market: str, row: ScanRow) -> str:
    """Return a market's name, and its two tokens where it is an isolated one: it counts in what is lent."""
    if row.currency == DOLLARS:
        return short_market(market)
    held = " and ".join(one.amount.token.symbol for one in row.collateral)
    return f"{held or 'nothing'} against {row.currency.symbol}  {short_market(market)}"


def _style(health_factor_wad: int) -> str:
    return "bold red" if health_factor_wad < WAD else "yellow"


def _holdings(holdings: Iterable[Holding], currency: Currency) -> Text:
    return Text("\n").join(_valued(holding, currency) for holding in holdings)


def _valued(value: Holding, currency: Currency) -> Text:
    """Return an amount and its worth, left out where it is counted in the same token."""
    if value.amount.token.symbol == currency.symbol:
        return Text(amount(value.amount))
    return Text.assemble(
        amount(value.amount), "\n", (_worth(value.value_base, value.amount, currency), "dim")
    )


def _worth(value_base: int, of: TokenAmount, currency: Currency) -> str:
    """Return what the oracle says that an amount is worth: a dash where it says nothing of it."""
    return "–" if of.raw and not value_base else worth(value_base, currency)


def _closable(row: ScanRow) -> Text:
    """Return the largest close, and how many other pairs there are; or why there is none."""
    if row.closable:
        first, *others = row.closable
        text = _valued(first.repaid, row.currency)
        text.append(f"\nfor {amount(first.seized.amount)}")
        text.append(f"\n{worth(first.seized.value_base, row.currency)}", "dim")
        if others:
            text.append(f"\n+ {len(others)} more pair{'s' if len(others) > 1 else ''}", "dim")
        return text
    if len(row.declined) == 1:
        return Text(str(row.declined[0].why), "yellow")
    if row.declined:
        return Text(", ".join(dict.fromkeys(pair.why.reason.value for pair in row.declined)), "yellow")
    return Text("–", "dim")
