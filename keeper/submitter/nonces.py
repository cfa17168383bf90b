"""Which nonce a new transaction gets. No counter is kept: the chain and what is in flight say it all."""

from __future__ import annotations

from collections.abc import Set as AbstractSet


def next_nonce(*, chain_nonce: int, held: AbstractSet[int]) -> int:
    """Return the lowest nonce that is neither in the chain nor held by a transaction in flight.

    So nonces are given in order, and one that an expired transaction gave back is given first: whatever
    waits behind that gap could not be included otherwise.
    """
    nonce = chain_nonce
    while nonce in held:
        nonce += 1
    return nonce
