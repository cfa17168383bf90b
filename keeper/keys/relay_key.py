"""The key by which builders know a searcher: it signs requests, never a transaction, and holds nothing."""

from __future__ import annotations

from collections.abc import Mapping

from eth_utils.crypto import keccak

from keeper.domain.address import Hash32, checksum
from keeper.keys.signing_key import SigningKey

HEADER = "X-Flashbots-Signature"


def signed_headers(key: SigningKey, body: bytes) -> Mapping[str, str]:
    """Return the header that signs a request's body: the key's address, a colon, its signature.

    Signed is not the body's hash but that hash *written* as 0x and 64 hex digits, as a message of 66
    characters (EIP-191). Mirrors ethers' ``signMessage(id(body))``, as the relays' documentation gives it.
    """
    text = ("0x" + keccak(body).hex()).encode("ascii")
    message = b"\x19Ethereum Signed Message:\n" + str(len(text)).encode("ascii") + text
    y_parity, r, s = key.sign(Hash32(keccak(message)))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + y_parity])
    return {HEADER: f"{checksum(key.address)}:0x{signature.hex()}"}
