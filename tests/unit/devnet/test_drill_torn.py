"""A torn journal: the line that was being written is lost, and no other."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from random import Random

import pytest

from keeper.devnet.drill.torn import tear


def lines(path: Path) -> list[int]:
    with sqlite3.connect(path) as connection:
        found = [number for (number,) in connection.execute("SELECT number FROM lines ORDER BY number")]
    connection.close()
    return found


@pytest.mark.parametrize(("written", "left"), [(True, [1, 2, 3]), (False, [1, 2])])
@pytest.mark.parametrize("seed", range(5))
def test_tear__last_line__lost_where_it_was_being_written(
    written: bool, left: list[int], seed: int, tmp_path: Path
) -> None:
    kept, copy = tmp_path / "kept", tmp_path / "copy"
    connection = sqlite3.connect(kept, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE lines (number INTEGER, padding BLOB)")
    for number in (1, 2, 3):
        connection.execute("INSERT INTO lines VALUES (?, ?)", (number, b"x" * 5_000))
    for suffix in ("", "-wal"):  # as a kill leaves it: nobody closes it and tidies up
        shutil.copy(f"{kept}{suffix}", f"{copy}{suffix}")
    connection.close()
    tear(copy, Random(seed), written=written)
    assert lines(copy) == left


def test_tear__the_wal_was_begun_anew__what_is_left_of_the_old_one_is_no_line(tmp_path: Path) -> None:
    kept, copy = tmp_path / "kept", tmp_path / "copy"
    connection = sqlite3.connect(kept, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE lines (number INTEGER)")
    for number in range(20):
        connection.execute("INSERT INTO lines VALUES (?)", (number,))
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    for number in (20, 21):
        connection.execute("INSERT INTO lines VALUES (?)", (number,))
    for suffix in ("", "-wal"):
        shutil.copy(f"{kept}{suffix}", f"{copy}{suffix}")
    connection.close()
    tear(copy, Random(1), written=False)
    assert lines(copy) == list(range(21))
