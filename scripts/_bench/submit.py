"""Submit: from a plan's call to the request's bytes, through coincurve, against a signer in plain Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

from _bench.benchmark import Benchmark, Sample, fastest

_KEY = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
_CALLS = 20
_CALLDATA_BYTES = 1_100
"""As much as a liquidation with two sales takes."""


def _samples() -> Iterator[Sample]:
    from eth_account import Account
    from eth_keys.backends import NativeECCBackend

    from keeper.channels.public import PublicChannel
    from keeper.domain.address import Address, Hash32, checksum
    from keeper.domain.plan import Fees
    from keeper.domain.submission import Submission, UnsignedTransaction
    from keeper.keys import ExecutorSigner, SigningKey, SigningLimits
    from keeper.node.endpoint import Request, encoded
    from keeper.ports import Sending

    executor = Address(Random(1).randbytes(20))
    signer = ExecutorSigner(
        SigningKey(_KEY),
        limits=SigningLimits(chain_id=1, max_fee_per_gas_wei=10**11),
        executor=executor,
    )
    fees = Fees(gas_limit=900_000, max_fee_per_gas_wei=10**11, max_priority_fee_per_gas_wei=10**9)
    calls = [Random(place).randbytes(_CALLDATA_BYTES) for place in range(_CALLS)]
    channel = PublicChannel()
    plain = Account.from_key(_KEY)
    accounts = Account()
    accounts.set_key_backend(NativeECCBackend())

    def ours() -> list[bytes]:
        bodies = []
        for nonce, data in enumerate(calls):
            transaction = signer.sign(
                UnsignedTransaction(chain_id=1, nonce=nonce, to=executor, value_wei=0, data=data, fees=fees)
            )
            submission = Submission(
                market="aave-v3:ethereum-core",
                borrower=executor,
                pools=frozenset(),
                operator=signer.address,
                nonce=nonce,
                transaction=transaction,
                head_number=24_000_000,
                head_hash=Hash32(bytes(32)),
                deadline_s=1_800_000_000,
                predicted_profit_wei=10**16,
                fees=fees,
            )
            (request,) = channel.requests(Sending(submission=submission))
            bodies.append(encoded(Request(request.method, request.params), 0))
        return bodies

    def theirs() -> list[bytes]:
        bodies = []
        for nonce, data in enumerate(calls):
            signed = accounts.sign_transaction(
                {
                    "type": 2,
                    "chainId": 1,
                    "nonce": nonce,
                    "to": checksum(executor),
                    "value": 0,
                    "data": data,
                    "gas": fees.gas_limit,
                    "maxFeePerGas": fees.max_fee_per_gas_wei,
                    "maxPriorityFeePerGas": fees.max_priority_fee_per_gas_wei,
                },
                plain.key,
            )
            raw = "0x" + bytes(signed.raw_transaction).hex()
            asked = {"jsonrpc": "2.0", "id": 0, "method": "eth_sendRawTransaction", "params": [raw]}
            bodies.append(json.dumps(asked, separators=(",", ":")).encode())
        return bodies

    while True:
        plain_s, expected = fastest(theirs)
        ours_s, bodies = fastest(ours, times=5)
        assert bodies == expected
        yield Sample(ours_s / _CALLS * 1e6, plain_s / ours_s)


BENCHMARK = Benchmark(
    name="submit",
    measures="a plan's call to the bytes on the wire, against plain Python",
    unit="µs a plan",
    must=5,
    samples=_samples,
)
