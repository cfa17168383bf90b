"""What is told of a short range is sure to be all of it, or nothing is told: others look then."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
import pytest

from keeper.domain.address import Address, Hash32
from keeper.live.near_logs import NearLogs, is_near
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Reply
from keeper.query import LogRange

_AT, _ELSEWHERE = Hash32(b"\xaa" * 32), Hash32(b"\xbb" * 32)
_ONE, _OTHER = Address(b"\x01" * 20), Address(b"\x02" * 20)
_TOPIC = Hash32(b"\x03" * 32)
_OF_TOPIC = LogRange((_ONE,), (_TOPIC,), 7, 9)
_OF_ANY = LogRange((_OTHER,), (), 7, 9)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def _log(emitter: Address, block: int, place: int) -> dict[str, object]:
    return {
        "address": "0x" + emitter.hex(),
        "topics": ["0x" + _TOPIC.hex()],
        "data": "0x",
        "blockNumber": hex(block),
        "logIndex": hex(place),
        "transactionHash": "0x" + bytes(32).hex(),
        "blockHash": "0x" + _AT.hex(),
        "removed": False,
    }


def _block(hash_: Hash32) -> msgspec.Raw:
    word, address = "0x" + bytes(32).hex(), "0x" + bytes(20).hex()
    return _raw(
        {
            "number": "0x9",
            "hash": "0x" + hash_.hex(),
            "parentHash": word,
            "timestamp": "0x1",
            "baseFeePerGas": "0x1",
            "gasUsed": "0x0",
            "gasLimit": "0x1",
            "miner": address,
        }
    )


def test_requests__several_asks__one_for_given_topics_and_one_for_any() -> None:
    requests = NearLogs((_OF_TOPIC, _OF_ANY, _OF_ANY._replace(emitters=(_ONE,))), _AT).requests()
    assert [one.method for one in requests] == ["eth_getLogs", "eth_getLogs", "eth_getBlockByNumber"]
    assert NearLogs((_OF_ANY,), _AT).requests()[0].params == (
        {"address": ["0x" + _OTHER.hex()], "fromBlock": "0x7", "toBlock": "0x9"},
    )


def test_absorb__logs_of_both__each_gets_its_own_in_order() -> None:
    lists = [_raw([_log(_ONE, 8, 1), _log(_ONE, 7, 5)]), _raw([_log(_OTHER, 7, 0)])]
    answers = NearLogs((_OF_TOPIC, _OF_ANY), _AT).absorb([*lists, _block(_AT)]).answers
    assert [log.block_number for log in answers[_OF_TOPIC]] == [7, 8]
    assert [log.emitter for log in answers[_OF_ANY]] == [_OTHER]


@pytest.mark.parametrize(
    "replies",
    [
        [RpcError("eth_getLogs", code=-32005, message="too many results"), _block(_AT)],
        [_raw([]), RpcError("eth_getBlockByNumber", code=-32000, message="not now")],
        [_raw([]), _block(_ELSEWHERE)],
        [_raw([]), _raw(None)],
        [_raw([_log(_OTHER, 8, place) for place in range(500)]), _block(_AT)],
    ],
    ids=["refused", "no block told", "another branch", "no such block", "a round number"],
)
def test_absorb__not_sure_to_be_all__nothing_is_told(replies: Sequence[Reply]) -> None:
    absorbed = NearLogs((_OF_ANY,), _AT).absorb(replies)
    assert (absorbed.answers, absorbed.parts) == ({}, ())


def test_is_near__up_to_128_blocks() -> None:
    assert is_near(_OF_ANY._replace(first=1, last=128))
    assert not is_near(_OF_ANY._replace(first=1, last=129))
