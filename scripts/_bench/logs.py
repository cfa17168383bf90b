"""Logs: a page of `eth_getLogs`, from JSON to whom each log names, against web3's own decoding."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from random import Random
from typing import Any

from _bench.benchmark import Benchmark, Sample, in_turns

_PAGE = 1_500
_POOL = bytes.fromhex("87870bca3f3fd6335c3f4ce8392d69350b4fa4e2")
_EVENTS = ("Supply", "Withdraw", "Borrow", "Repay")
_NAMED = {"Supply": "onBehalfOf", "Withdraw": "user", "Borrow": "onBehalfOf", "Repay": "user"}


def _samples() -> Iterator[Sample]:
    import msgspec
    from web3 import Web3
    from web3.providers import BaseProvider

    from keeper.abi import load
    from keeper.domain.address import Address
    from keeper.node import wire
    from keeper.protocols.aave_v3 import events
    from keeper.protocols.aave_v3.state import Market

    fragments = json.loads((files("keeper") / "abis" / "aave_v3_pool.json").read_text("utf-8"))
    abi = [fragment for fragment in fragments if fragment["name"] in _EVENTS]
    topics = {name: load("aave_v3_pool").event(name).topic for name in _EVENTS}
    page = json.dumps({"jsonrpc": "2.0", "id": 1, "result": _page(Random(1), abi, topics)}).encode()

    class Recorded(BaseProvider):
        def make_request(self, method: Any, params: Any) -> Any:
            return json.loads(page)

    chain = Web3(Recorded())
    contract = chain.eth.contract(address=Web3.to_checksum_address(_POOL), abi=abi)
    by_topic = {bytes(topic): contract.events[name]() for name, topic in topics.items()}
    market = Market(
        revision=11,
        provider=Address(bytes(20)),
        configurator=Address(bytes(20)),
        oracle=Address(bytes(20)),
        sentinel=None,
        sentinel_allows=True,
        reserves={},
        e_modes={},
    )
    reply = msgspec.json.Decoder(dict[str, msgspec.Raw])

    def ours() -> Any:
        found = wire.logs(reply.decode(page)["result"])
        return found, events.touched(Address(_POOL), market, found, name="aave-v3")

    def plain() -> Any:
        return [by_topic[bytes(log["topics"][0])].process_log(log) for log in chain.eth.get_logs({})]

    while True:
        (ours_s, (found, touched)), (plain_s, theirs) = in_turns(ours, plain, ours_times=100)
        assert len(found) == len(theirs) == _PAGE
        for log, other in zip(found, theirs, strict=True):
            assert Web3.to_checksum_address(log.emitter) == other["address"]
            assert (log.block_number, log.log_index) == (other["blockNumber"], other["logIndex"])
            assert log.transaction == bytes(other["transactionHash"])
        named = {other["args"][_NAMED[other["event"]]] for other in theirs}
        assert {Web3.to_checksum_address(borrower) for borrower in touched.borrowers} == named
        yield Sample(ours_s / _PAGE * 1e6, plain_s / ours_s)


def _page(random: Random, abi: Sequence[Any], topics: Mapping[str, bytes]) -> list[dict[str, object]]:
    """Return logs as nodes write them: 900 borrowers in 500 blocks."""
    borrowers = [random.randbytes(20) for _ in range(900)]
    reserves = [random.randbytes(20) for _ in range(30)]
    blocks = sorted(random.randrange(24_000_000, 24_000_500) for _ in range(_PAGE))
    return [
        _log(random, abi, topics, block, place, borrowers, reserves) for place, block in enumerate(blocks)
    ]


def _log(
    random: Random,
    abi: Sequence[Any],
    topics: Mapping[str, bytes],
    block: int,
    place: int,
    borrowers: Sequence[bytes],
    reserves: Sequence[bytes],
) -> dict[str, object]:
    fragment = random.choice(abi)
    borrower = random.choice(borrowers)
    words = {
        one["name"]: random.choice(reserves) if one["name"] == "reserve" else borrower
        for one in fragment["inputs"]
        if one["type"] == "address"
    }
    filled = [
        (one["indexed"], words.get(one["name"], bytes([random.randrange(2)])).rjust(32, b"\0").hex())
        for one in fragment["inputs"]
    ]
    return {
        "address": "0x" + _POOL.hex(),
        "topics": [
            "0x" + topics[fragment["name"]].hex(),
            *("0x" + word for indexed, word in filled if indexed),
        ],
        "data": "0x" + "".join(word for indexed, word in filled if not indexed),
        "blockNumber": hex(block),
        "blockHash": "0x" + block.to_bytes(32).hex(),
        "blockTimestamp": hex(1_800_000_000 + 12 * block),
        "transactionHash": "0x" + Random(place // 2).randbytes(32).hex(),
        "transactionIndex": hex(place % 200),
        "logIndex": hex(place % 400),
        "removed": False,
    }


BENCHMARK = Benchmark(
    name="logs",
    measures="decoding a page of 1,500 logs, against web3",
    unit="µs a log",
    must=100,
    samples=_samples,
)
