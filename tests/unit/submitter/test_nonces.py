"""Nonces: in order, gaps first."""

from __future__ import annotations

import pytest

from keeper.submitter.nonces import next_nonce


@pytest.mark.parametrize(
    ("chain_nonce", "held", "expected"),
    [
        (0, set(), 0),
        (5, set(), 5),
        (5, {5, 6}, 7),
        (5, {6, 7}, 5),  # 5 was given back
        (5, {5, 7}, 6),
        (5, {3, 4}, 5),  # used by now, though their outcome is not written
    ],
)
def test_next_nonce__chain_and_held__lowest_that_is_free(
    chain_nonce: int, held: set[int], expected: int
) -> None:
    assert next_nonce(chain_nonce=chain_nonce, held=held) == expected
