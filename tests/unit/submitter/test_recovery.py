"""What an earlier run left open is in doubt until the chain has been looked at."""

from __future__ import annotations

import pytest

from keeper.domain.errors import Invariant
from keeper.submitter.machine import Sent, Standing
from keeper.submitter.recovery import recovered
from tests.unit.submitter.submissions import submission


def test_recovered__open_intents__in_doubt_by_nonce() -> None:
    intents = [submission(nonce=4), submission(nonce=5)]
    assert recovered(intents) == {
        one.nonce: Sent(submission=one, standing=Standing.IN_DOUBT) for one in intents
    }


def test_recovered__two_of_one_nonce__is_our_bug() -> None:
    with pytest.raises(Invariant, match="two open intents for nonce 4"):
        recovered([submission(nonce=4), submission(nonce=4, serial=1)])
