"""What several channels' answers come to: a transaction that anybody may have is not given up."""

from __future__ import annotations

from itertools import permutations

import pytest

from keeper.domain.errors import Invariant
from keeper.domain.submission import Acceptance, Accepted, Refusal, Refused, Unclear
from keeper.submitter.answers import together

LOST = Unclear(detail="cut")
KNOWN = Refused(kind=Refusal.ALREADY_KNOWN, detail="")
USED = Refused(kind=Refusal.NONCE_TOO_LOW, detail="")
POOR = Refused(kind=Refusal.INSUFFICIENT_FUNDS, detail="")
NOBODY = Refused(kind=Refusal.UNREACHABLE, detail="")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((Accepted(), LOST, POOR), Accepted()),
        ((KNOWN, LOST, POOR), KNOWN),
        ((LOST, USED, POOR), LOST),
        ((USED, POOR, NOBODY), USED),
        ((POOR, NOBODY, NOBODY), POOR),
        ((NOBODY,), NOBODY),
    ],
)
def test_together__in_any_order__the_one_that_says_most(
    answers: tuple[Acceptance, ...], expected: Acceptance
) -> None:
    assert all(together(order) == expected for order in permutations(answers))


def test_together__nobody_asked__is_our_bug() -> None:
    with pytest.raises(Invariant, match="sent to nobody"):
        together([])
