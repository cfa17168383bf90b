"""The page of `keeper demo`: each liquidation with its waterfall, what went against it, and the totals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from keeper.devnet.attacks import AttackResult
from keeper.devnet.demo.play import Progress
from keeper.devnet.demo.report import (
    BadDebt,
    DemoReport,
    Liquidation,
    LostRace,
    Recovery,
    Sandwich,
    protocol_of,
)
from keeper.domain.address import Address
from keeper.domain.depth import Flow, Hop, Route
from keeper.domain.fixed_point import BPS, WAD
from keeper.domain.plan import Close
from keeper.domain.position import DOLLARS, PositionId
from keeper.domain.token import TokenAmount
from keeper.render.figures import amount, gwei, native, number, short, short_hash, worth

Value = TypeVar("Value")

_PLACES = {"aave-v3": "Aave", "morpho": "Morpho", "morpho-pre": "early"}
_PLACE_COLUMNS = max(map(len, _PLACES.values()))

_LENDERS = {
    "aave-v3": "Aave",
    "balancer-v2": "Balancer",
    "morpho": "Morpho",
    "uniswap-v3": "Uniswap",
    "vault": "vault",
}
"""By the beginnings of their names; without one a position's own callback pays."""

_ONE_LINE = 150
"""Columns from which on a liquidation's routes fit beside its figures."""
_ROOMY = 96
"""Columns from which on there is room for a fourth decimal."""


def progress_line(progress: Progress) -> Text:
    """Return where the play is, in a line."""
    prices = (f"{symbol} {worth(price, DOLLARS)}" for symbol, price in progress.prices_base.items())
    line = Text.assemble(
        (f"step {progress.step:>2}/{progress.steps} ", "dim"),
        f"block {progress.block_number}",
        ("  unhealthy ", "dim"),
        f"{progress.unhealthy:>2}",
        ("  liquidated ", "dim"),
        (f"{progress.liquidated:>2}", "bold green"),
        ("  lost ", "dim"),
        str(progress.lost),
        "  ",
        ("  ".join(prices), "cyan"),
    )
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def demo_view(report: DemoReport, *, width: int, rows: int | None = None) -> RenderableType:
    """Return the page, for so many columns; with at most so many `rows` of liquidations."""
    symbols = report.symbols
    return Group(
        Text.assemble(
            ("Aave V3.6, Morpho Blue, Uniswap V3 and V2 on a local chain", "bold"),
            f": a crash in {report.steps} steps and {report.blocks} blocks, seed {report.seed}",
        ),
        _liquidations(report, width=width, rows=rows),
        *_section("Races that the rival won", (_lost(one) for one in report.lost)),
        *_section("A sandwich, on a fork", (_sandwich(one, symbols) for one in _present(report.sandwich))),
        *_section("The operator's key, stolen, on a fork", map(_attack, report.attacks)),
        *_section("kill -9 in mid-send", (_recovery(one) for one in _present(report.recovery))),
        *_section("Bad debt", map(_bad_debt, report.bad_debts)),
        *_section(
            "Left alone",
            (Text.assemble(*_whose(position), f"  {why}") for position, why in report.declined.items()),
        ),
        *_section(
            "Overlooked",
            (
                Text.assemble(
                    *_whose(one.position),
                    f"  in block {one.block_number} a full close of {one.debt} for {one.collateral} would "
                    f"have made {native(one.net_wei)}",
                    style="bold red",
                )
                for one in report.overlooked
            ),
        ),
        *_section("Totals", [_totals(report)]),
        Text(),
        *_verdict(tuple(report.broken())),
    )


def _place(market: str) -> str:
    """Return where a position is, in a word."""
    return _PLACES[protocol_of(market)]


def _whose(position: PositionId) -> tuple[tuple[str, str], str]:
    """Return whose position something is about, and where it is."""
    return (short(position.borrower), "bold"), f" at {_place(position.market)}"


# --- liquidations -------------------------------------------------------------------------------------------


