"""The first reading on a terminal: how much of it is done, how fast, and how long it still takes."""

from __future__ import annotations

from io import StringIO

from keeper.domain.events import Event, Loading, Stopped
from keeper.render.progress import ProgressBars


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def loading(done: int, *, what: str = "positions") -> Loading:
    return Loading(source="aave-v3:0x" + "ab" * 20, what=what, done=done, of=90_000, rate_s=1_500.0)


def test_call__being_read__its_share_its_rate_and_the_time_left() -> None:
    terminal, heard = Terminal(), list[Event]()
    bars = ProgressBars(heard.append, terminal)
    bars(loading(30_000))
    bars(Stopped(why="asked to"))  # whatever else is told ends the bar, and is drawn below it
    drawn = terminal.getvalue()
    assert "positions" in drawn
    assert "30000/90000" in drawn
    assert "1,500/s" in drawn
    assert "40 s left" in drawn
    assert heard == [Stopped(why="asked to")]


def test_call__one_thing_after_another__a_bar_each() -> None:
    terminal, heard = Terminal(), list[Event]()
    bars = ProgressBars(heard.append, terminal)
    for what in ("blocks", "positions"):
        bars(loading(1, what=what))
        bars(loading(90_000, what=what))
    drawn = terminal.getvalue()
    assert drawn.count("90000/90000") == 2
    assert drawn.index("blocks") < drawn.index("positions")
    assert heard == []
