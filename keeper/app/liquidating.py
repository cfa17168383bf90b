"""`keeper liquidate`: one borrower, once, and what became of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from keeper.app.arming import Armed, arm, odds_of, require_sound, take_up
from keeper.app.build import assemble
from keeper.app.inspecting import observe, worst
from keeper.config import Settings
from keeper.domain.address import Address, checksum
from keeper.domain.declined import Declined, Reason
from keeper.domain.events import Concluded, Listener, Sent
from keeper.domain.plan import Plan
from keeper.domain.submission import Outcome, Submission

LOOK_EVERY_S = 2.0
"""Between two looks for the outcome of a liquidation that a person waits for."""


async def liquidate(settings: Settings, *, borrower: Address, listener: Listener) -> Outcome | Declined:
    """Decide on a borrower's worst position upon the newest head, send, and return what became of it.

    That is the one that `plan` explains. Where nothing is sent, return why.
    """
    async with assemble(settings) as keeper:
        await require_sound(keeper)
        async with arm(keeper, listener) as armed:
            seen = await observe(keeper, listener)
            await take_up(armed, seen.head, listener)
            theirs = worst(one for one in seen.opportunities if one.borrower == borrower)
            if theirs is None:
                return Declined(reason=Reason.HEALTHY, detail=f"{checksum(borrower)} is not below health 1")
            engine = keeper.engine(
                listen=listener,
                journal=armed.journal,
                landing=armed.lander,
                guard=armed.guard,
                odds=odds_of(keeper.settings, armed.journal),
                bidder=armed.bids,
            )
            (considered,) = await engine.decide(replace(seen, opportunities=(theirs,)))
            if not isinstance(considered.decision, Plan):
                return considered.decision
            if refusal := armed.guard.refuses(in_flight=len(armed.lander.in_flight())):
                return refusal
            submission = await armed.lander.submit(considered.decision, seen.head)
            listener(Sent(submission=submission))
            return await _outcome(armed, submission, listener)


async def _outcome(armed: Armed, submission: Submission, listener: Listener) -> Outcome:
    """Return what became of one submission; where it is of no use any more, cancel it, and wait for that."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        head = await armed.keeper.endpoints.block("latest")
        settled = await armed.lander.settle(head)
        armed.guard.settled(settled)
        for one in settled:
            listener(one)
            if isinstance(one, Concluded) and one.submission.hash == submission.hash:
                return one.outcome
        for cancelling in await armed.lander.cancel_useless(head):
            listener(Sent(submission=cancelling))
