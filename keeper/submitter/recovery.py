"""Starting is recovering: what an earlier run intended and did not conclude, taken up again.

There is nothing else to it. An intent is written before anything is sent, so an intent without an outcome
may have been sent, or not; that is the state *sent*, in doubt. The next look at the chain tells, by the same
rules as for any other submission, and until then the nonce is held and nothing is sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from keeper.domain.errors import Invariant
from keeper.domain.submission import Submission
from keeper.submitter.machine import Sent, Standing


def recovered(intents: Iterable[Submission]) -> Mapping[int, Sent]:
    """Return the state of each intent that has no outcome, by its nonce.

    Raises Invariant where two hold one nonce: a nonce is given again only after the outcome is written.
    """
    states: dict[int, Sent] = {}
    for submission in intents:
        if submission.nonce in states:
            raise Invariant(
                f"the journal holds two open intents for nonce {submission.nonce}: "
                f"0x{states[submission.nonce].submission.hash.hex()} and 0x{submission.hash.hex()}"
            )
        states[submission.nonce] = Sent(submission=submission, standing=Standing.IN_DOUBT)
    return states
