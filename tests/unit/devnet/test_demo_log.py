"""What the keeper logs comes back as what it was."""

from __future__ import annotations

import json

from keeper.devnet.demo import log
from keeper.domain.declined import Declined, Reason
from keeper.domain.events import Concluded, Decided, Event, Left, Planned, Sent
from keeper.domain.position import PositionId
from keeper.domain.submission import Expired
from keeper.render.events import Severity, json_line
from tests.unit.render.reports import BORROWER, HEAD, INCLUDED, MARKET, PLAN, SUBMISSION


def _logged(event: Event) -> log.Line:
    line: log.Line = json.loads(json_line(event, Severity.INFO, 1_700_000_000.0))
    return line


def test_plan__logged__is_the_same_plan() -> None:
    assert log.plan(_logged(Planned(head=HEAD, plan=PLAN))) == PLAN


def test_sent__logged__tells_which_transaction_for_whom() -> None:
    sent = log.sent(_logged(Sent(submission=SUBMISSION)))
    assert (sent.hash, sent.position, sent.nonce, sent.predicted_profit_wei) == (
        SUBMISSION.hash,
        PositionId(SUBMISSION.market, SUBMISSION.borrower),
        SUBMISSION.nonce,
        SUBMISSION.predicted_profit_wei,
    )


def test_left__logged__tells_who_and_why() -> None:
    why = Declined(reason=Reason.BELOW_MINIMUM, detail="0.000821 at best, before gas")
    left = Left(head=HEAD, market=MARKET, borrower=BORROWER, health_factor_wad=1, why=why)
    assert log.left(_logged(left)) == (PositionId(MARKET, BORROWER), why)


def test_head_number__logged__is_the_heads() -> None:
    assert log.head_number(_logged(Decided(head=HEAD, sent=0, milliseconds=1.0))) == HEAD.number


def test_claimed_wei__included__is_what_was_realised() -> None:
    line = _logged(Concluded(submission=SUBMISSION, outcome=INCLUDED))
    assert log.claimed_wei(line) == INCLUDED.realised_profit_wei != 0


def test_claimed_wei__never_included__is_nothing() -> None:
    outcome = Expired(head_number=1, why="its deadline passed")
    assert log.claimed_wei(_logged(Concluded(submission=SUBMISSION, outcome=outcome))) == 0
