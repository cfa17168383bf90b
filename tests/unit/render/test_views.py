"""What a person sees: everything that matters is on the page, and the page fits."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from keeper.domain.address import checksum
from keeper.domain.declined import Declined, Reason
from keeper.domain.plan import Close
from keeper.domain.position import Currency, DeclinedPair, Holding, Interval
from keeper.domain.report import CheckLine, OtherPosition, PlanReport
from keeper.domain.token import TokenAmount
from keeper.render.check import check_view, deploy_env, deploy_view
from keeper.render.plan import feasible, plan_view
from keeper.render.scan import scan_view
from tests.unit.render.reports import (
    BORROWER,
    DEPLOY_REPORT,
    PLAN,
    PLAN_REPORT,
    SCAN_REPORT,
    UNPROFITABLE,
    USDC,
)

CHECKS = (
    CheckLine(name="chain", ok=True, detail="1 (Ethereum)", advice="never shown"),
    CheckLine(name="executor", ok=False, detail="no code", advice="deploy one with `keeper deploy`"),
)


def shown(view: RenderableType, *, width: int = 100) -> str:
    out = StringIO()
    Console(file=out, width=width, highlight=False, color_system=None).print(view)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize(
    "view",
    [scan_view(SCAN_REPORT), plan_view(PLAN_REPORT), check_view(CHECKS), deploy_view(DEPLOY_REPORT)],
    ids=["scan", "plan", "check", "deploy"],
)
def test_view__usual_widths__no_line_is_wider_and_no_figure_cut(view: RenderableType, width: int) -> None:
    text = shown(view, width=width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert not [word for word in text.split() if word.endswith("…") and word != "…"], "cut short"


def test_scan_view__positions__worst_first_with_what_may_be_closed() -> None:
    text = shown(scan_view(SCAN_REPORT))
    assert "3 of 48,213 positions are below 1.0500 at block 21,000,000" in text
    assert text.index("0.9812") < text.index("0.9999") < text.index("1.0499")
    for figure in ("1,207.39 WETH", "$2,897,746", "1,209,165.53 USDC", "for 528.989 WETH", "+ 1 more pair"):
        assert figure in text
    assert "paused" in text
    assert "could not be read: getReservesList reverted" in text


def test_scan_view__an_isolated_market__named_by_its_tokens_and_no_amount_told_twice() -> None:
    row = SCAN_REPORT.rows[0]
    owes = Holding(amount=TokenAmount(token=USDC, raw=500_000_000), value_base=500_000_000)
    has = replace(row.collateral[0], value_base=0)
    silent = Declined(reason=Reason.ZERO_PRICE, detail="the oracle reverts for WETH")
    isolated = replace(
        row,
        market="morpho:0xBBBBBbbBBb9cC5e90e3b3Af64bdAF62C37EEFFCb/0x" + 32 * "3a",
        currency=Currency(symbol="USDC", unit_base=10**6),
        collateral=(has,),
        debt=(owes,),
        closable=(),
        declined=(DeclinedPair(collateral=has.amount.token, debt=USDC, why=silent),),
    )
    text = shown(scan_view(replace(SCAN_REPORT, rows=(isolated,), skipped=())), width=120)
    assert f"{has.amount.token.symbol} against USDC  morpho:0xBBBB…FFCb/0x3a3a…3a3a" in text
    assert text.count("500 USDC") == 1
    assert "zero price: the oracle reverts for WETH" in text
    assert "0 USDC" not in text.replace("500 USDC", ""), "what has no price is not worth nothing"


def test_scan_view__nothing_found__says_so() -> None:
    text = shown(scan_view(replace(SCAN_REPORT, rows=(), skipped=())))
    assert text.strip() == "None of 48,213 positions is below 1.0500 at block 21,000,000"


def test_plan_view__other_positions_of_the_borrower__told_with_their_health() -> None:
    other = OtherPosition(market="morpho:0xBBBB/0x3a", health_factor_wad=10**18)
    text = shown(plan_view(replace(PLAN_REPORT, others=(other,))))
    assert "Also        health 1.0000 in morpho:0xBBBB/0x3a" in text


def test_plan_view__chosen__every_pair_size_hole_and_the_waterfall() -> None:
    text = shown(plan_view(PLAN_REPORT))
    for said in (
        checksum(BORROWER),
        "may repay up to 1,208,165.53, or exactly 1,209,165.53 USDC",
        "● max_profit",
        "WETH →0.05%→ USDC",
        "WBTC →0.3%→ WETH →0.01%→ USDC",
        "restore_health: dust: no feasible repay brings health to 1.02",
        "max_close: unprofitable",
        "paused: the WBTC reserve is paused",
        "− gas 0.006791 = 9.553375",
        "512,345 used in simulation",
        "9.082000 WETH must reach the vault",
    ):
        assert said in text
    assert text.count("●") == 1


def test_plan_view__several_lenders__each_with_its_cost_or_why_it_would_not_do() -> None:
    lines = shown(plan_view(PLAN_REPORT)).splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("funded by  aave"))
    told = [" ".join(line.split()) for line in lines[first : first + 4]]
    assert told == [
        "funded by aave-v3:0x8787…A4E2 for 604.582 USDC 63,000 gas",
        "uniswap-v3-flash for 602.113 USDC 41,000 gas",
        "balancer-v2:0xBA12…F2C8 lends no more than 200,000 USDC",
        "pancake-v3-flash is sold into",
    ]


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (replace(PLAN_REPORT, decision=UNPROFITABLE), "unprofitable: -0.003211 after 0.006791 of gas"),
        (replace(PLAN_REPORT, decision=None, pairs=(), declined=()), "Healthy: nothing may be closed."),
    ],
)
def test_plan_view__not_chosen__says_why(report: PlanReport, said: str) -> None:
    text = shown(plan_view(report))
    assert said in text
    assert "●" not in text


def test_plan_view__resting_on_what_nobody_verified__says_so() -> None:
    assert "unverified" not in shown(plan_view(PLAN_REPORT))
    doubtful = replace(PLAN, draft=replace(PLAN.draft, caveat="pool revision 12 is not known"))
    text = shown(plan_view(replace(PLAN_REPORT, decision=doubtful)))
    assert "unverified" in text
    assert "pool revision 12 is not known" in text


def test_plan_view__tip__a_line_of_its_own() -> None:
    pair = PLAN_REPORT.pairs[0]
    assert isinstance(pair.max_profit, Close)
    tipped = replace(pair.max_profit, waterfall=replace(pair.max_profit.waterfall, tip_wei=10**18))
    report = replace(PLAN_REPORT, pairs=(replace(pair, max_profit=tipped),))
    assert "− tip" in shown(plan_view(report))
    assert "− tip" not in shown(plan_view(PLAN_REPORT))


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ((), "nothing"),
        (((1, 5_000_000),), "up to 5 USDC"),
        (((7_000_000, 7_000_000),), "exactly 7 USDC"),
        (((1, 5_000_000), (6_000_000, 7_000_000)), "up to 5, or 6 to 7 USDC"),
    ],
)
def test_feasible__holes__in_words(intervals: tuple[tuple[int, int], ...], expected: str) -> None:
    found = [Interval(least_raw=least, most_raw=most) for least, most in intervals]
    assert feasible(found, USDC) == expected


def test_check_view__failure__with_what_to_do_about_it() -> None:
    text = shown(check_view(CHECKS))
    assert text.splitlines()[0].split() == ["ok", "chain", "1", "(Ethereum)"]
    assert "FAIL" in text
    assert "deploy one with `keeper deploy`" in text
    assert "never shown" not in text


def test_deploy_env__addresses__as_the_settings_read_them() -> None:
    assert deploy_env(DEPLOY_REPORT).splitlines() == [
        f"KEEPER_EXECUTOR={checksum(DEPLOY_REPORT.executor)}",
        f"KEEPER_VAULT={checksum(DEPLOY_REPORT.vault)}",
    ]
