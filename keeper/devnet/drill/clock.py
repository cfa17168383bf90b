"""``python -m keeper.devnet.drill.clock FILE …``: the `keeper` command, with a clock that can be set.

The file holds by how many seconds the clock is wrong, as text; it may change at any time. Only the time of
day is moved: what measures how long something takes never steps back.
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path

_true_time = time.time


def wrong_by(path: Path) -> None:
    """Move the clock of this process by what is written in a file, from now on."""
    time.time = lambda: _true_time() + float(path.read_text() or 0)


if __name__ == "__main__":
    wrong_by(Path(sys.argv.pop(1)))
    runpy.run_module("keeper", run_name="__main__", alter_sys=True)
