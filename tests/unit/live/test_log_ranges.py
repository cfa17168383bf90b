"""How wide a range of blocks is asked for, as it learns."""

from __future__ import annotations

from keeper.live.log_ranges import Width


def test_width__refused__half_of_what_was_asked_and_never_less_than_one() -> None:
    width = Width()
    width.refused(1_000)
    assert width.blocks == 500
    for _ in range(20):
        width.refused(width.blocks)
    assert width.blocks == 1


def test_width__taken_several_times_in_a_row__grows_again() -> None:
    width = Width(blocks=100)
    for _ in range(7):
        width.taken()
    assert width.blocks == 100
    width.taken()
    assert width.blocks == 200


def test_width__refused_in_between__counts_anew() -> None:
    width = Width(blocks=100)
    for _ in range(7):
        width.taken()
    width.refused(100)
    width.taken()
    assert width.blocks == 50
