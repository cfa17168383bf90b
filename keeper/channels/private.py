"""Private transactions: shown to nobody before they are in a block, and kept for several blocks.

They go to the endpoints that the operator marked private (protected RPCs by their URL, and sequencers), and
to the builders that take single ones. What would revert is not included by them, as they say; a sequencer
includes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from keeper.builders import Builder
from keeper.domain.pending import Leading
from keeper.domain.submission import Acceptance, Accepted, Submission, Unclear
from keeper.ports import BidForm, ChannelError, ChannelRequest, Sending
from keeper.refusals import refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateChannel:
    """``eth_sendRawTransaction`` to private endpoints, ``eth_sendPrivateTransaction`` to builders."""

    builders: tuple[Builder, ...]
    has_endpoints: bool
    """Whether any endpoint is marked private."""
    blocks: int = 25
    """For how many blocks builders are to try."""
    bid_form: BidForm = BidForm.PRIORITY_FEE
    name: str = "private"
    is_private: bool = True
    reverts_can_land: bool = True
    is_for_one_block: bool = False
    takes_alternatives: bool = False
    """Who keeps single transactions keeps one of a nonce."""

    def takes(self, behind: Leading | None) -> bool:
        """Return whether it is behind nothing: nobody here puts anything first."""
        return behind is None

    def requests(self, sending: Sending) -> tuple[ChannelRequest, ...]:
        """Return the requests that submit a transaction; none where it must stand behind another."""
        if sending.before or not self.takes(sending.behind):
            return ()
        submission = sending.submission
        raw = "0x" + submission.transaction.raw.hex()
        wanted = {"tx": raw, "maxBlockNumber": hex(submission.head_number + self.blocks)}
        to_endpoints = ChannelRequest(method="eth_sendRawTransaction", params=(raw,))
        return (
            *((to_endpoints,) if self.has_endpoints else ()),
            *(
                ChannelRequest(method="eth_sendPrivateTransaction", params=(wanted,), relay=builder.name)
                for builder in self._takers()
            ),
        )

    def withdrawals(self, submission: Submission) -> tuple[ChannelRequest, ...]:
        """Return the requests that ask builders to forget a submission."""
        known = {"txHash": "0x" + submission.hash.hex()}
        return tuple(
            ChannelRequest(method="eth_cancelPrivateTransaction", params=(known,), relay=builder.name)
            for builder in self._takers()
        )

    def parse(self, submission: Submission, reply: object | ChannelError) -> Acceptance:
        """Return what a reply means. Only the transaction's own hash is an acceptance."""
        if isinstance(reply, ChannelError):
            return refusal(reply.code, reply.message)
        if isinstance(reply, str) and reply.lower() == "0x" + submission.hash.hex():
            return Accepted()
        return Unclear(detail="the answer is not the transaction's hash")

    def _takers(self) -> tuple[Builder, ...]:
        return tuple(builder for builder in self.builders if builder.takes_private_transactions)
