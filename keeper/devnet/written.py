"""What a keeper has written down of its transactions, read by another while it runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from keeper.devnet.build import CHAIN_ID
from keeper.domain.submission import Outcome, Submission
from keeper.store.journal import SqliteJournal

Lines: TypeAlias = tuple[tuple[Submission, Outcome | None], ...]


def journal_file(state: Path) -> Path:
    """Return the journal in a keeper's folder of state, which may not be there yet."""
    return state / f"journal-{CHAIN_ID}.sqlite"


def written(state: Path) -> Lines:
    """Return everything that was ever intended, each with its outcome where it has one.

    A copy is read: whoever opens a journal that somebody writes to may tidy it up.
    """
    file = journal_file(state)
    if not file.exists():
        return ()
    with TemporaryDirectory(dir=state.parent) as elsewhere:
        for part in (file, file.with_name(f"{file.name}-wal")):
            if part.exists():
                shutil.copy(part, elsewhere)
        with SqliteJournal.open(Path(elsewhere) / file.name, chain_id=CHAIN_ID) as journal:
            return journal.submissions()
