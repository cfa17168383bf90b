"""The text of ``.env.example``, from the settings themselves: ``python -m keeper.config.example``."""

from __future__ import annotations

import sys
import textwrap

from keeper.config.settings import Settings
from keeper.config.variable import Variable, variables

_WIDTH = 100

_PREAMBLE = """\
# Copy this file to .env and fill in what your command needs. The environment overrides the file.
# An empty value means the default. `keeper check` tells whether it all fits together.
"""


def example() -> str:
    """Return the file: every variable that is read, with its effect, unit and default."""
    return "\n".join([_PREAMBLE, *map(_entry, variables(Settings).values())])


def _entry(each: Variable) -> str:
    heading = [f"# === {each.section} {'=' * (_WIDTH - 7 - len(each.section))}", ""] if each.section else []
    default = each.default or each.without
    return "\n".join(
        [
            *heading,
            _comment(each.effect),
            _comment(f"Unit: {each.unit}. Default: {default}."),
            f"{each.name}={each.default}",
            "",
        ]
    )


def _comment(text: str) -> str:
    return textwrap.fill(
        text,
        width=_WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


if __name__ == "__main__":
    sys.stdout.write(example())
