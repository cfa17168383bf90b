"""A backtest on disk: the report, its tables, the journal. The same past and settings give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from keeper.backtest.page import page
from keeper.backtest.result import Backtest
from keeper.backtest.summary import summary
from keeper.backtest.tables import tables
from keeper.domain.errors import ConfigError
from keeper.render.as_json import as_json


def files(done: Backtest, *, sections: str = "") -> Mapping[str, str]:
    """Return each file's text by its name. `sections` is further HTML for the report."""
    figures = as_json(summary(done.ledger, done.score))
    return {
        "report.html": page(done, sections=sections),
        "summary.json": json.dumps(figures, indent=2) + "\n",
        "journal.jsonl": "".join(f"{line}\n" for line in done.journal),
        **tables(done.ledger, done.score),
    }


def write(done: Backtest, folder: Path, *, sections: str = "") -> None:
    """Write them into a folder, which is made where it is not there. Raises ConfigError where it can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files(done, sections=sections).items():
            (folder / name).write_text(text, "utf-8", newline="")
    except OSError as error:
        raise ConfigError(f"--out: {folder}: {error.strerror}") from None
