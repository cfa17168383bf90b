"""What is planned goes on its way, side by side, as far as brakes and purse allow."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.errors import Rejected
from keeper.domain.events import Degraded, Left, Listener, Overtaken, Planned, Sent
from keeper.domain.head import Head
from keeper.domain.pending import Leading
from keeper.domain.plan import Plan
from keeper.domain.position import Opportunity
from keeper.engine.deciding import Considered
from keeper.ports import Guard, Journal, Landing
from keeper.query import Query, balance


class Sender:
    """Hands plans to the landing. Without one nothing is sent, but all is told."""

    def __init__(
        self,
        *,
        landing: Landing | None,
        journal: Journal | None,
        guard: Guard | None,
        listen: Listener,
        operator: Address,
        min_purse_wei: int,
    ) -> None:
        """Where the operator has less than `min_purse_wei` for gas, that is told."""
        self._landing = landing
        self._journal = journal
        self._guard = guard
        self._listen = listen
        self._operator = operator
        self._min_purse_wei = min_purse_wei
        self.purse_wei: int | None = None
        """What the operator could pay for gas after the last head."""
        self._told_poor = False

    async def send(
        self,
        head: Head,
        considered: Sequence[Considered],
        overtaken: Callable[[], bool],
        *,
        behind: Leading | None = None,
    ) -> int:
        """Send what is planned, side by side, and return how much is on its way, or may be.

        What is declined `behind` another's transaction is not counted: no head has it unhealthy yet.
        """
        reasons = Counter(one.decision.reason for one in considered if isinstance(one.decision, Declined))
        if self._journal is not None and reasons and behind is None:
            self._journal.declined(head, reasons)
        purse_wei = self.purse_wei
        held: Counter[Reason] = Counter()
        held_pools: set[Address] = set()
        sending: list[asyncio.Task[bool]] = []
        for one in considered:
            match one.decision:
                case Declined() as why:
                    self._leave(head, one.opportunity, why, behind)
                case Plan() as plan:
                    if sending and overtaken():
                        self._listen(Overtaken(head=head))
                        break
                    self._listen(Planned(head=head, plan=plan, behind=behind.hash if behind else None))
                    most_wei = plan.fees.gas_limit * plan.fees.max_fee_per_gas_wei
                    refusal = self._refusal()
                    if refusal is None and purse_wei is not None and most_wei > purse_wei:
                        refusal = _too_poor(purse_wei, most_wei)
                    if refusal is None and held_pools & plan.draft.pools:
                        refusal = _behind_held()
                    if refusal is not None:
                        held[refusal.reason] += 1
                        held_pools |= plan.draft.pools
                        self._leave(head, one.opportunity, refusal, behind)
                        continue
                    if self._landing is None:
                        continue
                    submitting = asyncio.create_task(
                        self._submit(self._landing, plan, head, one.opportunity, behind)
                    )
                    sending.append(submitting)
                    await asyncio.sleep(0)  # it has its nonce, is signed and journalled: now the next one
                    if submitting.done() and submitting.exception() is not None:
                        break
                    if purse_wei is not None and not (submitting.done() and not submitting.result()):
                        purse_wei -= most_wei
        if self._journal is not None and held and behind is None:
            self._journal.declined(head, held)
        return sum(await _all(sending))

    async def cancel_useless(self, head: Head) -> None:
        """Free the nonces that nothing worth sending has taken over."""
        if self._landing is None:
            return
        try:
            for submission in await self._landing.cancel_useless(head):
                self._listen(Sent(submission=submission))
        except Rejected as error:
            self._listen(Degraded(what="a nonce that could not be freed", why=str(error)))

    def purse(self) -> Query[int | None]:
        """Ask what the operator can pay for gas; None where nothing is to be sent."""
        if self._landing is None:
            return None
        return (yield from balance(self._operator))

    def tell_purse(self) -> None:
        """Tell, once, where the operator has less for gas than they should."""
        purse_wei, least_wei = self.purse_wei, self._min_purse_wei
        poor = purse_wei is not None and purse_wei < least_wei
        if purse_wei is not None and poor and not self._told_poor:
            self._listen(
                Degraded(
                    what="the operator is running out of gas",
                    why=f"it has {purse_wei / 1e18:.6f}, and {least_wei / 1e18:.6f} is the least it should "
                    "have",
                )
            )
        self._told_poor = poor

    def _refusal(self) -> Declined | None:
        """Return what the brakes say against sending one more plan now."""
        if self._guard is None or self._landing is None:
            return None
        return self._guard.refuses(in_flight=len(self._landing.in_flight()))

    async def _submit(
        self, landing: Landing, plan: Plan, head: Head, opportunity: Opportunity, behind: Leading | None
    ) -> bool:
        """Return whether it is on its way, or may be."""
        try:
            submission = await landing.submit(plan, head, behind=behind)
        except Rejected as error:
            self._listen(Degraded(what=f"a plan for 0x{opportunity.borrower.hex()}", why=str(error)))
            return False
        for one in (submission, *landing.beside(submission)):
            self._listen(Sent(submission=one))
        return True

    def _leave(self, head: Head, opportunity: Opportunity, why: Declined, behind: Leading | None) -> None:
        self._listen(
            Left(
                head=head,
                market=opportunity.market,
                borrower=opportunity.borrower,
                health_factor_wad=opportunity.health.health_factor_wad,
                why=why,
                behind=behind.hash if behind else None,
            )
        )


async def _all(tasks: Sequence[asyncio.Task[bool]]) -> list[bool]:
    """Return what each came to, once all have; raises what the first that failed did."""
    if tasks:
        await asyncio.wait(tasks)
    return [task.result() for task in tasks]


def _too_poor(purse_wei: int, most_wei: int) -> Declined:
    return Declined(
        reason=Reason.NO_GAS,
        detail=f"the operator has {purse_wei / 1e18:.6f} left, and this may take {most_wei / 1e18:.6f}",
    )


def _behind_held() -> Declined:
    return Declined(reason=Reason.NO_GAS, detail="it counts on the depth that one which is not sent leaves")
