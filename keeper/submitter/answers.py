"""What several answers to one transaction come to: in doubt, it may be on its way."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.domain.errors import Invariant
from keeper.domain.submission import Acceptance, Accepted, Refusal, Refused, Unclear


def together(answers: Sequence[Acceptance]) -> Acceptance:
    """Return what is known once all have answered. Raises Invariant where nobody was asked.

    Whoever took it outweighs everybody; where nobody did, one who may have it outweighs those who don't.
    """
    if not answers:
        raise Invariant("a submission was sent to nobody")
    return min(answers, key=_weight)


def _weight(answer: Acceptance) -> int:
    match answer:
        case Accepted():
            return 0
        case Refused(kind=Refusal.ALREADY_KNOWN):
            return 1
        case Unclear():
            return 2
        case Refused(kind=Refusal.NONCE_TOO_LOW):
            return 3
        case Refused(kind=Refusal.UNREACHABLE):  # says the least
            return 5
        case _:
            return 4
