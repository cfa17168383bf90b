"""The picture of a plan: as its name says, the same each time, refused before any work where it can't be."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import ConfigError
from keeper.domain.plan import Objective
from keeper.domain.position import DOLLARS, Health
from keeper.domain.report import Curve, CurvePoint, PlanReport
from keeper.render.plot import _laid_out, _Note, plot, plottable
from tests.unit.planner.test_curve import drawn
from tests.unit.planner.test_sizing import small_trade
from tests.unit.render.reports import BORROWER, HEAD, WETH

REPORT = PlanReport(
    head=HEAD,
    block=HEAD.next_block(block_time_s=12),
    market="aave-v3:0x" + "87" * 20,
    borrower=BORROWER,
    health=Health(health_factor_wad=97 * 10**16, collateral_base=12 * 10**11, debt_base=10**12),
    currency=DOLLARS,
    native=WETH,
    objective=Objective.MAX_PROFIT,
    pairs=(),
    declined=(),
    symbols={},
    decision=None,
)


def curve(gas_wei: int | None = 500) -> Curve:
    return drawn(small_trade(owed_raw=400_000, dust_raw=30_000), gas_wei=gas_wei)


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from([8, 25, 34]), st.booleans()), max_size=6))
def test_laid_out__any_sizes__no_label_covers_another_or_the_line_to_one_above(
    sizes: list[tuple[float, int, bool]],
) -> None:
    notes = [
        _Note(x=x, y=0.0, names=("a size",), said="x" * said, colour="", strong=strong)
        for x, said, strong in sorted(sizes)
    ]
    labels = list(_laid_out(notes))
    assert [note for note, _, _ in labels] == notes
    for at, (note, left, row) in enumerate(labels):
        assert -1 <= left <= 101.5 - note.wide
        for other, other_left, other_row in labels[at + 1 :]:
            assert other_row != row or other_left >= left + note.wide
            assert other_row >= row or not other_left <= note.x <= other_left + other.wide


def test_plot__png_and_svg__are_what_their_names_say(tmp_path: Path) -> None:
    png, svg = tmp_path / "a.png", tmp_path / "a.SVG"
    for file in (png, svg):
        plottable(file)
        plot(REPORT, curve(), file)
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") and png.stat().st_size > 10_000
    assert ET.parse(svg).getroot().tag.endswith("svg")


def test_plot__the_same_twice__is_the_same_file(tmp_path: Path) -> None:
    for kind in ("png", "svg"):
        one, other = tmp_path / f"1.{kind}", tmp_path / f"2.{kind}"
        plot(REPORT, curve(), one)
        plot(REPORT, curve(), other)
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("gas_wei", [None, 0, 10**18])
def test_plot__before_gas_or_at_a_loss__is_drawn(tmp_path: Path, gas_wei: int | None) -> None:
    plot(REPORT, curve(gas_wei), tmp_path / "a.svg")


def test_plot__one_size_alone__is_drawn(tmp_path: Path) -> None:
    whole = curve()
    only = CurvePoint(repay_raw=whole.owed_raw, net_wei=-7)
    plot(
        REPORT,
        Curve(
            collateral=whole.collateral,
            debt=whole.debt,
            owed_raw=whole.owed_raw,
            funding="nobody",
            feasible=whole.feasible[-1:],
            stretches=((only,),),
            gas_wei=7,
            best=only,
            chosen=None,
            break_even=(),
            restore_health=None,
            half=None,
        ),
        tmp_path / "a.png",
    )


@pytest.mark.parametrize("name", ["a.pdf", "a", "png", "a.png.txt"])
def test_plottable__another_extension__is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"--plot: .*: expected a name that ends in \.png or \.svg"):
        plottable(tmp_path / name)


def test_plottable__no_such_folder__is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        plottable(tmp_path / "none" / "a.png")


def test_plottable__without_matplotlib__says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"pip install 'keeper\[plot\]'"):
        plottable(tmp_path / "a.png")


def test_plot__where_nothing_can_be_written__is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ConfigError, match=r"--plot: .*a\.png: "):
        plot(REPORT, curve(), tmp_path / "a.png")
