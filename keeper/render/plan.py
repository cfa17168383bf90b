"""The page of `keeper plan`: every pair, its three sizes side by side, and the decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from keeper.domain.address import Address, checksum
from keeper.domain.declined import Declined
from keeper.domain.depth import Flow, Route
from keeper.domain.fixed_point import BPS, WAD
from keeper.domain.plan import Close, Decision, Objective, Plan
from keeper.domain.position import Interval
from keeper.domain.report import PairReport, PlanReport
from keeper.domain.token import Token, TokenAmount
from keeper.render.figures import (
    amount,
    carried,
    gwei,
    health,
    native,
    number,
    percent,
    short_market,
    waterfall,
    worth,
)

_NET = "= net"


def plan_view(report: PlanReport) -> RenderableType:
    """Return the decision explained."""
    parts: list[RenderableType] = [_heading(report)]
    for pair in report.pairs:
        parts += [Text(), _pair(pair, report)]
    for ruled_out in report.declined:
        parts += [
            Text(),
            Text.assemble((_name(ruled_out.collateral, ruled_out.debt), "bold"), f"  {ruled_out.why}"),
        ]
    return Group(*parts, Text(), _decision(report))


def _heading(report: PlanReport) -> Table:
    unhealthy = report.health.health_factor_wad < WAD
    collateral, debt = (
        worth(value, report.currency) for value in (report.health.collateral_base, report.health.debt_base)
    )
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    grid.add_row("Borrower", checksum(report.borrower))
    grid.add_row("Market", short_market(report.market))
    grid.add_row(
        "Health", Text(health(report.health.health_factor_wad), "bold red" if unhealthy else "bold green")
    )
    grid.add_row("Position", f"{collateral} of collateral, {debt} of debt")
    for other in report.others:
        grid.add_row("Also", f"health {health(other.health_factor_wad)} in {short_market(other.market)}")
    grid.add_row(
        "Decided on",
        f"block {report.head.number:,}, for block {report.block.number:,} "
        f"at a base fee of {gwei(report.block.base_fee_wei)}",
    )
    return grid


def _name(collateral: Token, debt: Token) -> str:
    return f"Seize {collateral.symbol} for {debt.symbol}"


def feasible(intervals: Sequence[Interval], debt: Token) -> str:
    """Return what may be repaid in words: ``up to 500 USDC, or exactly 1,000 USDC``."""
    if not intervals:
        return "nothing"
    said = []
    for interval in intervals:
        most = number(interval.most_raw, debt.unit_raw)
        if interval.least_raw == interval.most_raw:
            said.append(f"exactly {most}")
        elif interval.least_raw <= 1:
            said.append(f"up to {most}")
        else:
            said.append(f"{number(interval.least_raw, debt.unit_raw)} to {most}")
    return f"{', or '.join(said)} {debt.symbol}"


def routes(flows: Sequence[Flow], symbols: Mapping[Address, str]) -> str:
    """Return parallel routes, a line each with its share; a dash where nothing is swapped."""
    if len(flows) <= 1:
        return route(flows[0].route, symbols) if flows else "–"
    whole = sum(flow.amount_in_raw for flow in flows)
    return "\n".join(
        f"{percent(flow.amount_in_raw * BPS // whole)} {route(flow.route, symbols)}" for flow in flows
    )


def route(taken: Route, symbols: Mapping[Address, str]) -> str:
    """Return a route by its tokens and fees: ``WETH →0.05%→ USDC``."""
    text = _symbol(taken.hops[0].token_in, symbols)
    for hop in taken.hops:
        text += f" →{number(hop.fee_ppm, 10_000)}%→ {_symbol(hop.token_out, symbols)}"
    return text


def _symbol(token: Address, symbols: Mapping[Address, str]) -> str:
    return symbols.get(token) or checksum(token)[:8] + "…"


def _pair(pair: PairReport, report: PlanReport) -> RenderableType:
    sizes = {objective: pair.size(objective) for objective in Objective}
    chosen = _chosen(report.decision)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("", style="dim", no_wrap=True)
    for objective in sizes:
        mark = "● " if chosen == (pair.collateral, pair.debt, objective) else ""
        table.add_column(
            Text(mark + objective.value, "bold green" if mark else "bold"), justify="right", overflow="fold"
        )
    tipped = any(isinstance(size, Close) and size.waterfall.tip_wei for size in sizes.values())
    for label, cell in _rows(report, tipped=tipped):
        cells = [cell(size) if isinstance(size, Close) else Text("–", "dim") for size in sizes.values()]
        table.add_row(label, *cells, style="bold" if label == _NET else None)
    refused = [
        Text.assemble((f"{objective.value}: ", "bold"), (str(size), "yellow"))
        for objective, size in sizes.items()
        if isinstance(size, Declined)
    ]
    heading = Text.assemble(
        (_name(pair.collateral, pair.debt), "bold"), "   may repay ", feasible(pair.feasible, pair.debt)
    )
    if len(refused) == len(sizes):
        return Group(heading, *refused)
    return Group(heading, table, *([_lenders(pair)] if pair.lenders else []), *refused)


def _lenders(pair: PairReport) -> Table:
    """Return who could pay for the most profitable size, and what each would cost."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    for _ in range(3):
        grid.add_column(overflow="fold")
    for place, lender in enumerate(pair.lenders):
        token = lender.borrowed.token
        if lender.would_do:
            cost = f"for {amount(TokenAmount(token=token, raw=lender.fee_raw))}", f"{lender.gas:,} gas"
        elif lender.sold_into:
            cost = "is sold into", ""
        else:
            cost = f"lends no more than {amount(TokenAmount(token=token, raw=lender.available_raw))}", ""
        label = "" if place else "funded by" if lender.taken else "fundable by"
        style = None if lender.taken else "dim"
        grid.add_row(label, short_market(lender.name), *cost, style=style)
    return grid


