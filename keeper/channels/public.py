"""The public mempool of whatever node is asked. Everybody sees what is sent there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.domain.submission import Acceptance, Accepted, Refusal, Refused, SignedTransaction, Unclear
from keeper.ports import ChannelError, ChannelRequest

# How nodes spell it, in lower case: geth, reth, Nethermind, Besu, Erigon, Anvil, and rollups' sequencers.
# What is not among them is unclear: a node that broke off in the middle may still have passed it on.
_SPELLINGS: Sequence[tuple[str, Refusal]] = (
    ("unknown transaction type", Refusal.INVALID),  # before "known transaction", which is in it
    ("already known", Refusal.ALREADY_KNOWN),
    ("already imported", Refusal.ALREADY_KNOWN),
    ("alreadyknown", Refusal.ALREADY_KNOWN),
    ("known transaction", Refusal.ALREADY_KNOWN),
    ("already exists", Refusal.ALREADY_KNOWN),
    ("nonce too low", Refusal.NONCE_TOO_LOW),
    ("nonce is too low", Refusal.NONCE_TOO_LOW),
    ("nonce_too_low", Refusal.NONCE_TOO_LOW),
    ("oldnonce", Refusal.NONCE_TOO_LOW),
    ("underpriced", Refusal.UNDERPRICED),
    ("less than block base fee", Refusal.UNDERPRICED),
    ("lower than the block base fee", Refusal.UNDERPRICED),
    ("feetoolow", Refusal.UNDERPRICED),
    ("fee too low", Refusal.UNDERPRICED),
    ("gas price too low", Refusal.UNDERPRICED),
    ("gas price below configured minimum", Refusal.UNDERPRICED),
    ("pool is full", Refusal.UNDERPRICED),
    ("insufficient funds", Refusal.INSUFFICIENT_FUNDS),
    ("insufficientfunds", Refusal.INSUFFICIENT_FUNDS),
    ("upfront cost exceeds account balance", Refusal.INSUFFICIENT_FUNDS),
    ("intrinsic gas", Refusal.INVALID),
    ("floor data gas", Refusal.INVALID),
    ("exceeds block gas limit", Refusal.INVALID),
    ("exceeds transaction gas limit", Refusal.INVALID),
    ("gas limit too high", Refusal.INVALID),
    ("gaslimitexceeded", Refusal.INVALID),
    ("exceeds the configured cap", Refusal.INVALID),
    ("nonce too high", Refusal.INVALID),
    ("noncegap", Refusal.INVALID),
    ("invalid chain id", Refusal.INVALID),
    ("invalid sender", Refusal.INVALID),
    ("invalid signature", Refusal.INVALID),
    ("oversized data", Refusal.INVALID),
    ("failed to decode", Refusal.INVALID),
    ("priority fee per gas higher than max fee", Refusal.INVALID),
    ("in-flight transaction limit", Refusal.INVALID),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicChannel:
    """``eth_sendRawTransaction``."""

    @property
    def name(self) -> str:
        return "public"

    def request(self, transaction: SignedTransaction) -> ChannelRequest:
        """Return the request that submits a transaction."""
        return ChannelRequest(method="eth_sendRawTransaction", params=("0x" + transaction.raw.hex(),))

    def parse(self, transaction: SignedTransaction, reply: object | ChannelError) -> Acceptance:
        """Return what a reply means. Only the transaction's own hash is an acceptance."""
        if isinstance(reply, ChannelError):
            return _refusal(reply)
        if isinstance(reply, str) and reply.lower() == "0x" + transaction.hash.hex():
            return Accepted()
        return Unclear(detail="the answer is not the transaction's hash")


def _refusal(error: ChannelError) -> Refused | Unclear:
    said = error.message.lower()
    for spelling, kind in _SPELLINGS:
        if spelling in said:
            return Refused(kind=kind, detail=error.message)
    return Unclear(detail=f"{error.message} ({error.code})")
