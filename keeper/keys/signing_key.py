"""The operator's key: read from hex or from an encrypted file, held by libsecp256k1, never shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

from coincurve import PrivateKey
from eth_utils.crypto import keccak

from keeper.domain.address import Address, Hash32, checksum
from keeper.domain.errors import ConfigError
from keeper.domain.secret import Secret
from keeper.domain.submission import SignedTransaction, UnsignedTransaction
from keeper.eip1559 import signed, signing_hash


class SigningKey:
    """A private key that signs hashes. Its repr, its errors and its pickle hold nothing of it."""

    __slots__ = ("_key", "address")

    def __init__(self, key: bytes) -> None:
        """Take the key's 32 bytes. Raises ValueError, without them, where they are no key."""
        expected = "not a private key: expected 32 bytes within the curve's order"
        if len(key) != 32:  # the library would fill up with zeros
            raise ValueError(expected)
        try:
            self._key = PrivateKey(key)
        except ValueError:
            raise ValueError(expected) from None
        self.address = Address(keccak(self._key.public_key.format(compressed=False)[1:])[-20:])

    @classmethod
    def from_hex(cls, text: Secret) -> Self:
        """Return the key written as 0x and 64 hex digits. Raises ConfigError where it is none."""
        try:
            return cls(bytes.fromhex(text.reveal().removeprefix("0x")))
        except ValueError:
            raise ConfigError("KEEPER_PRIVATE_KEY: expected 0x and 64 hex digits of a private key") from None

    @classmethod
    def from_keystore(cls, path: Path, password: Secret) -> Self:
        """Return the key in an encrypted file (Web3 Secret Storage), which takes about a second on purpose.

        Raises ConfigError where the file can't be read or the password does not open it.
        """
        from eth_account import Account  # slow to import, and only keystores need it

        try:
            stored = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise ConfigError(f"KEEPER_KEYSTORE: can't read {path}: {error.strerror}") from None
        except ValueError:
            raise ConfigError(f"KEEPER_KEYSTORE: {path} is no encrypted key file: it is not JSON") from None
        try:
            return cls(bytes(Account.decrypt(stored, password.reveal())))
        except ValueError as error:
            if "mac" in str(error).lower():
                raise ConfigError(f"KEEPER_KEYSTORE_PASSWORD: it does not open {path}") from None
            raise ConfigError(f"KEEPER_KEYSTORE: {path} is no encrypted key file") from None
        except (KeyError, TypeError, AttributeError, NotImplementedError):
            raise ConfigError(f"KEEPER_KEYSTORE: {path} is no encrypted key file") from None

    def sign(self, digest: Hash32) -> tuple[int, int, int]:
        """Return (y parity, r, s) over a 32-byte hash: deterministic (RFC 6979), s in the lower half."""
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[64], int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")

    def sign_transaction(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Return the signed transaction."""
        y_parity, r, s = self.sign(signing_hash(transaction))
        return signed(transaction, y_parity=y_parity, r=r, s=s)

    def __repr__(self) -> str:
        return f"SigningKey({checksum(self.address)})"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a key is not pickled")