def _rows(report: PlanReport, *, tipped: bool) -> list[tuple[str, Callable[[Close], str]]]:
    """Return the table's lines: a label, and what it shows of a size."""
    coin = report.native.symbol
    tip: list[tuple[str, Callable[[Close], str]]] = []
    if tipped:
        tip.append(("− tip", lambda close: native(close.waterfall.tip_wei)))
    return [
        ("repays", lambda close: amount(close.repaid)),
        ("of the debt", lambda close: percent(close.close_factor_bps)),
        ("seizes", lambda close: amount(close.seized)),
        ("health after", lambda close: health(close.health_factor_after_wad)),
        ("buys through", lambda close: routes(close.buys, report.symbols)),
        ("surplus through", lambda close: routes(close.sells, report.symbols)),
        (f"bonus, {coin}", lambda close: native(close.waterfall.bonus_wei)),
        ("− price impact", lambda close: native(close.waterfall.price_impact_wei)),
        ("− flash fee", lambda close: native(close.waterfall.flash_fee_wei)),
        *tip,
        ("− gas", lambda close: native(close.waterfall.gas_wei) if close.waterfall.gas_wei else "?"),
        (_NET, lambda close: native(close.waterfall.net_wei)),
    ]


def _chosen(decision: Decision | None) -> tuple[Token, Token, Objective] | None:
    """Return the pair and the size that will be sent, where anything will."""
    if not isinstance(decision, Plan):
        return None
    close, *others = decision.draft.closes
    return None if others else (close.seized.token, close.repaid.token, decision.draft.objective)


def _decision(report: PlanReport) -> RenderableType:
    match report.decision:
        case None:
            return Panel("Healthy: nothing may be closed.", title="Nothing to do", border_style="green")
        case Declined() as why:
            return Panel(str(why), title="Declined", title_align="left", border_style="yellow")
        case Plan() as plan:
            return Panel(_plan(plan, report), title="Chosen", title_align="left", border_style="green")


def _plan(plan: Plan, report: PlanReport) -> RenderableType:
    draft = plan.draft
    coin = report.native.symbol
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for place, close in enumerate(draft.closes):
        rest = "of the debt" if place == 0 else "of what is left"
        grid.add_row(
            draft.objective.value if place == 0 else "then",
            f"repay {amount(close.repaid)} ({percent(close.close_factor_bps)} {rest}), "
            f"seize {amount(close.seized)}",
        )
    if draft.carry is None:
        fees = ", ".join(amount(close.flash_fee) for close in draft.closes)
        grid.add_row("funded by", f"{draft.funding}, for {fees}")
        grid.add_row(f"in {coin}", Text(waterfall(plan.waterfall), "bold"))
    else:
        grid.add_row("carried", carried(draft.carry))
        grid.add_row("paid by", f"the vault {checksum(draft.carry.vault)}, for good")
        gain = f"as booked {native(draft.carry.gain_wei)} − gas {native(plan.waterfall.gas_wei)}"
        grid.add_row(f"in {coin}", Text(f"{gain} = {native(plan.worth_wei)}, not earned yet", "bold"))
    grid.add_row("gas", f"{plan.gas_used:,} used in simulation, limit {plan.fees.gas_limit:,}")
    grid.add_row(
        "fees",
        f"at most {gwei(plan.fees.max_fee_per_gas_wei)} per unit, of which "
        f"{gwei(plan.fees.max_priority_fee_per_gas_wei)} priority",
    )
    if draft.carry is None:
        grid.add_row("floor", f"{native(draft.floor_wei)} {coin} must reach the vault, else it reverts")
    if draft.caveat:
        grid.add_row("unverified", Text(draft.caveat, "bold yellow"))
    return grid
