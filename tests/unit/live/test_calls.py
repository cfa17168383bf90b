"""Packing calls: what may be believed of a pack, what is asked again, and what is learnt from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode

from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Inconsistent, Unavailable
from keeper.domain.state import Mined, Overlay
from keeper.live.calls import _PROBE, _PROBED, Packing
from keeper.live.multicall import MULTICALL3
from keeper.live.part import Part
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Reply, Request
from keeper.query import Answer, Ask, Call, Reverted

AT = Mined(hash=Hash32(b"\x0a" * 32))


def call(n: int) -> Call:
    return Call(Address(n.to_bytes(20, "big")), n.to_bytes(4, "big"))


def raw(data: bytes) -> msgspec.Raw:
    return msgspec.Raw(f'"0x{data.hex()}"'.encode())


class Node:
    """Answers calls by a table; a call that burns gas leaves none for those after it in the same pack."""

    def __init__(
        self,
        answers: Mapping[Call, bytes | Reverted],
        *,
        burns: Sequence[Call] = (),
        most_in_pack: int = 1_000,
        multicall: bool = True,
        modexp: bool = True,
    ) -> None:
        self.answers = answers
        self.burns = frozenset(burns)
        self.most_in_pack = most_in_pack
        self.multicall = multicall
        self.modexp = modexp
        self.probes = 0
        self.rounds: list[list[int]] = []
        """For each round, how many calls each request held."""

    def reply(self, request: Request) -> tuple[Reply, int]:
        to, data = (bytes.fromhex(request.params[0][key][2:]) for key in ("to", "data"))
        assert request.params[1] == {"blockHash": "0x" + AT.hash.hex()}
        if to != MULTICALL3:
            return self._alone(Call(Address(to), data)), 1
        (entries,) = abi_decode(["(address,bool,bytes)[]"], data[4:])
        of = [Call(Address(bytes.fromhex(to[2:])), data) for to, _, data in entries]
        probed = of[-1] == _PROBE
        if probed:
            self.probes += 1
            of.pop()
        if not self.multicall:
            return raw(b""), len(of)
        if len(of) > self.most_in_pack:
            return RpcError("eth_call", code=-32000, message="out of gas"), len(of)
        burnt = False
        results = []
        for one in of:
            burnt = burnt or one in self.burns
            answer = Reverted(b"") if burnt else self.answers[one]
            reverted = isinstance(answer, Reverted)
            results.append((not reverted, answer.data if isinstance(answer, Reverted) else answer))
        if probed:
            left = self.modexp and not burnt
            results.append((left or not self.modexp, _PROBED if left else b""))
        return raw(abi_encode(["(bool,bytes)[]"], [results])), len(of)

    def _alone(self, one: Call) -> Reply:
        answer = Reverted(b"") if one in self.burns else self.answers[one]
        if not isinstance(answer, Reverted):
            return raw(answer)
        if not answer.data:
            return RpcError("eth_call", code=-32000, message="execution reverted")
        return RpcError("eth_call", code=3, message="execution reverted", data="0x" + answer.data.hex())

    def ask(self, packing: Packing, calls: Sequence[Call]) -> dict[Ask, Answer]:
        answers: dict[Ask, Answer] = {}
        parts: list[Part] = packing.parts(calls, AT)
        while parts:
            replies = [[self.reply(request) for request in part.requests()] for part in parts]
            self.rounds.append([held for of_part in replies for _, held in of_part])
            more: list[Part] = []
            for part, of_part in zip(parts, replies, strict=True):
                absorbed = part.absorb([reply for reply, _ in of_part])
                answers.update(absorbed.answers)
                more += absorbed.parts
            parts = more
        return answers


CALLS = [call(n) for n in range(1, 601)]
TABLE: dict[Call, bytes | Reverted] = {one: one.data * 8 for one in CALLS}


def test_parts__many_calls__packed_and_answered_in_one_round() -> None:
    node = Node(TABLE)
    assert node.ask(Packing(), CALLS) == TABLE
    assert node.rounds == [[300, 300]], "in two packs, however many"


def test_parts__one_call__goes_without_multicall() -> None:
    node = Node(TABLE, multicall=False)
    assert node.ask(Packing(), CALLS[:1]) == {CALLS[0]: TABLE[CALLS[0]]}
    assert node.rounds == [[1]]


def test_parts__large_data__packed_by_bytes() -> None:
    large = [Call(one.to, one.data * 10_000) for one in CALLS[:5]]
    node = Node(dict.fromkeys(large, b"\x01"))
    node.ask(Packing(), large)
    assert node.rounds == [[2, 2, 1]]


def test_absorb__reverted_with_a_reason__is_believed() -> None:
    table = {**TABLE, CALLS[3]: Reverted(b"\x08\xc3\x79\xa0")}
    node = Node(table)
    assert node.ask(Packing(), CALLS[:10]) == {one: table[one] for one in CALLS[:10]}
    assert node.rounds == [[10]]


def test_absorb__silent_and_gas_was_left__is_believed_and_probed_from_the_start_the_next_time() -> None:
    table = {**TABLE, CALLS[3]: Reverted(b""), CALLS[8]: Reverted(b"")}
    node, packing = Node(table), Packing()
    for _ in range(2):
        assert node.ask(packing, CALLS[:10]) == {one: table[one] for one in CALLS[:10]}
    assert node.rounds == [[10], [7], [10]]
    assert node.probes == 2
    node.ask(packing, CALLS[20:30])
    assert node.probes == 2, "what never failed so is not probed"


def test_absorb__silent_and_nothing_to_probe_with__is_asked_alone() -> None:
    table = {**TABLE, CALLS[3]: Reverted(b"")}
    node = Node(table, modexp=False)
    assert node.ask(Packing(), CALLS[:10]) == {one: table[one] for one in CALLS[:10]}
    assert node.rounds == [[10], [7], [1] * 7]


def test_absorb__one_burns_the_gas__its_neighbours_are_not_mistaken_for_reverted() -> None:
    packing = Packing()
    node = Node(TABLE, burns=[CALLS[3]])
    expected = {**{one: TABLE[one] for one in CALLS[:10]}, CALLS[3]: Reverted(b"")}
    assert node.ask(packing, CALLS[:10]) == expected
    assert node.rounds == [[10], [7], [1] * 7]
    assert node.ask(packing, CALLS[:10]) == expected
    assert node.rounds[3:] == [[1, 9]], "what keeps silent is asked alone from the start"


def test_absorb__reason_before_the_silence__is_asked_again_too() -> None:
    table = {**TABLE, CALLS[1]: Reverted(b"\x01\x02\x03\x04")}
    node = Node(table, burns=[CALLS[2]])
    node.ask(Packing(), CALLS[:4])
    assert node.rounds == [[4], [3], [1] * 3]


def test_absorb__gas_runs_out__packs_shrink_then_grow_again() -> None:
    packing = Packing()
    node = Node(TABLE, most_in_pack=40)
    assert node.ask(packing, CALLS[:200]) == {one: TABLE[one] for one in CALLS[:200]}
    assert packing.calls < 250
    shrunk = packing.calls
    node.most_in_pack = 1_000
    for _ in range(5):
        node.ask(packing, CALLS)
    assert packing.calls > shrunk


def test_absorb__packs_always_refused__every_call_is_asked_alone() -> None:
    node = Node(TABLE, most_in_pack=1)
    assert node.ask(Packing(), CALLS[:100]) == {one: TABLE[one] for one in CALLS[:100]}


def test_absorb__no_multicall_there__asked_alone_from_then_on() -> None:
    packing = Packing()
    node = Node(TABLE, multicall=False)
    assert node.ask(packing, CALLS[:5]) == {one: TABLE[one] for one in CALLS[:5]}
    node.ask(packing, CALLS[:5])
    assert node.rounds == [[5], [1] * 5, [1] * 5]


def test_absorb__unknown_state__inconsistent() -> None:
    (pack,) = Packing().parts(CALLS[:2], AT)
    (one,) = Packing().parts(CALLS[:1], AT)
    refused = RpcError("eth_call", code=-32000, message="header not found")
    for part in (pack, one):
        with pytest.raises(Inconsistent, match="header not found"):
            part.absorb([refused])


@pytest.mark.parametrize(
    "reply",
    [
        msgspec.Raw(b'"0x1234"'),
        msgspec.Raw(b'"zz"'),
        msgspec.Raw(b"null"),
        msgspec.Raw(b"{}"),
        msgspec.Raw(b'"0x' + b"ff" * 96 + b'"'),
    ],
)
def test_absorb__garbage__unavailable(reply: msgspec.Raw) -> None:
    (pack,) = Packing().parts(CALLS[:2], AT)
    with pytest.raises(Unavailable):
        pack.absorb([reply])


def test_absorb__refused_for_another_reason__unavailable() -> None:
    (one,) = Packing().parts(CALLS[:1], AT)
    with pytest.raises(Unavailable, match="method not found"):
        one.absorb([RpcError("eth_call", code=-32601, message="method not found")])


def test_requests__upon_an_overlay__its_words_override_the_blocks() -> None:
    slot, word = Hash32(b"\x03" * 32), Hash32(b"\x04" * 32)
    over = Overlay(base=AT, storage={Address(b"\x05" * 20): {slot: word}})
    for calls in (CALLS[:1], CALLS[:2]):
        (part,) = Packing().parts(calls, over)
        (request,) = part.requests()
        assert list(request.params[1:]) == [
            {"blockHash": "0x" + AT.hash.hex()},
            {"0x" + "05" * 20: {"stateDiff": {"0x" + "03" * 32: "0x" + "04" * 32}}},
        ]
