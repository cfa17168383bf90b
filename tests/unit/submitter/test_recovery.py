"""What an earlier run left open is in doubt until the chain has been looked at."""

from __future__ import annotations

from keeper.submitter.machine import Sent, Standing
from keeper.submitter.recovery import recovered
from tests.unit.submitter.submissions import submission


def test_recovered__open_intents__in_doubt_by_nonce_with_all_that_share_it() -> None:
    first, second, other = submission(nonce=4), submission(nonce=4, serial=1), submission(nonce=5)
    assert recovered([first, second, other]) == {
        4: {one.hash: Sent(submission=one, standing=Standing.IN_DOUBT) for one in (first, second)},
        5: {other.hash: Sent(submission=other, standing=Standing.IN_DOUBT)},
    }
