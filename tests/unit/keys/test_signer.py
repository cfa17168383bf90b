"""What the key signs equals eth_account's own signature; what it may not sign, it does not."""

from __future__ import annotations

import copy
import pickle
import random
import traceback
from dataclasses import replace

import pytest
import rlp
from eth_account import Account

from keeper.domain.address import Address, Hash32, checksum
from keeper.domain.errors import Invariant
from keeper.domain.plan import Fees
from keeper.domain.submission import SignedTransaction, UnsignedTransaction
from keeper.keys import DeploymentSigner, ExecutorSigner, SigningKey, SigningLimits

KEY = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
EXECUTOR = Address(bytes.fromhex("00000000219ab540356cbb839cbe05303d7705fa"))
LIMITS = SigningLimits(chain_id=1, max_fee_per_gas_wei=10**11)
CALL = UnsignedTransaction(
    chain_id=1,
    nonce=7,
    to=EXECUTOR,
    value_wei=0,
    data=b"\x12\x34\x56\x78" + bytes(200),
    fees=Fees(gas_limit=900_000, max_fee_per_gas_wei=10**11, max_priority_fee_per_gas_wei=10**9),
)


def executor_signer(key: bytes = KEY, limits: SigningLimits = LIMITS) -> ExecutorSigner:
    return ExecutorSigner(SigningKey(key), limits=limits, executor=EXECUTOR)


def by_eth_account(key: bytes, transaction: UnsignedTransaction) -> SignedTransaction:
    signed = Account.from_key(key).sign_transaction(
        {
            "type": 2,
            "chainId": transaction.chain_id,
            "nonce": transaction.nonce,
            "to": b"" if transaction.to is None else checksum(transaction.to),
            "value": transaction.value_wei,
            "data": transaction.data,
            "gas": transaction.fees.gas_limit,
            "maxFeePerGas": transaction.fees.max_fee_per_gas_wei,
            "maxPriorityFeePerGas": transaction.fees.max_priority_fee_per_gas_wei,
        }
    )
    return SignedTransaction(raw=bytes(signed.raw_transaction), hash=Hash32(bytes(signed.hash)))


def test_sign__random_calls_and_keys__equal_to_eth_account() -> None:
    draw = random.Random(1559)
    lengths = [0, 1, 55, 56, 255, 256, 3_000]
    short = 0
    for number in range(500):
        key = draw.randbytes(32)
        most = draw.choice([0, 1, 127, 128, 10**9, 2**63])
        transaction = UnsignedTransaction(
            chain_id=draw.choice([1, 10, 42161, 31337]),
            nonce=draw.choice([0, 1, 127, 128, 2**32]),
            to=EXECUTOR,
            value_wei=0,
            data=draw.randbytes(lengths[number % len(lengths)]),
            fees=Fees(
                gas_limit=draw.choice([21_000, 2**24]),
                max_fee_per_gas_wei=most,
                max_priority_fee_per_gas_wei=min(most, draw.choice([0, 1, 10**9])),
            ),
        )
        limits = SigningLimits(chain_id=transaction.chain_id, max_fee_per_gas_wei=most)
        signed = executor_signer(key, limits).sign(transaction)
        assert signed == by_eth_account(key, transaction)
        *_, r, s = rlp.decode(signed.raw[1:])
        short += len(r) < 32 or len(s) < 32
    print(f"{short} signatures with a leading zero, which RLP drops")
    assert short


def test_sign__same_transaction_twice__same_signature() -> None:
    signer = executor_signer()
    assert signer.sign(CALL) == signer.sign(CALL)


def test_address__of_key__equal_to_eth_account() -> None:
    assert checksum(executor_signer().address) == Account.from_key(KEY).address


@pytest.mark.parametrize(
    ("transaction", "why"),
    [
        (replace(CALL, to=Address(bytes(20))), "only for the executor"),
        (replace(CALL, to=None), "a new contract"),
        (replace(CALL, value_wei=1), "1 wei"),
        (replace(CALL, chain_id=5), "chain 5"),
        (replace(CALL, fees=replace(CALL.fees, max_fee_per_gas_wei=10**11 + 1)), "the cap is 100000000000"),
        (replace(CALL, fees=replace(CALL.fees, max_priority_fee_per_gas_wei=10**11 + 1)), "priority fee"),
    ],
    ids=["another target", "creation", "value", "another chain", "fee over the cap", "tip over the fee"],
)
def test_executor_signer__anything_else__is_refused(transaction: UnsignedTransaction, why: str) -> None:
    with pytest.raises(Invariant, match=why):
        executor_signer().sign(transaction)


def test_deployment_signer__creation__equal_to_eth_account() -> None:
    creation = replace(CALL, to=None)
    signed = DeploymentSigner(SigningKey(KEY), limits=LIMITS).sign(creation)
    assert signed == by_eth_account(KEY, creation)


@pytest.mark.parametrize(
    "transaction",
    [CALL, replace(CALL, to=None, value_wei=1), replace(CALL, to=None, chain_id=5)],
    ids=["a call", "value", "another chain"],
)
def test_deployment_signer__anything_else__is_refused(transaction: UnsignedTransaction) -> None:
    with pytest.raises(Invariant, match="refused to sign"):
        DeploymentSigner(SigningKey(KEY), limits=LIMITS).sign(transaction)


def test_signer__shown_or_raising__key_is_nowhere() -> None:
    signer = executor_signer()
    deployer = DeploymentSigner(SigningKey(KEY), limits=LIMITS)
    shown = [f"{one!r} {one} {one:}" for one in (signer, deployer, SigningKey(KEY))]
    try:
        signer.sign(replace(CALL, chain_id=5))
    except Invariant:
        shown.append(traceback.format_exc())
    text = " ".join(shown).lower()
    assert KEY.hex() not in text
    assert str(int.from_bytes(KEY, "big")) not in text
    assert checksum(signer.address).lower() in text


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy])
def test_signing_key__pickled_or_copied__raises(leak: object) -> None:
    assert callable(leak)
    with pytest.raises(TypeError, match="not pickled"):
        leak(SigningKey(KEY))


def test_sign__nothing_to_itself__signed_for_it_uses_up_a_nonce() -> None:
    signer = executor_signer()
    cancelling = replace(CALL, to=signer.address, data=b"")
    assert signer.sign(cancelling) == by_eth_account(KEY, cancelling)
    with pytest.raises(Invariant, match="refused to sign for"):
        signer.sign(replace(cancelling, data=b"\x01"))
    with pytest.raises(Invariant, match="sign away"):
        signer.sign(replace(cancelling, value_wei=1))
