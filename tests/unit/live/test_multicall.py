"""Encoding and decoding by hand equals eth_abi; an answer that is cut or bent anywhere is noticed."""

from __future__ import annotations

import random

import pytest
from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.live.multicall import decode, encode
from keeper.query import Call, Reverted

_RESULTS = "(bool,bytes)[]"

calls = st.lists(
    st.builds(Call, st.binary(min_size=20, max_size=20).map(Address), st.binary(max_size=100)), max_size=12
)
results = st.lists(st.tuples(st.booleans(), st.binary(max_size=100)), max_size=12)


@given(calls)
def test_encode__any_calls__equal_to_eth_abi(of: list[Call]) -> None:
    expected = abi_encode(["(address,bool,bytes)[]"], [[(call.to, True, call.data) for call in of]])
    assert encode(of) == bytes.fromhex("82ad56cb") + expected


@given(results)
def test_decode__any_results__equal_to_eth_abi(of: list[tuple[bool, bytes]]) -> None:
    answer = abi_encode([_RESULTS], [of])
    expected = [data if succeeded else Reverted(data) for succeeded, data in of]
    assert decode(answer, len(of)) == expected


@given(results.filter(bool), st.data())
def test_decode__cut_short__raises(of: list[tuple[bool, bytes]], data: st.DataObject) -> None:
    answer = abi_encode([_RESULTS], [of])
    last = of[-1][1]
    needed = len(answer) - (-len(last) % 32)  # padding may be missing
    cut = data.draw(st.integers(min_value=0, max_value=needed - 1))
    with pytest.raises(ValueError, match=r"results"):
        decode(answer[:cut], len(of))


def test_decode__other_count__raises() -> None:
    answer = abi_encode([_RESULTS], [[(True, b"\x01")] * 3])
    with pytest.raises(ValueError, match="expected the results of 4 calls"):
        decode(answer, 4)


def test_decode__bytes_changed_at_random__raises_or_gives_as_many_results() -> None:
    draw = random.Random(3)
    answer = abi_encode([_RESULTS], [[(True, bytes(40)), (False, b"\x01" * 70), (True, b"")]])
    raised = 0
    for _ in range(500):
        bent = bytearray(answer)
        bent[draw.randrange(len(bent))] = draw.randrange(256)
        try:
            assert len(decode(bytes(bent), 3)) == 3
        except ValueError:
            raised += 1
    assert raised > 50
    assert abi_decode([_RESULTS], answer)
