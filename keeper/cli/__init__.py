"""The commands: what is typed, what is printed, and the exit code. What they do is in :mod:`keeper.app`.

Exit codes: 0 done, 1 the job failed, 2 wrong configuration or usage, 130 interrupted. What a command prints
for machines goes to stdout alone; everything else, errors included, to stderr. Each command imports what it
needs when it runs, and only after a look at its arguments: ``keeper --help`` and a refusal come at once.
"""

from keeper.cli.command import DONE, FAILED, INTERRUPTED, MISCONFIGURED, guarded
from keeper.cli.entry import main

__all__ = ["DONE", "FAILED", "INTERRUPTED", "MISCONFIGURED", "guarded", "main"]
