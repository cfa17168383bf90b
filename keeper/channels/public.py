"""The public mempool: every endpoint there is. Everybody sees what is sent there."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.pending import Leading
from keeper.domain.submission import Acceptance, Accepted, Submission, Unclear
from keeper.ports import BidForm, ChannelError, ChannelRequest, Sending
from keeper.refusals import refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicChannel:
    """``eth_sendRawTransaction``, to all."""

    bid_form: BidForm = BidForm.PRIORITY_FEE
    name: str = "public"
    is_private: bool = False
    reverts_can_land: bool = True
    is_for_one_block: bool = False
    takes_alternatives: bool = False
    """A pool keeps one transaction of a nonce: another replaces it, for a tenth more, or is refused."""

    def takes(self, behind: Leading | None) -> bool:
        """Return whether it is behind nothing: nobody here puts anything first."""
        return behind is None

    def requests(self, sending: Sending) -> tuple[ChannelRequest, ...]:
        """Return the request that submits a transaction; none where it must stand behind another."""
        if sending.before or not self.takes(sending.behind):
            return ()
        raw = "0x" + sending.submission.transaction.raw.hex()
        return (ChannelRequest(method="eth_sendRawTransaction", params=(raw,)),)

    def withdrawals(self, submission: Submission) -> tuple[ChannelRequest, ...]:
        """Return nothing: what everybody has seen can only be replaced."""
        return ()

    def parse(self, submission: Submission, reply: object | ChannelError) -> Acceptance:
        """Return what a reply means. Only the transaction's own hash is an acceptance."""
        if isinstance(reply, ChannelError):
            return refusal(reply.code, reply.message)
        if isinstance(reply, str) and reply.lower() == "0x" + submission.hash.hex():
            return Accepted()
        return Unclear(detail="the answer is not the transaction's hash")
