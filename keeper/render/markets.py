"""The list of known markets, for a person."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from keeper.domain.address import checksum
from keeper.markets import Directory


def markets_view(known: Directory) -> RenderableType:
    """Return the markets as a table: what KEEPER_MARKETS takes, the chain, the address."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("Market", no_wrap=True)
    table.add_column("Chain", no_wrap=True)
    table.add_column("Address", no_wrap=True)
    for one in known.markets:
        table.add_row(f"{one.protocol}:{one.name}", one.chain, checksum(one.address))
    return Group(table, Text(), Text(f"Aave's from {known.source}; any other by its address.", "dim"))
