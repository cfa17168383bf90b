"""Server-sent events, however they are cut, and however much of them is rubbish."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import Unavailable
from keeper.domain.pending import HintedCall, HintedLog
from keeper.node import wire
from keeper.node.event_stream import Events

STREAM = b':ping\n\ndata: {"a":1}\n\nevent: x\r\nid: 7\r\ndata:two\r\ndata: lines\r\n\r\n\n\ndata: last\n\n'
DATA = [b'{"a":1}', b"two\nlines", b"last"]


def fed(*pieces: bytes) -> list[bytes]:
    events = Events()
    return [event for piece in pieces for event in events.feed(piece)]


def test_feed__events__their_data_without_comments_and_other_fields() -> None:
    assert fed(STREAM) == DATA
    assert fed(b"data: not ended\n") == []


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_feed__however_it_is_cut__the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(edges)]
    assert fed(*pieces) == DATA


@pytest.mark.parametrize(
    "flood",
    [b"x" * 2**20 + b"yy", b"data: " + b"x" * 2**20 + b"\n", (b"data: " + b"x" * 999 + b"\n") * 2**11],
)
def test_feed__longer_than_any_event__thrown_away_and_the_next_is_read(flood: bytes) -> None:
    events = Events()
    for at in range(0, len(flood), 2**16):
        assert list(events.feed(flood[at : at + 2**16])) == []
        assert len(events._rest) + sum(map(len, events._lines)) <= 2**20 + 2**16
    assert list(events.feed(b"\n\ndata: next\n\n")) == [b"next"]
    assert events.unread == 1


def hint(told: object) -> object:
    return wire.hint(msgspec.Raw(json.dumps(told).encode()))


HASH, THERE, TOPIC = "0x" + "ab" * 32, "0x" + "0c" * 20, "0x" + "0d" * 32


def test_hint__as_much_as_is_told__calls_with_data_and_events() -> None:
    one = wire.hint(
        msgspec.Raw(
            json.dumps(
                {
                    "hash": HASH,
                    "logs": [{"address": THERE, "topics": [TOPIC], "data": "0x07"}, {"address": THERE}],
                    "txs": [
                        {"to": THERE, "functionSelector": "0x01020304", "callData": "0x0102030405"},
                        {"callData": "0x06"},
                        {"to": THERE},
                    ],
                    "mevGasPrice": "0x1",
                }
            ).encode()
        )
    )
    to = bytes.fromhex(THERE[2:])
    assert one.hash == b"\xab" * 32
    assert one.calls == (HintedCall(to=to, data=b"\x01\x02\x03\x04\x05"), HintedCall(to=None, data=b"\x06"))
    assert one.logs[0] == HintedLog(emitter=to, topics=(b"\x0d" * 32,), data=b"\x07")
    assert (one.logs[1].topics, one.logs[1].data) == ((), b"")
    assert wire.hint(msgspec.Raw(json.dumps({"hash": HASH, "logs": None, "txs": None}).encode())).calls == ()


@pytest.mark.parametrize(
    "told",
    [
        *(None, 7, [], "x", {}, {"hash": None}, {"hash": "0x12"}, {"hash": "0x" + "zz" * 32}),
        {"hash": HASH, "txs": {}},
        {"hash": HASH, "txs": [None]},
        {"hash": HASH, "txs": [{"to": "0x12", "callData": "0x00"}]},
        {"hash": HASH, "txs": [{"to": THERE, "callData": "00"}]},
        {"hash": HASH, "txs": [{"to": THERE, "callData": "0x0"}]},
        {"hash": HASH, "logs": [{"address": THERE, "topics": ["0x12"]}]},
        {"hash": HASH, "logs": [{"topics": []}]},
    ],
    ids=range(15),
)
def test_hint__what_is_none__unavailable(told: object) -> None:
    with pytest.raises(Unavailable):
        hint(told)