def _liquidations(report: DemoReport, *, width: int, rows: int | None) -> RenderableType:
    one_line, decimals = width >= _ONE_LINE, 4 if width >= _ROOMY else 3
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), expand=True)
    if one_line:
        table.add_column("Block", style="dim", justify="right", no_wrap=True)
        table.add_column("Position", no_wrap=True)
        table.add_column("Closed", justify="right", no_wrap=True)
        table.add_column("Lent by", no_wrap=True)
        table.add_column("Sold through", ratio=1, overflow="fold")
    else:
        table.add_column("Block, position, closed, lent by\nsold through", ratio=1, overflow="fold")
    for name in ("bonus", "−impact", "−flash", "−gas"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("=net", justify="right", no_wrap=True, style="bold green")
    for name in ("50%", "all"):
        table.add_column(name, justify="right", no_wrap=True, style="dim")
    for one in report.liquidations[:rows]:
        told = (_one_line if one_line else _two_lines)(one, report.symbols)
        table.add_row(*told, *(_coins(wei, decimals) for wei in _figures(one)))
    note = Text(style="dim")
    if left_out := len(report.liquidations) - len(report.liquidations[:rows]):
        note.append(f"… and {left_out} more. ")
    note.append(
        "In WETH; Uniswap V3's pools by their fees in bps, v2: Uniswap V2's pairs. Lent by –: the position's "
        "own callback pays. 50% and all: what a plain half and a full close of the same pair would have made "
        "in that place, after gas, by the referee through the best single pool; – where it is refused or "
        "does not earn what it costs. early: a pre-liquidation beside Morpho, by a stand-in for its contract."
    )
    return Group(table, note)


def _one_line(one: Liquidation, symbols: Mapping[Address, str]) -> tuple[RenderableType, ...]:
    draft = one.plan.draft
    share = "+".join(_percent(close.close_factor_bps) for close in draft.closes)
    position = f"{_place(draft.market):<{_PLACE_COLUMNS}} {short(draft.borrower)}"
    return str(one.block_number), position, share, _lender(draft.funding), _paths(draft.closes, symbols)


def _two_lines(one: Liquidation, symbols: Mapping[Address, str]) -> tuple[RenderableType, ...]:
    block, position, share, lender, path = _one_line(one, symbols)
    return (Text.assemble((f"{block} ", "dim"), f"{position} {share:>6} {lender}\n", (f"{path}", "dim")),)


def _figures(one: Liquidation) -> Iterator[int | None]:
    """Yield the waterfall down to what was realised, and what else could have been."""
    fall, instead = one.plan.waterfall, one.comparison
    yield from (fall.bonus_wei, fall.price_impact_wei, fall.flash_fee_wei, one.gas_wei, one.realised_wei)
    yield from (instead.half_wei, instead.full_wei)


def _paths(closes: Sequence[Close], symbols: Mapping[Address, str]) -> str:
    """Return the paths of several closes, of those that are the same one alone."""
    return ", then ".join(dict.fromkeys(_path(close, symbols) for close in closes))


def _path(close: Close, symbols: Mapping[Address, str]) -> str:
    """Return what was sold, through which pools: ``WBTC→30→USDC, rest→5→WETH``."""
    parts = (_flows(close.buys, symbols), _flows(close.sells, symbols))
    return f"{close.seized.token.symbol}{', rest'.join(filter(None, parts))}"


def _flows(flows: Sequence[Flow], symbols: Mapping[Address, str]) -> str:
    """Return parallel routes with their shares: ``→30→USDC``, or ``(63%→30→USDC 37%→5→USDC)``."""
    if len(flows) <= 1:
        return _hops(flows[0].route, symbols) if flows else ""
    whole = sum(flow.amount_in_raw for flow in flows)
    shares = [flow.amount_in_raw * 100 // whole for flow in flows]
    shares[-1] += 100 - sum(shares)  # the largest, which comes last, has what the others' rounding leaves
    parts = (f"{share}%{_hops(flow.route, symbols)}" for share, flow in zip(shares, flows, strict=True))
    return f"({' '.join(parts)})"


def _hops(route: Route, symbols: Mapping[Address, str]) -> str:
    return "".join(f"→{_pool(hop)}→{symbols[hop.token_out]}" for hop in route.hops)


def _pool(hop: Hop) -> str:
    return "v2" if hop.venue == "uniswap-v2" else number(hop.fee_ppm, 100)


def _lender(funding: str) -> str:
    return _LENDERS.get(funding.partition(":")[0], "–")


def _percent(share_bps: int) -> str:
    return f"{share_bps // 100}.{share_bps % 100 // 10}%"


def _coins(value_wei: int | None, decimals: int) -> str:
    """Return an amount to so many decimals, rounded toward zero; a dash for none."""
    if value_wei is None:
        return "–"
    whole, fraction = divmod(abs(value_wei) * 10**decimals // WAD, 10**decimals)
    sign = "-" if value_wei < 0 and (whole or fraction) else ""
    return f"{sign}{whole:,}.{fraction:0{decimals}}"


# --- what went against it -----------------------------------------------------------------------------------


def _lost(lost: LostRace) -> Text:
    draft, fees = lost.plan.draft, lost.plan.fees
    seized = TokenAmount(token=draft.close.seized.token, raw=lost.rival_seized_raw)
    return Text.assemble(
        *_whose(draft.position),
        f"  block {lost.block_number}: the rival bid {gwei(lost.rival_priority_fee_wei)} a gas, where ours "
        f"bid {gwei(fees.max_priority_fee_per_gas_wei)}, and stood at place {lost.rival_place + 1} before "
        f"our {lost.place + 1}. It paid {native(lost.rival_paid_wei)} for gas and seized {amount(seized)}; "
        f"ours saw that at its first look and ended after {lost.gas_used:,} gas: ",
        (f"−{native(lost.gas_wei)}", "bold"),
    )


def _sandwich(tried: Sandwich, symbols: Mapping[Address, str]) -> Text:
    draft = tried.plan.draft
    sold, lost = (
        amount(TokenAmount(token=draft.close.seized.token, raw=raw))
        for raw in (tried.sold_raw, tried.lost_raw)
    )
    pools = ", ".join(f"{symbols[hop.token_in]}/{symbols[hop.token_out]} {_pool(hop)}" for hop in tried.hops)
    ended = (
        f"{native(tried.profit_wei)} would have reached the vault, the floor is {native(draft.floor_wei)}: "
        "all was undone"
        if tried.profit_wei is not None
        else f"it ended with {tried.error or 'the transaction going through'}"
    )
    return Text.assemble(
        *_whose(draft.position),
        f"  before the keeper's transaction the attacker sold {sold} into {pools}, and sold back after it; "
        f"{ended}. The attacker is left with {lost} less. ",
        _taken(tried.taken_wei),
    )


def _attack(attack: AttackResult) -> Text:
    return Text.assemble(
        (attack.name, "bold"),
        f"  {attack.explanation} An executor with an allow-list loses "
        f"{native(attack.taken_from_allow_list_wei)} WETH to it; ours and its vault: ",
        _taken(attack.taken_wei),
    )


def _taken(taken_wei: int) -> tuple[str, str]:
    return f"taken: {taken_wei}", "bold red" if taken_wei else "bold green"


def _recovery(recovery: Recovery) -> Text:
    found = (
        "found it waiting in the mempool and did not send it again"
        if recovery.found is None
        else f"found it {recovery.found}"
    )
    times = "once" if recovery.liquidations == 1 else f"{recovery.liquidations} times"
    return Text.assemble(
        *_whose(recovery.position),
        f"  killed when {short_hash(recovery.hash)} was out and the answer was not in. Restarted, it "
        f"{found}, and decided upon the same head {recovery.back_after_s:.1f} s after the kill. Block "
        f"{recovery.block_number} liquidates it {times}.",
    )


def _bad_debt(bad: BadDebt) -> Text:
    told = []
    if bad.written_off_base:
        told.append(f"{worth(bad.written_off_base, DOLLARS)} written off")
    if bad.uncovered_base:
        told.append(f"{worth(bad.uncovered_base, DOLLARS)} more owed than there is collateral")
    return Text.assemble(*_whose(bad.position), f"  {', '.join(told)}")


# --- totals -------------------------------------------------------------------------------------------------


def _totals(report: DemoReport) -> RenderableType:
    predicted_wei, realised_wei = report.predicted_wei, report.realised_wei
    apart = abs(realised_wei - predicted_wei) * BPS / max(abs(predicted_wei), 1)
    halves_wei = sum(max(one.comparison.half_wei or 0, 0) for one in report.liquidations)
    fulls_wei = sum(max(one.comparison.full_wei or 0, 0) for one in report.liquidations)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(
        "borrowers",
        f"{report.borrowers}; {len(report.unhealthy)} positions fell below health 1: "
        f"{len(report.liquidated)} liquidated ({_by_place(report)}) in {len(report.liquidations)} "
        f"transactions, "
        f"{len(report.lost)} races lost, {len(report.declined)} declined, "
        f"{len(report.overlooked)} overlooked, {len(report.failures)} reverted",
    )
    grid.add_row("predicted", f"{native(predicted_wei)} WETH after gas, journalled before anything was sent")
    grid.add_row(
        "realised",
        Text.assemble(
            (f"{native(realised_wei)} WETH", "bold green"),
            f" after gas, by the vault's balance and the receipts: {apart:.2f} bp apart",
        ),
    )
    grid.add_row(
        "instead", f"{native(halves_wei)} WETH by plain halves, {native(fulls_wei)} WETH by full closes"
    )
    grid.add_row("lost races", f"{native(sum(one.gas_wei for one in report.lost))} for their gas")
    grid.add_row("attacks", Text.assemble(_taken(report.taken_wei), " wei"))
    grid.add_row("time", f"{report.seconds:.1f} s")
    return grid


def _by_place(report: DemoReport) -> str:
    return ", ".join(
        f"{count} {_place(protocol)}" for protocol, count in report.liquidated_by_protocol.items() if count
    )


def _verdict(broken: Sequence[str]) -> Iterable[Text]:
    if not broken:
        return [Text("Every promise holds.", "bold green")]
    return [Text(f"Broken promise: {promise}", "bold red") for promise in broken]


def _section(title: str, parts: Iterable[RenderableType]) -> list[RenderableType]:
    """Return a heading and what is under it; nothing where nothing is."""
    held = [Padding(part, (0, 0, 0, 2)) for part in parts]
    return [Text(), Text(title, "bold"), *held] if held else []


def _present(value: Value | None) -> list[Value]:
    return [] if value is None else [value]
