"""A key that is elsewhere: a remote signer asked over ``eth_signTransaction``, as Web3Signer answers it.

What comes back is not believed: it must be the very transaction that was asked for, to the byte, under a
signature of the operator's. Asked blocking, as a signature comes from the same machine or the next one.
"""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from coincurve import PublicKey
from eth_utils.crypto import keccak

from keeper.domain.address import Address, checksum
from keeper.domain.errors import Unavailable
from keeper.domain.secret import Secret, redact
from keeper.domain.submission import SignedTransaction, UnsignedTransaction
from keeper.eip1559 import signed, signing_hash

_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_SIGNATURE_BYTES = 67
"""Of what ends a signed transaction: the parity, and r and s with their lengths."""


class RemoteKey:
    """The operator's key, held by a signer at a URL."""

    def __init__(self, url: Secret, *, address: Address, timeout_s: float = 2.0) -> None:
        self._url = url
        self._parts = urlsplit(url.reveal())
        self._timeout_s = timeout_s
        self.address = address

    def sign_transaction(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Return the signed transaction.

        Raises Unavailable where the signer does not answer, refuses, or signs anything else: nothing is sent.
        """
        reply = self._ask("eth_signTransaction", [_asked(transaction, self.address)])
        if not isinstance(reply, str):
            raise Unavailable(f"the signer {self._url} answered no signed transaction")
        try:
            raw = bytes.fromhex(reply.removeprefix("0x"))
        except ValueError:
            raise Unavailable(f"the signer {self._url} answered no signed transaction") from None
        found = _verified(transaction, raw, self.address)
        if found is None:
            raise Unavailable(f"the signer {self._url} signed something else than it was asked to")
        return found

    def _ask(self, method: str, params: list[object]) -> Any:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=self._timeout_s)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unavailable(f"the signer {self._url} does not answer ({type(error).__name__})") from None
        finally:
            connection.close()
        if isinstance(answer, dict) and "result" in answer:
            return answer["result"]
        refusal = answer.get("error") if isinstance(answer, dict) else None
        said = refusal.get("message", "") if isinstance(refusal, dict) else "no reply to what was asked"
        raise Unavailable(redact(f"the signer {self._url} refused: {said}", (self._url,)))

    def __repr__(self) -> str:
        return f"RemoteKey({checksum(self.address)} at {self._url})"


def _asked(transaction: UnsignedTransaction, address: Address) -> dict[str, str]:
    fees = transaction.fees
    asked = {
        "from": checksum(address),
        "chainId": hex(transaction.chain_id),
        "nonce": hex(transaction.nonce),
        "gas": hex(fees.gas_limit),
        "maxFeePerGas": hex(fees.max_fee_per_gas_wei),
        "maxPriorityFeePerGas": hex(fees.max_priority_fee_per_gas_wei),
        "value": hex(transaction.value_wei),
        "data": f"0x{transaction.data.hex()}",
    }
    return asked if transaction.to is None else {**asked, "to": checksum(transaction.to)}


def _verified(transaction: UnsignedTransaction, raw: bytes, address: Address) -> SignedTransaction | None:
    """Return the transaction with the signature at the end of `raw`, if together they are `raw` to the byte.

    None where it is of another transaction, or another key, or malleable.
    """
    for signature in _signatures(raw[-_SIGNATURE_BYTES:]):
        y_parity, r, s = signature
        found = signed(transaction, y_parity=y_parity, r=r, s=s)
        if found.raw != raw:
            continue
        if s > _HALF_ORDER or not _is_by(address, transaction, y_parity, r, s):
            return None
        return found
    return None


def _signatures(end: bytes) -> list[tuple[int, int, int]]:
    """Return each reading of a transaction's end as parity, r and s: their leading zeros are left out."""
    found = []
    for s_bytes in range(1, 33):
        for r_bytes in range(1, 33):
            at = len(end) - (s_bytes + 1) - (r_bytes + 1) - 1
            if at < 0:
                continue
            parity, r_length, s_length = end[at], end[at + 1], end[at + 2 + r_bytes]
            if (r_length, s_length) == (0x80 + r_bytes, 0x80 + s_bytes) and parity in (0x80, 1):
                r = int.from_bytes(end[at + 2 : at + 2 + r_bytes], "big")
                found.append((parity & 1, r, int.from_bytes(end[-s_bytes:], "big")))
    return found


def _is_by(address: Address, transaction: UnsignedTransaction, y_parity: int, r: int, s: int) -> bool:
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([y_parity])
    try:
        key = PublicKey.from_signature_and_message(signature, signing_hash(transaction), hasher=None)
    except ValueError:
        return False
    return keccak(key.format(compressed=False)[1:])[-20:] == address
