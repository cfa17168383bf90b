"""What a pool's number stands for, and what is done about one that stands for nothing."""

from __future__ import annotations

import pytest

from keeper.domain.errors import Broken
from keeper.protocols.aave_v3 import revision_1, revision_7, revision_8, revision_10, revision_11
from keeper.protocols.aave_v3.known import KNOWN, caveat, known
from keeper.protocols.aave_v3.layout import V3_0, V3_1, V3_2, V3_6, V3_7


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, (revision_1, V3_0)),
        (3, (revision_1, V3_0)),
        (4, (revision_1, V3_1)),
        (6, (revision_1, V3_2)),
        (7, (revision_7, V3_2)),
        (8, (revision_8, V3_2)),
        (9, (revision_10, V3_2)),
        (10, (revision_10, V3_6)),
        (11, (revision_11, V3_7)),
    ],
)
def test_known__a_revision__its_arithmetic_and_its_layout(number: int, expected: object) -> None:
    assert known(number, allow_unverified=False) == expected
    assert caveat(number) == ""


@pytest.mark.parametrize(("number", "nearest"), [(0, 1), (2, 1), (5, 4), (12, 11), (10**6, 11)])
def test_known__no_revision__broken_unless_allowed_and_then_said(number: int, nearest: int) -> None:
    with pytest.raises(Broken, match=f"revision {number} is not known.*KEEPER_ALLOW_UNVERIFIED=true"):
        known(number, allow_unverified=False)
    assert known(number, allow_unverified=True) is KNOWN[nearest]
    assert caveat(number) == f"pool revision {number} is not known: computed as revision {nearest}"
