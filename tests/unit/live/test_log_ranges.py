"""How wide a range of blocks is asked for, as it learns."""

from __future__ import annotations

import pytest

from keeper.live.log_ranges import Width, is_suspicious


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


@pytest.mark.parametrize("logs", [500, 1_000, 1_024, 10_000, 16_384, 30_000])
def test_is_suspicious__a_round_number__yes(logs: int) -> None:
    assert is_suspicious(logs)


@pytest.mark.parametrize("logs", [0, 1, 10, 256, 499, 999, 1_001, 1_023, 12_345])
def test_is_suspicious__any_other__no(logs: int) -> None:
    assert not is_suspicious(logs)
