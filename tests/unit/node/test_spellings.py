"""What nodes say, in their own words, and what is made of it."""

from __future__ import annotations

import pytest

from keeper.node.blocking_rpc import RpcError
from keeper.node.spellings import (
    is_batch_refused,
    is_rate_limit,
    is_unknown_method,
    is_unknown_state,
    revert_data,
)


def refused(message: str, *, code: int = -32000, data: object = None) -> RpcError:
    return RpcError("eth_call", code=code, message=message, data=data)


@pytest.mark.parametrize(
    ("error", "data"),
    [
        (refused("execution reverted", code=3, data="0xdeadbeef"), b"\xde\xad\xbe\xef"),  # geth
        (refused("execution reverted"), b""),
        (
            refused("execution reverted: custom error 0xdeadbeef", code=3, data="0xdeadbeef"),
            b"\xde\xad\xbe\xef",
        ),
        (refused("VM execution error.", code=-32015, data="Reverted 0xdead"), b"\xde\xad"),  # Nethermind
        (refused("VM execution error.", code=-32015, data="Bad instruction fe"), b""),
        (refused("invalid opcode: INVALID"), b""),
        (refused("out of gas"), b""),
        (refused("EVM error: OutOfGas"), b""),
        (refused("EVM error: InvalidFEOpcode"), b""),  # Anvil
        (refused("stack underflow (0 <=> 1)"), b""),
        (refused("invalid jump destination"), b""),
        (refused("write protection"), b""),
        (refused("execution reverted", code=3, data={"data": "0xdead"}), b"\xde\xad"),
        (refused("execution reverted", code=3, data={"message": 1}), b""),
    ],
)
def test_revert_data__a_revert__its_bytes(error: RpcError, data: bytes) -> None:
    assert revert_data(error) == data


@pytest.mark.parametrize(
    "error",
    [
        refused("header not found"),
        refused("the method eth_call does not exist", code=-32601),
        refused("internal error", code=-32603),
        refused("request timed out"),
        refused("daily request count exceeded", code=-32005),
    ],
)
def test_revert_data__no_revert__none(error: RpcError) -> None:
    assert revert_data(error) is None


@pytest.mark.parametrize(
    "message",
    [
        "header not found",
        "header for hash not found",
        "unknown block",
        "Resource not found",
        "block not found: 0xabc",
        "missing trie node 0a (path )",
        "hash 0a is not currently canonical",
        "required historical state unavailable (reexec=128)",
        "BlockOutOfRangeError: block height is 5 but requested was 9",
    ],
)
def test_is_unknown_state__its_spellings__recognised(message: str) -> None:
    assert is_unknown_state(refused(message))
    assert revert_data(refused(message)) is None


@pytest.mark.parametrize("message", ["execution reverted", "nonce too low", "invalid params"])
def test_is_unknown_state__something_else__not(message: str) -> None:
    assert not is_unknown_state(refused(message))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Too Many Requests", 429),
        ("project ID request rate exceeded: rate limit", -32005),
        ("Your app has exceeded its compute units per second capacity", -32000),
        ("daily request count exceeded, request rate limited", -32005),
        ("whatever", 429),
    ],
)
def test_is_rate_limit__its_spellings__recognised(message: str, code: int) -> None:
    assert is_rate_limit(refused(message, code=code))


@pytest.mark.parametrize(
    "message",
    ["query returned more than 10000 results", "exceed maximum block range: 5000", "block range too wide"],
)
def test_is_rate_limit__range_of_logs__not(message: str) -> None:
    assert not is_rate_limit(refused(message, code=-32005))


@pytest.mark.parametrize(
    "message",
    ["batch too large", "batch size limit exceeded", "too many calls in batch request", "Batch limit 50"],
)
def test_is_batch_refused__its_spellings__recognised(message: str) -> None:
    assert is_batch_refused(refused(message))


@pytest.mark.parametrize(
    "message",
    [
        "the method eth_simulateV1 does not exist/is not available",
        "Method not found",
        "Unsupported method: eth_simulateV1. See available methods",
        "rpc method is not supported",
        "Method 'eth_simulateV1' not implemented",
    ],
)
def test_is_unknown_method__its_spellings__recognised(message: str) -> None:
    assert is_unknown_method(refused(message))


@pytest.mark.parametrize("message", ["header not found", "execution reverted", "block gas limit exceeded"])
def test_is_unknown_method__something_else__not(message: str) -> None:
    assert not is_unknown_method(refused(message))
