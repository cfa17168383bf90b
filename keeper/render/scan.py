"""The table of `keeper scan`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from keeper.domain.address import Address
from keeper.domain.fixed_point import WAD
from keeper.domain.position import DOLLARS, Currency, Holding
from keeper.domain.report import Followed, ScanReport, ScanRow, Supposed, Trigger, Unpredicted
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
        followed = [Text(f"and with that {line}", "yellow") for line in _followed(report.followed)]
        parts[1:1] = [Text("if " + ", ".join(map(_supposed, report.supposed)), "yellow"), *followed]
    for market in dict.fromkeys(row.market for row in report.rows):
        parts += [Text(), _table(market, [row for row in report.rows if row.market == market])]
    if report.triggers:
        parts += [Text(), _triggers(report.triggers)]
    if report.unpredicted:
        parts += [Text(), *_unpredicted(report.unpredicted)]
    return Group(*parts)


def _supposed(one: Supposed) -> str:
    return f"{one.token.symbol} were worth {float(one.factor) * 100:.6g} % of what it is"


def _followed(followed: Iterable[Followed]) -> Iterator[str]:
    """Yield, for each change, which prices follow by it."""
    by_factor: dict[str, list[str]] = {}
    for one in followed:
        name = one.token.symbol if one.loan is None else f"{one.token.symbol} in {one.loan.symbol}"
        by_factor.setdefault(f"{float(one.factor) * 100:.6g} %", []).append(name)
    for percent, names in by_factor.items():
        yield f"{', '.join(dict.fromkeys(names))} {'is' if len(set(names)) == 1 else 'are'} at {percent}"


def _unpredicted(unpredicted: Iterable[Unpredicted]) -> Iterator[Text]:
    """Yield, for each reason, of which tokens nothing can be foretold."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for one in unpredicted:
        by_reason.setdefault((one.market, one.why), []).append(one.token.symbol)
    for (market, why), symbols in by_reason.items():
        names = ", ".join(dict.fromkeys(symbols))
        yield Text(f"No trigger price of {names} ({short_market(market)}): {why}", "dim")


def _triggers(triggers: Iterable[Trigger]) -> Table:
    """Return, feed by feed, the prices at which the next borrower falls, the nearest first."""
    table = Table(
        title="Trigger prices: a feed reports this, and the next borrower falls below 1",
        title_justify="left",
        title_style="dim",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("Feed", no_wrap=True)
    table.add_column("Change", justify="right", no_wrap=True)
    table.add_column("Reports", justify="right")
    table.add_column("Prices then", no_wrap=True)
    table.add_column("Borrower", no_wrap=True)
    table.add_column("Market")
    by_feed: dict[tuple[str, Address, int], list[Trigger]] = {}
    for one in triggers:
        by_feed.setdefault((one.market, one.feed_address, one.feed_change_bps), []).append(one)
    for moved in sorted(by_feed.values(), key=lambda of_feed: abs(of_feed[0].feed_change_bps)):
        first = moved[0]
        table.add_row(
            first.feed,
            f"{first.feed_change_bps / 100:+.2f} %",
            f"{float(first.feed_answer):,.6g}",
            "\n".join(map(_moved, moved)),
            short(first.borrower),
            short_market(first.market),
        )
    return table


def _moved(one: Trigger) -> str:
    """Return a token, its price, and its change where that is another than the feed's."""
    told = [one.token.symbol]
    if one.price is not None:
        told.append(f"${float(one.price):,.6g}")
    if one.change_bps != one.feed_change_bps:
        told.append(f"{one.change_bps / 100:+.2f} %")
    return " ".join(told)


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
