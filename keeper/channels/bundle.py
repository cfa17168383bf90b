"""Bundles: transactions that a builder includes together, in order, in one block, or not at all.

They go to any number of builders at the same time, ours behind what must stand before it. A bundle is for one
block; for the next one the plan is made, and offered, anew. A plan's smaller sizes are bundles beside it. By
one id builders that can replace and cancel know all bundles of one nonce and of one rung.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_utils.crypto import keccak

from keeper.builders import Builder
from keeper.domain.errors import Invariant
from keeper.domain.pending import Leading
from keeper.domain.submission import Acceptance, Submission
from keeper.ports import BidForm, ChannelError, ChannelRequest, Sending
from keeper.refusals import bundle_taken, refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleChannel:
    """``eth_sendBundle`` and ``eth_cancelBundle``."""

    builders: tuple[Builder, ...]
    name: str = "bundle"
    is_private: bool = True
    reverts_can_land: bool = False
    is_for_one_block: bool = True
    takes_alternatives: bool = True
    """Each is a bundle of its own: whoever builds takes the one that holds and pays most."""
    bid_form: BidForm = BidForm.COINBASE

    def takes(self, behind: Leading | None) -> bool:
        """Return whether what must stand before it is known whole, or is nothing."""
        return behind is None or behind.raw is not None

    def requests(self, sending: Sending) -> tuple[ChannelRequest, ...]:
        """Return a bundle for each builder, for the block after the head that was decided upon."""
        submission, behind = sending.submission, sending.behind
        if not self.takes(behind):
            return ()
        theirs = () if behind is None or behind.raw is None else (behind.raw,)
        raw = [*theirs, *sending.before, submission.transaction.raw]
        bundle = {
            "txs": [_hex(one) for one in raw],
            "blockNumber": hex(submission.head_number + 1),
            "maxTimestamp": submission.deadline_s,
        }
        return tuple(
            ChannelRequest(
                method="eth_sendBundle", params=(bundle | _named(builder, submission),), relay=builder.name
            )
            for builder in self.builders
        )

    def withdrawals(self, submission: Submission) -> tuple[ChannelRequest, ...]:
        """Return the requests that ask to forget a submission; a builder may be too late for it."""
        return tuple(
            ChannelRequest(
                method="eth_cancelBundle", params=(_named(builder, submission),), relay=builder.name
            )
            for builder in self.builders
            if builder.cancels
        )

    def parse(self, submission: Submission, reply: object | ChannelError) -> Acceptance:
        """Return what a reply means."""
        if isinstance(reply, ChannelError):
            return refusal(reply.code, reply.message)
        return bundle_taken(reply)


def replacement_uuid(submission: Submission) -> str:
    """Return the id of all bundles of one key, nonce and rung: a UUID of version 4, not random but as unique.

    What has the id of another replaces it, and a smaller size is to stand beside the plan.
    """
    named = submission.operator + submission.nonce.to_bytes(8, "big") + submission.rung.to_bytes(1, "big")
    digest = bytearray(keccak(named)[:16])
    digest[6] = digest[6] & 0x0F | 0x40
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _named(builder: Builder, submission: Submission) -> dict[str, object]:
    return {"replacementUuid": replacement_uuid(submission)} if builder.cancels else {}


def _hex(raw: bytes) -> str:
    if not raw:
        raise Invariant("a bundle of nothing")
    return "0x" + raw.hex()
