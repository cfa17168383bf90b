"""`keeper cancel`: frees a nonce, by using it up for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from keeper.app.arming import Armed, arm
from keeper.app.build import assemble
from keeper.app.liquidating import LOOK_EVERY_S
from keeper.config import Settings
from keeper.domain.errors import Rejected, Underbid
from keeper.domain.events import Concluded, Listener, Sent
from keeper.domain.submission import Expired, Outcome, Submission

_MOST_TRIES = 40
"""A bundle may miss its block; and what is not ours may pay much: each try pays a tenth more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldNonce:
    """What is known of a nonce before it is cancelled."""

    nonce: int
    next_nonce: int
    """The next one to be included."""
    holders: tuple[Submission, ...]
    """What the journal says was sent with it and has no outcome yet; none where somebody else sent it."""
    is_private: bool
    """Whether the cancellation is shown to private endpoints and builders alone, as the original was."""


async def cancel(
    settings: Settings, *, nonce: int, agreed: Callable[[HeldNonce], bool], listener: Listener
) -> Outcome | None:
    """Tell what holds a nonce, ask, send the cancellation, and return what became of that; None where not.

    Raises Rejected where there is nothing to cancel, or a channel does not take it; ConfigError where another
    keeper is running with this key.
    """
    async with assemble(settings) as keeper, arm(keeper, listener) as armed:
        head = await keeper.endpoints.block("latest")
        for recovered in await armed.lander.recover(head):
            listener(recovered)
        if nonce < armed.lander.next_nonce:
            raise Rejected(f"nonce {nonce} is used: the next one to be included is {armed.lander.next_nonce}")
        holders = armed.lander.holders(nonce)
        is_private = holders[0].is_private if holders else settings.is_private
        held = HeldNonce(
            nonce=nonce, next_nonce=armed.lander.next_nonce, holders=holders, is_private=is_private
        )
        if not agreed(held):
            return None
        for one in holders:
            await armed.lander.withdraw(one)
        for _ in range(_MOST_TRIES):
            try:
                if not isinstance(outcome := await _tried(armed, held, listener), Expired):
                    return outcome
            except Underbid:  # what holds it is not ours: each try pays a tenth more than the last one
                continue
        raise Rejected(f"nonce {nonce} is still not used: no block took its cancellation; try again")


async def _tried(armed: Armed, held: HeldNonce, listener: Listener) -> Outcome:
    """Send one cancellation, and return what became of it."""
    endpoints, lander = armed.keeper.endpoints, armed.lander
    head = await endpoints.block("latest")
    submission = await lander.cancel(
        held.nonce,
        head,
        is_private=held.is_private,
        priority_fee_wei=armed.keeper.settings.priority_fee_wei,
    )
    listener(Sent(submission=submission))
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        for one in await lander.settle(await endpoints.block("latest")):
            listener(one)
            if isinstance(one, Concluded) and one.submission.hash == submission.hash:
                return one.outcome
