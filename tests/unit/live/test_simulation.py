"""What a simulation asks, and what it makes of each node's way to answer."""

from __future__ import annotations

import msgspec
import pytest

from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Inconsistent, Unavailable
from keeper.domain.head import NextBlock
from keeper.domain.state import Mined, Overlay
from keeper.live.simulation import Simulation
from keeper.node.blocking_rpc import RpcError
from keeper.query import Simulate, Simulated, SimulatedCall

AT = Mined(hash=Hash32(b"\x0a" * 32))
SENDER, TARGET = Address(b"\x01" * 20), Address(b"\x02" * 20)
ASK = Simulate(
    calls=(SimulatedCall(SENDER, TARGET, b"\xaa"), SimulatedCall(SENDER, TARGET, b"\xbb")),
    block=NextBlock(number=17, timestamp_s=1_000, base_fee_wei=7, coinbase=Address(b"\xcb" * 20)),
)


def absorb(*calls: dict[str, object]) -> object:
    reply = msgspec.Raw(msgspec.json.encode([{"calls": calls, "number": "0x11"}]))
    return Simulation(ASK, AT).absorb([reply]).answers[ASK]


def test_requests__two_calls__in_the_next_block_at_its_base_fee() -> None:
    (request,) = Simulation(ASK, AT).requests()
    asked, at = request.params
    (block,) = asked["blockStateCalls"]
    assert (request.method, at, asked["validation"]) == (
        "eth_simulateV1",
        {"blockHash": "0x" + "0a" * 32},
        True,
    )
    assert {key: block["blockOverrides"][key] for key in ("number", "time", "baseFeePerGas")} == {
        "number": "0x11",
        "time": "0x3e8",
        "baseFeePerGas": "0x7",
    }
    assert block["blockOverrides"]["feeRecipient"] == "0x" + "cb" * 20
    assert [one["input"] for one in block["calls"]] == ["0xaa", "0xbb"]
    assert {one["maxFeePerGas"] for one in block["calls"]} == {"0x7"}
    assert int(block["stateOverrides"]["0x" + "01" * 20]["balance"], 16) > 7 * 2**24 * 2


def test_requests__upon_an_overlay__the_words_are_overridden_and_the_sender_is_rich() -> None:
    slot, word = Hash32(b"\x03" * 32), Hash32(b"\x04" * 32)
    over = Overlay(base=AT, storage={TARGET: {slot: word}, SENDER: {slot: word}})
    (request,) = Simulation(ASK, over).requests()
    asked, at = request.params
    overrides = asked["blockStateCalls"][0]["stateOverrides"]
    words = {"0x" + "03" * 32: "0x" + "04" * 32}
    assert at == {"blockHash": "0x" + "0a" * 32}
    assert overrides["0x" + "02" * 20] == {"stateDiff": words}
    assert overrides["0x" + "01" * 20]["stateDiff"] == words and "balance" in overrides["0x" + "01" * 20]


def test_absorb__succeeded_and_reverted__each_its_own() -> None:
    assert absorb(
        {"status": "0x1", "gasUsed": "0x5208", "returnData": "0x0102", "logs": []},
        {"status": "0x0", "gasUsed": "0x6000", "returnData": "0xdead", "error": {"code": -3200}},
    ) == (Simulated(False, 21_000, b"\x01\x02"), Simulated(True, 24_576, b"\xde\xad"))


def test_absorb__revert_data_within_the_error__is_found_there() -> None:
    refused = {"code": 3, "message": "execution reverted", "data": "0xdead"}
    assert absorb(
        {"status": "0x1", "gasUsed": "0x1", "returnData": "0x"},
        {"status": "0x0", "gasUsed": "0x1", "returnData": "0x", "error": refused},
    ) == (Simulated(False, 1, b""), Simulated(True, 1, b"\xde\xad"))


def test_absorb__fewer_calls_than_asked__unavailable() -> None:
    with pytest.raises(Unavailable, match="simulated 1 of 2"):
        absorb({"status": "0x1", "gasUsed": "0x1", "returnData": "0x"})


@pytest.mark.parametrize(
    ("message", "error"),
    [("Resource not found", Inconsistent), ("the method eth_simulateV1 does not exist", Unavailable)],
)
def test_absorb__refused__says_who_must_act(message: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=message):
        Simulation(ASK, AT).absorb([RpcError("eth_simulateV1", code=-32000, message=message)])
