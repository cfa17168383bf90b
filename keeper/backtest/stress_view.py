"""A cascade for a terminal, and as what machines read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keeper.backtest.stress import Cascade, Stress, Struck
from keeper.domain.address import checksum
from keeper.render.as_json import Json, as_json

if TYPE_CHECKING:
    from rich.console import RenderableType

_MOST_SHOWN = 40


def stress_json(told: Stress) -> dict[str, Json]:
    """Return it as what ``json.dumps`` takes; amounts are decimal strings, prices shares of what was."""
    return {
        "head": as_json(told.head),
        "blocks": told.blocks,
        "prices": {one.token.symbol: float(one.factor) for one in told.prices},
        **{("with" if one.feedback else "without") + "_feedback": _cascade(one) for one in told.cascades},
    }


def stress_view(told: Stress) -> RenderableType:
    """Return it for a person: both ways side by side, then each liquidation in its order."""
    from rich.console import Group
    from rich.text import Text

    falls = ", ".join(f"{one.token.symbol} {float(one.factor) - 1:+.1%}" for one in told.prices)
    lines: list[RenderableType] = [
        Text(f"{falls} over {told.blocks} blocks, from block {told.head.number:,} on", style="bold"),
        _side_by_side(told.cascades),
    ]
    for one in told.cascades:
        if one.feedback and one.struck:
            lines += [Text("\nWith feedback, in this order:", style="bold"), _in_order(one.struck)]
    return Group(*lines)


def _side_by_side(cascades: Sequence[Cascade]) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, padding=(0, 3, 0, 0))
    table.add_column("")
    for one in cascades:
        table.add_column(f"{'with' if one.feedback else 'without'} price feedback", justify="right")
    rows = {
        "liquidations": [f"{sum(not s.reverted for s in one.struck):,}" for one in cascades],
        "reverted": [f"{sum(s.reverted for s in one.struck):,}" for one in cascades],
        "the keeper earns": [f"{one.earned_wei / 1e18:,.4f} ETH" for one in cascades],
        "lowest prices": [
            ", ".join(f"{name} {by - 1:+.1%}" for name, by in one.lowest.items()) for one in cascades
        ],
        "below health 1 still": [f"{one.unhealthy:,}" for one in cascades],
        "left because": [
            ", ".join(f"{why} {n}" for why, n in sorted(one.left.items())) or "–" for one in cascades
        ],
        "bad debt": [
            ", ".join(f"{owed:,.0f} {name}" for name, owed in sorted(one.bad_debt.items())) or "none"
            for one in cascades
        ],
        "of so many": [f"{one.bad_debtors:,}" for one in cascades],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def _in_order(struck: Sequence[Struck]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("block", "borrower"):
        table.add_column(column)
    for column in ("repays", "seizes", "earns, ETH"):
        table.add_column(column, justify="right")
    table.add_column("prices")
    for one in struck[:_MOST_SHOWN]:
        table.add_row(
            str(one.block),
            checksum(one.position.borrower),
            str(one.repaid),
            str(one.seized),
            "reverted" if one.reverted else f"{one.realised_wei / 1e18:,.4f}",
            ", ".join(f"{name} {by - 1:+.1%}" for name, by in one.prices.items()),
            style="dim" if one.reverted else "",
        )
    more = len(struck) - _MOST_SHOWN
    return Group(table, Text(f"and {more:,} more", style="dim")) if more > 0 else table


def _cascade(one: Cascade) -> dict[str, Json]:
    struck: list[Json] = [_struck(each) for each in one.struck]
    return {
        "blocks": one.blocks,
        "liquidations": struck,
        "earned_wei": str(one.earned_wei),
        "lowest": dict(one.lowest),
        "unhealthy": one.unhealthy,
        "left": dict(one.left),
        "bad_debt": dict(one.bad_debt),
        "bad_debtors": one.bad_debtors,
    }


def _struck(one: Struck) -> dict[str, Json]:
    return {
        "block": one.block,
        "market": one.position.market,
        "borrower": checksum(one.position.borrower),
        "repaid": as_json(one.repaid),
        "seized": as_json(one.seized),
        "predicted_wei": str(one.predicted_wei),
        "realised_wei": str(one.realised_wei),
        "reverted": one.reverted,
        "prices": dict(one.prices),
    }
