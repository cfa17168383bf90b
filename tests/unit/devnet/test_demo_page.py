"""The page tells everything, at every width, and fits into it."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from keeper.devnet.demo.command import draw
from keeper.devnet.demo.page import demo_view, progress_line
from keeper.devnet.demo.play import Progress
from keeper.devnet.demo.report import DemoReport
from keeper.domain.depth import Flow, Route
from keeper.render.figures import short
from tests.unit.devnet.demo_reports import FAILURE, LIQUIDATIONS, OVERLOOKED, REPORT


def _page(report: DemoReport, width: int) -> str:
    console = Console(file=StringIO(), width=width, highlight=False)
    console.print(demo_view(report, width=width))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_demo_view__any_width__tells_all_and_fits(width: int) -> None:
    page = _page(REPORT, width)
    assert max(map(cell_len, page.splitlines())) <= width
    told = " ".join(page.split())
    for one in LIQUIDATIONS:
        assert short(one.plan.draft.borrower) in told
    for title in ("Races that the rival won", "sandwich", "stolen", "kill -9", "Bad debt", "Left alone"):
        assert title in told
    assert told.count("taken: 0") == 5  # the sandwich, three attacks, and the total
    assert "$3,169 written off" in told
    assert "Every promise holds." in told
    assert "Overlooked" not in told


def test_demo_view__wide__each_liquidation_is_one_line() -> None:
    lines = _page(REPORT, 160).splitlines()
    (line,) = (line for line in lines if short(LIQUIDATIONS[0].plan.draft.borrower) in line and "501" in line)
    assert line.split() == [
        "501", "Morpho", "0x0101…0101", "24.8%", "Aave", "WETH→5→USDC",
        "12.0420", "2.2400", "0.2418", "0.0100", "8.9900", "–", "7.0000",
    ]  # fmt: skip


def test_demo_view__several_routes__each_with_its_share_its_venue_and_the_lender() -> None:
    one = LIQUIDATIONS[0]
    close = one.plan.draft.close
    (whole,) = close.buys
    (hop,) = whole.route.hops
    pair = Route(hops=(replace(hop, venue="uniswap-v2", fee_ppm=3000),))
    parts = (Flow(route=whole.route, amounts_raw=(3, 2)), Flow(route=pair, amounts_raw=(1, 1)))
    draft = replace(
        one.plan.draft, closes=(replace(close, buys=parts),), funding="the liquidation's own callback"
    )
    split = replace(one, plan=replace(one.plan, draft=draft))
    told = " ".join(_page(replace(REPORT, liquidations=(split,)), 160).split())
    assert "24.8% – WETH(75%→5→USDC 25%→v2→USDC)" in told


def test_demo_view__rows_given__the_others_are_counted() -> None:
    console = Console(file=StringIO(), width=120, highlight=False)
    console.print(demo_view(REPORT, width=120, rows=4))
    assert isinstance(console.file, StringIO)
    assert "… and 6 more." in console.file.getvalue()


def test_demo_view__broken_promises__are_named() -> None:
    page = _page(replace(REPORT, overlooked=(OVERLOOKED,), failures=(FAILURE,)), 120)
    assert "Broken promise: overlooked: 1" in page
    assert "Broken promise: reverted: 1" in page
    assert "a full close of USDC for WETH would have made 1.000000" in page
    assert "Every promise holds." not in page


def test_demo_view__nothing_landed__is_shown_all_the_same() -> None:
    page = _page(replace(REPORT, liquidations=(), vault_wei=0, claimed_wei=0), 80)
    assert "Broken promise: liquidated: 0" in page


def test_progress_line__fits_into_a_terminal() -> None:
    prices = {"WETH": 2_969 * 10**8, "WBTC": 88_378 * 10**8, "wstETH": 3_622 * 10**8}
    progress = Progress(
        step=2, steps=16, block_number=537, prices_base=prices, unhealthy=3, liquidated=1, lost=1
    )
    line = progress_line(progress)
    assert line.cell_len < 120
    for told in ("2/16", "537", "$2,969", "unhealthy  3", "liquidated  1", "lost 1"):
        assert told in line.plain


def test_draw__writes_an_svg(tmp_path: Path) -> None:
    draw(REPORT, tmp_path / "demo.svg")
    drawn = (tmp_path / "demo.svg").read_text()
    assert drawn.startswith("<svg")
    assert "taken" in drawn
    assert "@font-face" not in drawn
    assert "http" not in drawn.replace("http://www.w3.org", "").replace("https://www.textualize.io", "")
