"""What must never be shown: keys, passwords, and endpoints with an API key in them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHORTEST_PART = 6
"""Shorter pieces occur in innocent text too; they are masked only as part of the whole value."""


class Secret:
    """A text that shows itself only when asked by name, through :meth:`reveal`.

    `shown` stands for it everywhere else. `parts` are pieces of it that are secret on their own, such as
    the token at the end of an endpoint's path: a library may quote a piece without the whole.
    """

    __slots__ = ("_parts", "_shown", "_value")

    def __init__(self, value: str, *, shown: str = "***", parts: Iterable[str] = ()) -> None:
        self._value = value
        self._shown = shown
        self._parts = tuple(part for part in parts if len(part) >= _SHORTEST_PART)

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    @property
    def masks(self) -> dict[str, str]:
        """Return what to look for in a text, in lower case, and what to put in its place."""
        masks = {part.lower(): "***" for part in self._parts}
        if len(self._value) >= _SHORTEST_PART:
            masks[self._value.lower()] = self._shown
        return masks

    def __str__(self) -> str:
        return self._shown

    def __format__(self, spec: str) -> str:
        return format(self._shown, spec)

    def __repr__(self) -> str:
        return f"Secret({self._shown!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not pickled")


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """Return `text` with every occurrence of a secret, or of a secret part of one, masked."""
    masks = {needle: shown for secret in secrets for needle, shown in secret.masks.items()}
    if not masks:
        return text
    longest_first = sorted(masks, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
    return pattern.sub(lambda found: masks[found.group().lower()], text)
