"""Secrets show themselves to nobody who does not ask."""

from __future__ import annotations

import pickle

import pytest

from keeper.domain.secret import Secret, redact

KEY = Secret("0x" + "ab12" * 16, parts=["ab12" * 16])
ENDPOINT = Secret(
    "https://node.example.com/v2/t0ken-0123456789",
    shown="https://node.example.com/…",
    parts=["t0ken-0123456789"],
)


def test_secret__str_repr_and_format__masked() -> None:
    for secret in (KEY, ENDPOINT):
        assert secret.reveal() not in f"{secret} {secret!r} {[secret]} {secret:>10}"


def test_secret__pickled__refused() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(KEY)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET https://node.example.com/v2/t0ken-0123456789 failed", "GET https://node.example.com/… failed"),
        ("path /v2/t0ken-0123456789?x", "path /v2/***?x"),
        ("key " + "AB12" * 16 + ".", "key ***."),
        ("key 0x" + "ab12" * 16, "key ***"),
        ("nothing of the sort", "nothing of the sort"),
    ],
)
def test_redact__whole_or_part_in_any_case__masked(text: str, expected: str) -> None:
    assert redact(text, [KEY, ENDPOINT]) == expected


def test_redact__short_value__left_as_it_may_occur_anywhere() -> None:
    assert redact("abacus", [Secret("aba")]) == "abacus"


def test_redact__no_secrets__the_text() -> None:
    assert redact("text", []) == "text"
