"""A field of the settings that is an environment variable: how to read it, and how to explain it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

PREFIX = "KEEPER_"

T = TypeVar("T")
U = TypeVar("U")

_KEY = "variable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable's documentation, and the function that reads its text."""

    name: str
    parse: Callable[[str], Any]
    default: str
    """As it would be written; empty where there is none, or none that can be written down."""
    without: str
    """What holds where nothing is set and no default is written."""
    unit: str
    effect: str
    section: str
    """The heading that this variable begins, or empty."""
    decides: bool
    """Whether decisions depend on it: a saved one carries it along. Never so for what is secret."""


def variable(
    parse: Callable[[str], T],
    *,
    unit: str,
    effect: str,
    default: str = "",
    unset: U = None,  # type: ignore[assignment]  # None is a U: the parameter's default can't say so
    without: str = "none",
    section: str = "",
    decides: bool = False,
) -> T | U:
    """Return a dataclass field that is read from a variable of its own name.

    Typed as what it holds, as ``dataclasses.field`` is. The default is a text that takes the same way as
    the operator's own; without one, the field is `unset`.
    """
    found: T | U = field(
        default=parse(default) if default else unset,
        metadata={
            _KEY: Variable(
                name="",  # known when the class is
                parse=parse,
                default=default,
                without=without,
                unit=unit,
                effect=effect,
                section=section,
                decides=decides,
            )
        },
    )
    return found


def variables(settings: type) -> dict[str, Variable]:
    """Return the variables of a settings class by field name, in order."""
    return {each.name: _named(each) for each in fields(settings) if _KEY in each.metadata}


def _named(each: Field[Any]) -> Variable:
    known: Variable = each.metadata[_KEY]
    return Variable(
        name=PREFIX + each.name.upper(),
        parse=known.parse,
        default=known.default,
        without=known.without,
        unit=known.unit,
        effect=known.effect,
        section=known.section,
        decides=known.decides,
    )
