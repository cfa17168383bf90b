"""What answers to a transaction or a bundle mean. Why it was not taken is spelt by each node as it likes.

JSON-RPC fixes no codes for it: here is a table, no more.

Gathered from geth, reth, Nethermind, Besu, Erigon, Anvil, rollups' sequencers and the gateways before them.
What is not in it is unclear: a node that broke off in the middle may still have passed it on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keeper.domain.submission import Accepted, Refusal, Refused, Unclear

# In lower case; the first that is found in what was said counts.
_SPELLINGS: Sequence[tuple[str, Refusal]] = (
    ("unknown transaction type", Refusal.INVALID),  # before "known transaction", which is in it
    ("already known", Refusal.ALREADY_KNOWN),
    ("already imported", Refusal.ALREADY_KNOWN),
    ("alreadyknown", Refusal.ALREADY_KNOWN),
    ("known transaction", Refusal.ALREADY_KNOWN),
    ("already exists", Refusal.ALREADY_KNOWN),
    ("already in mempool", Refusal.ALREADY_KNOWN),
    ("already in the mempool", Refusal.ALREADY_KNOWN),
    ("already been submitted", Refusal.ALREADY_KNOWN),
    ("nonce too low", Refusal.NONCE_TOO_LOW),
    ("nonce is too low", Refusal.NONCE_TOO_LOW),
    ("nonce_too_low", Refusal.NONCE_TOO_LOW),
    ("oldnonce", Refusal.NONCE_TOO_LOW),
    ("nonce has already been used", Refusal.NONCE_TOO_LOW),  # gateways before their nodes
    ("nonce already used", Refusal.NONCE_TOO_LOW),
    ("invalid transaction nonce", Refusal.NONCE_TOO_LOW),
    ("replacement transaction underpriced", Refusal.REPLACEMENT_UNDERPRICED),  # geth, reth, Erigon, Anvil
    ("replacementnotallowed", Refusal.REPLACEMENT_UNDERPRICED),  # Nethermind
    ("could not replace existing tx", Refusal.REPLACEMENT_UNDERPRICED),  # Erigon
    ("replacement fee too low", Refusal.REPLACEMENT_UNDERPRICED),
    ("replacement gas price", Refusal.REPLACEMENT_UNDERPRICED),
    ("feetoolowtocompete", Refusal.UNDERPRICED),  # Nethermind: the pool is full of dearer ones
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
    ("insufficient balance", Refusal.INSUFFICIENT_FUNDS),
    ("insufficient eth", Refusal.INSUFFICIENT_FUNDS),
    ("sender doesn't have enough funds", Refusal.INSUFFICIENT_FUNDS),
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


def refusal(code: int, message: str) -> Refused | Unclear:
    """Return what an error means that a transaction was answered with."""
    said = message.lower()
    for spelling, kind in _SPELLINGS:
        if spelling in said:
            return Refused(kind=kind, detail=message)
    return Unclear(detail=f"{message} ({code})")


def bundle_taken(result: object) -> Accepted | Unclear:
    """Return what a bundle was answered with: its hash, bare or in an object, or nothing that is one."""
    found = result.get("bundleHash") if isinstance(result, Mapping) else result
    if isinstance(found, str) and found.startswith("0x"):
        return Accepted()
    return Unclear(detail="the answer is not a bundle's hash")
