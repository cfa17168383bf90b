"""What is read out of hints of private transactions: reports, and nothing that is none."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from keeper.abi import load
from keeper.domain.address import Address, Hash32
from keeper.domain.pending import Hint, HintedCall, HintedLog, Report
from keeper.watcher.reports import answering, reports
from tests.unit.oracles.contracts import FEED, OTHER_FEED, REPORTERS, at
from tests.unit.watcher.test_pricing import ETHER, scene

AGGREGATOR = load("aggregator")
FORWARD = load("price_source").function("forward")
FORWARDER, THERE = at(0xF0), at(0xA66)


def report(*observations: int, more: bytes = b"") -> bytes:
    return encode(["uint32", "bytes32", "int192[]", "int192"], [1, bytes(32), observations, 2]) + more


def transmitting(said: bytes, name: str = "transmitSecondary") -> bytes:
    return AGGREGATOR.function(name).encode([bytes(32)] * 3, said, [b"\x01" * 32], [b"\x02" * 32], bytes(32))


def hint(to: Address | None, data: bytes, *logs: HintedLog) -> Hint:
    return Hint(hash=Hash32(bytes(32)), calls=(HintedCall(to=to, data=data),), logs=logs)


@pytest.mark.parametrize("name", ["transmit", "transmitSecondary"])
def test_reports__a_call__bare_or_forwarded_the_middle_observation(name: str) -> None:
    data = transmitting(report(7, 8, 9, 10), name)
    expected = (Report(aggregator=THERE, answer=9),)
    assert reports(hint(THERE, data)) == expected
    assert reports(hint(FORWARDER, FORWARD.encode(THERE, data))) == expected
    assert reports(hint(None, FORWARD.encode(FORWARDER, FORWARD.encode(THERE, data)))) == expected
    assert reports(hint(THERE, transmitting(report(-5), name))) == (Report(aggregator=THERE, answer=-5),)


def test_reports__selectors__those_of_the_real_contracts() -> None:
    assert FORWARD.selector.hex() == "6fadcf72"
    assert AGGREGATOR.function("transmitSecondary").selector.hex() == "ba0cb29e"
    assert AGGREGATOR.function("transmit").selector.hex() == "b1dc65a4"


@pytest.mark.parametrize(
    ("to", "data"),
    [
        (None, transmitting(report(7))),
        (THERE, b""),
        (THERE, b"\x01\x02\x03"),
        (THERE, transmitting(b"")),
        (THERE, transmitting(report())),
        (THERE, transmitting(report(*range(32)))),
        (THERE, transmitting(report(7, more=bytes(32)))),
        (THERE, transmitting(report(7))[:200]),
        (FORWARDER, FORWARD.selector + b"\xff" * 64),
        (FORWARDER, FORWARD.encode(THERE, b"\xde\xad\xbe\xef")),
    ],
    ids=["to nobody", "nothing", "torn", "empty", "no observation", "too many", "too long", "cut", "x", "y"],
)
def test_reports__what_is_none__nothing(to: Address | None, data: bytes) -> None:
    assert reports(hint(to, data)) == ()


@given(st.binary(max_size=400))
def test_reports__anything_behind_the_selectors__a_report_or_nothing_and_never_an_error(rest: bytes) -> None:
    for function in (FORWARD, AGGREGATOR.function("transmit")):
        assert len(reports(hint(THERE, function.selector + rest))) <= 1


def test_reports__forwarders_without_end__left_at_some_depth() -> None:
    data = transmitting(report(7))
    for _ in range(12):
        data = FORWARD.encode(THERE, data)
    assert reports(hint(THERE, data)) == ()


def test_reports__events__the_answer_and_calls_outweigh_them() -> None:
    updated, sent = AGGREGATOR.event("AnswerUpdated"), AGGREGATOR.event("NewTransmission")
    told = HintedLog(
        emitter=THERE,
        topics=(updated.topic, Hash32((9).to_bytes(32)), Hash32(bytes(32))),
        data=bytes(32),
    )
    data = encode([kind for _, kind in sent.plain], [8, "0x" + "00" * 20, 1, [8], b"\x00", 0, bytes(32), 1])
    other = HintedLog(emitter=FORWARDER, topics=(sent.topic, Hash32(bytes(32))), data=data)
    torn = HintedLog(emitter=at(1), topics=(updated.topic,), data=b"")
    bare = HintedLog(emitter=at(2), topics=(), data=b"")
    assert set(reports(hint(None, b"", told, other, torn, bare))) == {
        Report(aggregator=THERE, answer=9),
        Report(aggregator=FORWARDER, answer=8),
    }
    both = hint(THERE, transmitting(report(7)), told)
    assert reports(both) == (Report(aggregator=THERE, answer=7),)


def test_reported__an_aggregator__all_that_is_made_from_its_feed_and_nothing_else() -> None:
    there = scene()
    ether, wrapped, dollar, _ = there.book.protocol.prices(there.book.market)
    lower, at_s = ETHER * 9 // 10, there.head.timestamp_s + 12
    assert there.pricing.reported([there.book], {REPORTERS[FEED]: lower}, at_s=at_s) == {
        ether: lower,
        wrapped: lower * 12 // 10,
    }
    told = there.pricing.reported([there.book], {REPORTERS[OTHER_FEED]: -1, at(0xDEAD): 1}, at_s=at_s)
    assert told == {dollar: None}


def test_answers__an_aggregator__what_its_feed_answers_now() -> None:
    there = scene()
    (feed,) = there.pricing.answers({REPORTERS[FEED]})
    assert (feed.name, feed.reporter) == ("ETH / USD", REPORTERS[FEED])
    assert there.pricing.answers({REPORTERS[FEED]})[feed] == ETHER
    assert there.pricing.answers({at(0xDEAD)}) == {}


def test_answering__an_aggregator__its_own_code_lies_beside_and_is_named() -> None:
    made = answering(b"\x60\x01", aggregator=THERE, answer=-2)
    (beside,) = made.keys() - {THERE}
    assert made[beside] == b"\x60\x01"
    assert beside in made[THERE] and (2**256 - 2).to_bytes(32) in made[THERE]
    for at_byte in (0x29, 0x45, 0x6C):
        assert made[THERE][at_byte] == 0x5B, "it jumps there"
