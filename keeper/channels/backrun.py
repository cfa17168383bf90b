"""Backruns: a transaction right behind one of which only the hash is known, or nowhere.

Who sends privately may have a stream tell of it (MEV-Share): its hash, and a part of what it does. Builders
that have the transaction itself put it first and ours behind it, in one block, or neither. They take *one*
transaction behind another and no more, so those of lower nonces are not in it: ours lands where they have.
Its bid is paid to the block's builder within the transaction. There is no way to take one back: it is for one
block, and forgotten with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from keeper.builders import Builder
from keeper.domain.pending import Leading
from keeper.domain.submission import Acceptance, Submission
from keeper.ports import BidForm, ChannelError, ChannelRequest, Sending
from keeper.refusals import bundle_taken, refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class BackrunChannel:
    """``mev_sendBundle``, version 0.1."""

    builders: tuple[Builder, ...]
    """Those that take backruns are asked, and are to pass them on to the others that they know by a name."""
    name: str = "backrun"
    is_private: bool = True
    reverts_can_land: bool = False
    is_for_one_block: bool = True
    takes_alternatives: bool = False
    """One transaction is taken behind another's, and who sent that one judges it by its bid alone."""
    bid_form: BidForm = BidForm.COINBASE

    def takes(self, behind: Leading | None) -> bool:
        """Return whether it is behind something of which only the hash is known."""
        return behind is not None and behind.raw is None

    def requests(self, sending: Sending) -> tuple[ChannelRequest, ...]:
        """Return a bundle for each builder that takes it, for the block after the head decided upon."""
        submission, behind = sending.submission, sending.behind
        if behind is None or not self.takes(behind):
            return ()
        block = hex(submission.head_number + 1)
        passed_on = [one.registered_as for one in self.builders if one.registered_as]
        bundle = {
            "version": "v0.1",
            "inclusion": {"block": block, "maxBlock": block},
            "body": [
                {"hash": "0x" + behind.hash.hex()},
                {"tx": "0x" + submission.transaction.raw.hex(), "canRevert": False},
            ],
            "privacy": {"hints": [], "builders": passed_on},  # nobody is told of ours
        }
        return tuple(
            ChannelRequest(method="mev_sendBundle", params=(bundle,), relay=builder.name)
            for builder in self.builders
            if builder.takes_backruns
        )

    def withdrawals(self, submission: Submission) -> tuple[ChannelRequest, ...]:
        """Return nothing: what was sent is for one block, and can't be taken back from it."""
        return ()

    def parse(self, submission: Submission, reply: object | ChannelError) -> Acceptance:
        """Return what a reply means."""
        if isinstance(reply, ChannelError):
            return refusal(reply.code, reply.message)
        return bundle_taken(reply)
