"""Starting is recovering: what an earlier run intended and did not conclude, taken up again.

There is nothing else to it. An intent is written before anything is sent, so an intent without an outcome
may have been sent, or not; that is the state *sent*, in doubt. The next look at the chain tells, by the same
rules as for any other submission, and until then the nonce is held and nothing is sent for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from keeper.domain.address import Hash32
from keeper.domain.submission import Submission
from keeper.submitter.machine import Sent, Standing, State


def recovered(intents: Iterable[Submission]) -> Mapping[int, dict[Hash32, State]]:
    """Return the state of each intent that has no outcome, by its nonce and its hash."""
    states: dict[int, dict[Hash32, State]] = {}
    for one in intents:
        states.setdefault(one.nonce, {})[one.hash] = Sent(submission=one, standing=Standing.IN_DOUBT)
    return states
