"""The command behind scripts/drill."""

from __future__ import annotations

import sys

from keeper.cli import guarded
from keeper.devnet.drill.command import run

if __name__ == "__main__":
    sys.exit(guarded(lambda: run(sys.argv[1:], say=print)))
