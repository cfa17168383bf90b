"""The people of the devnet, with the keys that everybody knows. Never send anything of worth to them."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import cache

from coincurve import PrivateKey
from eth_utils.crypto import keccak

from keeper.domain.address import Address

MNEMONIC = "test test test test test test test test test test test junk"
"""Anvil's own, and so public: Anvil unlocks and funds the first ten accounts."""

_HARDENED = 2**31
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of the group secp256k1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account and its key."""

    address: Address
    private_key: bytes


@cache
def account(index: int) -> Account:
    """Return the mnemonic's account of that index, on the path that wallets use."""
    key = _derive((44 + _HARDENED, 60 + _HARDENED, _HARDENED, 0, index))
    public = PrivateKey(key).public_key.format(compressed=False)
    return Account(address=Address(keccak(public[1:])[-20:]), private_key=key)


def market() -> Account:
    """Return who deploys, lends, makes the market and reports prices."""
    return account(0)


def owner() -> Account:
    """Return who owns the executor and the vault."""
    return account(1)


def operator() -> Account:
    """Return whose key the keeper signs with."""
    return account(2)


def rival() -> Account:
    """Return who liquidates besides the keeper."""
    return account(3)


def attacker() -> Account:
    """Return who tries to take what is not theirs."""
    return account(4)


def borrower_address(index: int) -> Address:
    """Return a borrower's address. Nobody has its key: it acts by impersonation."""
    return Address(keccak(text=f"keeper devnet borrower {index}")[-20:])


def morpho_borrower_address(index: int) -> Address:
    """Return the address of a borrower of Morpho's. Nobody has its key: it acts by impersonation."""
    return Address(keccak(text=f"keeper devnet morpho borrower {index}")[-20:])


def _derive(path: tuple[int, ...]) -> bytes:
    """Return the mnemonic's private key at a path, by BIP-39 and BIP-32.

    eth_account knows how, but takes half a second to import.
    """
    seed = hashlib.pbkdf2_hmac("sha512", MNEMONIC.encode(), b"mnemonic", 2048)
    node = hmac.digest(b"Bitcoin seed", seed, "sha512")
    for index in path:
        key, chain_code = node[:32], node[32:]
        public = b"\0" + key if index >= _HARDENED else PrivateKey(key).public_key.format()
        child = hmac.digest(chain_code, public + index.to_bytes(4), "sha512")
        node = ((int.from_bytes(child[:32]) + int.from_bytes(key)) % _ORDER).to_bytes(32) + child[32:]
    return node[:32]
