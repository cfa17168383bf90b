"""What a remote signer gives back is taken only if it is what was asked for, to the byte."""

from __future__ import annotations

import random
from dataclasses import replace

from keeper.domain.address import Address
from keeper.domain.plan import Fees
from keeper.domain.submission import UnsignedTransaction
from keeper.eip1559 import signed, signing_hash
from keeper.keys import SigningKey
from keeper.keys.remote_key import _verified
from tests.unit.keys.test_signer import CALL, KEY

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_verified__random_keys_and_transactions__taken_short_signatures_too() -> None:
    draw = random.Random(1559)
    short = 0
    for nonce in range(1_000):
        key = SigningKey(draw.randbytes(32))
        transaction = UnsignedTransaction(
            chain_id=draw.choice([1, 8453, 42161]),
            nonce=nonce,
            to=draw.choice([None, Address(draw.randbytes(20))]),
            value_wei=0,
            data=draw.randbytes(draw.choice([0, 1, 55, 56, 700])),
            fees=Fees(
                gas_limit=nonce, max_fee_per_gas_wei=draw.getrandbits(40), max_priority_fee_per_gas_wei=0
            ),
        )
        expected = key.sign_transaction(transaction)
        _, r, s = key.sign(signing_hash(transaction))
        short += r < 2**248 or s < 2**248
        assert _verified(transaction, expected.raw, key.address) == expected
    assert short >= 5


def test_verified__anything_else__is_not_taken() -> None:
    key, other = SigningKey(KEY), SigningKey(b"\1" * 32)
    taken = key.sign_transaction(CALL).raw
    fees = CALL.fees
    for changed in (
        replace(CALL, nonce=8),
        replace(CALL, to=Address(b"\1" * 20)),
        replace(CALL, to=None),
        replace(CALL, value_wei=1),
        replace(CALL, data=CALL.data + b"\0"),
        replace(CALL, chain_id=2),
        replace(CALL, fees=replace(fees, gas_limit=fees.gas_limit + 1)),
        replace(CALL, fees=replace(fees, max_fee_per_gas_wei=fees.max_fee_per_gas_wei + 1)),
        replace(CALL, fees=replace(fees, max_priority_fee_per_gas_wei=0)),
    ):
        assert _verified(CALL, key.sign_transaction(changed).raw, key.address) is None
    assert _verified(CALL, other.sign_transaction(CALL).raw, key.address) is None
    assert _verified(CALL, taken + b"\0", key.address) is None
    assert _verified(CALL, taken[:-1], key.address) is None
    assert _verified(CALL, b"", key.address) is None


def test_verified__the_signature_s_twin__is_not_taken() -> None:
    key = SigningKey(KEY)
    y_parity, r, s = key.sign(signing_hash(CALL))
    twin = signed(CALL, y_parity=1 - y_parity, r=r, s=ORDER - s)
    assert _verified(CALL, twin.raw, key.address) is None
