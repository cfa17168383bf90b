"""A state as bytes, so that what was answered at it is found again."""

from __future__ import annotations

from hashlib import blake2b

from eth_utils.crypto import keccak

from keeper.domain.state import Mined, Overlay, StateRef


def state_key(at: StateRef) -> bytes:
    """Return the block's hash, and a digest of what lies over it, where something does."""
    match at:
        case Mined(hash=hash_):
            return hash_
        case Overlay(base=base, storage=storage, code=code):
            digest = blake2b(digest_size=16)
            for contract in sorted(storage):
                digest.update(contract)
                for slot in sorted(storage[contract]):
                    digest.update(slot + storage[contract][slot])
            for contract in sorted(code):
                digest.update(contract + keccak(code[contract]))
            return base.hash + digest.digest()
