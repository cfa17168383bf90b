"""`.env.example` and the settings say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.config import Settings, load
from keeper.config.example import example
from keeper.config.variable import variables

EXAMPLE = Path(__file__).parents[3] / ".env.example"


def test_example__the_file__is_what_the_settings_say() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == example(), "python -m keeper.config.example > .env.example"


def test_example__as_it_is__configures_the_defaults() -> None:
    assert load(env_file=EXAMPLE, environ={}) == Settings()


@pytest.mark.parametrize("name", [each.name for each in variables(Settings).values()])
def test_example__each_variable__has_unit_default_and_effect(name: str) -> None:
    comment = EXAMPLE.read_text(encoding="utf-8").partition(f"\n{name}=")[0].rpartition("\n\n")[2]
    assert "# Unit: " in comment
    assert "Default: " in comment.replace("\n# ", " ")
    assert not comment.startswith("# Unit: ")
