"""The header that builders ask for, held against eth_account's own reading of the standard."""

from __future__ import annotations

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.address import checksum
from keeper.keys import SigningKey
from keeper.keys.relay_key import HEADER, signed_headers

KEY = SigningKey(b"\x52" * 32)


@given(st.binary(max_size=300))
def test_signed_headers__any_body__as_eth_account_signs_the_text_of_its_hash(body: bytes) -> None:
    headers = signed_headers(KEY, body)
    assert HEADER == "X-Flashbots-Signature"
    address, signature = headers[HEADER].split(":")
    message = encode_defunct(text="0x" + keccak(body).hex())
    assert address == checksum(KEY.address)
    assert signature == "0x" + Account.sign_message(message, b"\x52" * 32).signature.hex()
    assert Account.recover_message(message, signature=signature) == address
