"""The lines of `keeper check`, and the ones that `keeper deploy` prints for ``.env``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from keeper.domain.address import checksum
from keeper.domain.report import CheckLine, DeployReport
from keeper.render.figures import native, short_market


def check_view(lines: Sequence[CheckLine]) -> RenderableType:
    """Return one line for each thing that must hold, with what to do where it does not."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for line in lines:
        told = Text(line.detail)
        if not line.ok and line.advice:
            told.append(f"\n{line.advice}", "yellow")
        grid.add_row(
            Text("ok", "green") if line.ok else Text("FAIL", "bold red"), short_market(line.name), told
        )
    return grid


def deploy_view(report: DeployReport) -> RenderableType:
    """Return what was deployed, and for whom."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("Chain", f"{report.chain_id} ({report.chain_name})")
    grid.add_row("Executor", checksum(report.executor))
    grid.add_row("Vault", checksum(report.vault))
    grid.add_row("Owner", checksum(report.owner))
    grid.add_row("Operator", checksum(report.operator))
    grid.add_row("Cost", f"{native(report.cost_wei)} of the native coin, for gas")
    for transaction in report.transactions:
        grid.add_row("Transaction", "0x" + transaction.hex())
    return grid


def deploy_env(report: DeployReport) -> str:
    """Return the lines for ``.env``."""
    return f"KEEPER_EXECUTOR={checksum(report.executor)}\nKEEPER_VAULT={checksum(report.vault)}"
