"""Reports of prices, as far as a hint of a private transaction shows them; and what feeds answer behind one.

A report is read from the call that makes it (``transmit`` and ``transmitSecondary`` of an aggregator, bare or
within a forwarder's ``forward``), or from the events that it says. No signature is looked at: whoever tells
lies here has us offer what no block will take, which costs nothing. What can't be read is no report.
"""

from __future__ import annotations

from collections.abc import Iterator

from eth_utils.crypto import keccak

from keeper.abi import WORD, load
from keeper.domain.address import Address
from keeper.domain.pending import Hint, HintedCall, HintedLog, Report

_AGGREGATOR = load("aggregator")
_TRANSMITS = {one.selector: one for one in map(_AGGREGATOR.function, ("transmit", "transmitSecondary"))}
_FORWARD = load("price_source").function("forward")
_NEW_TRANSMISSION = _AGGREGATOR.event("NewTransmission")
_ANSWER_UPDATED = _AGGREGATOR.event("AnswerUpdated")
_LATEST_ANSWER = _AGGREGATOR.function("latestAnswer").selector
_LATEST_ROUND_DATA = _AGGREGATOR.function("latestRoundData").selector
_MOST_OBSERVATIONS = 31
"""Of one report, as the aggregators have it."""
_DEEPEST = 4
"""Forwarders within forwarders."""
_WORDS_BEFORE = 5
"""Of a report, before its observations."""


def reports(hint: Hint) -> tuple[Report, ...]:
    """Return the reports that a hint shows, one an aggregator: by its calls where those show it."""
    found: dict[Address, Report] = {}
    for report in (*_told_by_logs(hint.logs), *_told_by_calls(hint.calls)):
        found[report.aggregator] = report
    return tuple(found.values())


def _told_by_calls(calls: tuple[HintedCall, ...]) -> Iterator[Report]:
    for call in calls:
        to, data = call.to, call.data
        for _ in range(_DEEPEST):
            try:
                if data[:4] == _FORWARD.selector:
                    to, data = _FORWARD.arguments(data)
                    continue
                transmit = _TRANSMITS.get(data[:4])
                if to is not None and transmit is not None:
                    yield Report(aggregator=to, answer=_median(transmit.arguments(data)[1]))
            except ValueError:
                pass
            break


def _told_by_logs(logs: tuple[HintedLog, ...]) -> Iterator[Report]:
    for log in logs:
        try:
            match log.topics[:1]:
                case (topic,) if topic == _NEW_TRANSMISSION.topic:
                    answer = int(_NEW_TRANSMISSION.decode(log.topics, log.data)["answer"])
                case (topic,) if topic == _ANSWER_UPDATED.topic:
                    answer = int(_ANSWER_UPDATED.decode(log.topics, log.data)["current"])
                case _:
                    continue
        except ValueError:
            continue
        yield Report(aggregator=log.emitter, answer=answer)


def _median(report: bytes) -> int:
    """Return a report's answer: the middle one of its observations, which are in order.

    Raises ValueError where it is not as long as it says. Mirrors ``DualAggregator._decodeReport`` and
    ``_report``, which take the same one.
    """
    words = [report[at : at + WORD] for at in range(0, len(report), WORD)]
    count = int.from_bytes(words[_WORDS_BEFORE - 1]) if len(words) >= _WORDS_BEFORE else 0
    if not 0 < count <= _MOST_OBSERVATIONS or len(report) != WORD * (_WORDS_BEFORE + count):
        raise ValueError(f"{len(report)} bytes are no report of {count} observations")
    return int.from_bytes(words[_WORDS_BEFORE + count // 2], signed=True)


# --- behind it ----------------------------------------------------------------------------------------------


def answering(code: bytes, *, aggregator: Address, answer: int) -> dict[Address, bytes]:
    """Return the code to simulate with, by address, for `aggregator` to answer as behind a report.

    Its own `code` lies beside it and is run in its place; of what that returns only the answer is another,
    and the time, which is the block's.
    """
    beside = Address(keccak(b"code of " + aggregator)[-20:])
    put = "7f" + (answer % 2**256).to_bytes(WORD).hex()
    stub = bytes.fromhex(
        "365f5f37"  # the call's data to memory
        "5f5f365f73" + beside.hex() + "5af4"  # run the code beside, on this storage
        "3d5f5f3e"  # what it returned to memory
        "6029573d5ffd"  # it reverted
        "5b5f3560e01c"  # 0x29: the selector
        "8063" + _LATEST_ANSWER.hex() + "14604557"
        "63" + _LATEST_ROUND_DATA.hex() + "14606c57"
        "3d5ff3"
        "5b" + put + "5f523d5ff3"  # 0x45: a word
        "5b" + put + "602052"
        "42604052"
        "42606052"
        "3d5ff3"  # 0x6c: round, answer, times, round
    )
    return {aggregator: stub, beside: code}
