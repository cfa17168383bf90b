"""Blocks, logs and receipts as nodes write them; what does not fit is no answer."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest

from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Unavailable
from keeper.domain.head import Head
from keeper.node import wire
from keeper.query import Log

HASH = "0x" + "ab" * 32
BLOCK = {
    "number": "0x10",
    "hash": HASH,
    "parentHash": "0x" + "aa" * 32,
    "timestamp": "0x64",
    "gasUsed": "0x5208",
    "gasLimit": "0x1c9c380",
    "miner": "0x" + "cb" * 20,
    "baseFeePerGas": "0x7",
    "extraData": "0x",
    "transactions": [],
}
LOG = {
    "address": "0x" + "EE" * 20,
    "topics": ["0x" + "01" * 32, "0x" + "02" * 32],
    "data": "0x0102",
    "blockNumber": "0x10",
    "blockHash": HASH,
    "logIndex": "0x3",
    "transactionHash": "0x" + "07" * 32,
    "transactionIndex": "0x0",
    "removed": False,
}
RECEIPT = {
    "blockNumber": "0x10",
    "blockHash": HASH,
    "status": "0x1",
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x8",
    "logs": [LOG],
}


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def test_head__block__every_field() -> None:
    assert wire.head(raw(BLOCK)) == Head(
        number=16,
        hash=Hash32(b"\xab" * 32),
        parent=Hash32(b"\xaa" * 32),
        timestamp_s=100,
        base_fee_wei=7,
        gas_used=21_000,
        gas_limit=30_000_000,
        coinbase=Address(b"\xcb" * 20),
    )


def test_head__none_there__none() -> None:
    assert wire.head(raw(None)) is None


def test_logs__as_written__in_their_order() -> None:
    first, second = wire.logs(raw([LOG, {**LOG, "logIndex": "0x4"}]), block_hash=Hash32(b"\xab" * 32))
    assert first == Log(
        emitter=Address(b"\xee" * 20),
        topics=(Hash32(b"\x01" * 32), Hash32(b"\x02" * 32)),
        data=b"\x01\x02",
        block_number=16,
        log_index=3,
        transaction=Hash32(b"\x07" * 32),
    )
    assert second.log_index == 4


def test_logs__removed__left_out() -> None:
    assert wire.logs(raw([{**LOG, "removed": True}])) == ()


def test_logs__of_another_block__no_answer() -> None:
    with pytest.raises(Unavailable, match="another block"):
        wire.logs(raw([LOG]), block_hash=Hash32(b"\xac" * 32))


@pytest.mark.parametrize(
    "torn",
    [
        {"address": "0x" + "ee" * 19},
        {"address": "ee" * 21},
        {"topics": ["0x" + "01" * 31]},
        {"topics": ["0x" + "01" * 31 + "  "]},
        {"data": "0102"},
        {"data": "0x010"},
        {"data": "x"},
        {"transactionHash": "07" * 33},
        {"blockNumber": "16"},
    ],
)
@pytest.mark.parametrize("block_hash", [None, Hash32(b"\xab" * 32)])
def test_logs__torn__no_answer(torn: dict[str, object], block_hash: Hash32 | None) -> None:
    with pytest.raises(Unavailable, match="not logs"):
        wire.logs(raw([LOG, {**LOG, **torn}]), block_hash=block_hash)


def test_receipt__reverted__says_so() -> None:
    mined = wire.receipt(raw({**RECEIPT, "status": "0x0", "logs": []}))
    assert mined is not None
    assert not mined.succeeded
    assert (mined.block_number, mined.gas_used, mined.effective_gas_price_wei) == (16, 21_000, 8)


@pytest.mark.parametrize(("said", "l1_fee_wei"), [({"l1Fee": "0x2a"}, 42), ({"l1Fee": None}, 0), ({}, 0)])
def test_receipt__of_an_op_stack_rollup_or_not__its_fee_for_data(
    said: dict[str, str | None], l1_fee_wei: int
) -> None:
    mined = wire.receipt(raw({**RECEIPT, "logs": [], **said}))
    assert mined is not None and mined.l1_fee_wei == l1_fee_wei


def test_receipt__in_no_block__none() -> None:
    assert wire.receipt(raw(None)) is None


@pytest.mark.parametrize(
    ("decode", "value"),
    [
        (wire.head, {**BLOCK, "hash": "0x12"}),
        (wire.head, {**BLOCK, "number": None}),
        (wire.head, {**BLOCK, "number": "16"}),
        (wire.head, {**BLOCK, "miner": "0x" + "zz" * 20}),
        (wire.head, {key: value for key, value in BLOCK.items() if key != "timestamp"}),
        (wire.head, []),
        (wire.logs, None),
        (wire.logs, [None]),
        (wire.logs, [{**LOG, "topics": ["0x01"]}]),
        (wire.logs, [{**LOG, "address": HASH}]),
        (wire.receipt, {**RECEIPT, "status": None}),
        (wire.receipt, {**RECEIPT, "logs": [{}]}),
        (wire.quantity, "0x"),
        (wire.quantity, 16),
        (wire.quantity, None),
        (wire.data, "0x1"),
        (wire.data, "1234"),
    ],
)
def test_decode__what_does_not_fit__no_answer(decode: Callable[[msgspec.Raw], object], value: object) -> None:
    with pytest.raises(Unavailable, match="the node's answer is not"):
        decode(raw(value))


@pytest.mark.parametrize("text", ["", "nul", "0x", '"0x', "[{]"])
def test_decode__no_json__no_answer(text: str) -> None:
    with pytest.raises(Unavailable):
        wire.data(msgspec.Raw(text.encode()))


@pytest.mark.parametrize(
    ("text", "null"), [("null", True), (" null", True), ('"null"', False), ("{}", False)]
)
def test_is_null__only_where_there_is_nothing(text: str, null: bool) -> None:
    assert wire.is_null(msgspec.Raw(text.encode())) is null


def test_paid_to__a_trace__what_reached_the_account_and_was_not_undone() -> None:
    builder, other = "0x" + "b1" * 20, "0x" + "07" * 20
    paid = [{"type": "CALL", "to": builder, "value": "0x2"}]
    calls = [
        {"type": "CALL", "to": builder.upper().replace("X", "x"), "value": "0x10"},
        {"type": "CALL", "to": other, "value": "0x100", "calls": paid},
        {"type": "CALL", "to": other, "error": "execution reverted", "calls": paid},
        {"type": "DELEGATECALL", "to": builder, "value": "0x8"},
        {"type": "STATICCALL", "to": builder},
        {"type": "SELFDESTRUCT", "to": builder, "value": "0x20"},
    ]
    trace = {"type": "CALL", "from": other, "to": other, "value": "0x0", "gas": "0x1", "calls": calls}
    raw = msgspec.Raw(msgspec.json.encode(trace))
    assert wire.paid_to(raw, Address(b"\xb1" * 20)) == 0x32
