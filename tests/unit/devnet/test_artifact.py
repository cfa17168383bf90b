from __future__ import annotations

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from keeper.devnet.artifact import Artifact, Interface
from keeper.domain.address import Address

_ABI = [
    {"type": "constructor", "inputs": [{"name": "x", "type": "uint256"}]},
    {
        "type": "function",
        "name": "swap",
        "inputs": [
            {
                "name": "order",
                "type": "tuple[]",
                "components": [{"name": "to", "type": "address"}, {"name": "raw", "type": "uint128"}],
            }
        ],
        "outputs": [{"name": "", "type": "uint256"}],
    },
    {"type": "function", "name": "swap", "inputs": [], "outputs": []},
    {
        "type": "function",
        "name": "both",
        "inputs": [],
        "outputs": [{"name": "", "type": "bool"}, {"name": "", "type": "int24"}],
    },
    {"type": "event", "name": "Swapped", "inputs": []},
]
_LIBRARY = Address(b"\xaa" * 20)


def _artifact() -> Artifact:
    return Artifact(
        name="Linked",
        abi=_ABI,
        bytecode="60" + "00" * 20 + "ff",
        deployed_bytecode="",
        link_references={"Lib.sol": {"Lib": [{"start": 1, "length": 20}]}},
    )


def test_creation_code__library_given__is_linked_and_followed_by_arguments() -> None:
    code = _artifact().creation_code(5, libraries={"Lib": _LIBRARY})
    assert code == b"\x60" + b"\xaa" * 20 + b"\xff" + (5).to_bytes(32)


def test_creation_code__library_missing__raises() -> None:
    assert _artifact().libraries == ("Lib",)
    with pytest.raises(ValueError, match="Linked needs the library Lib"):
        _artifact().creation_code(5)


def test_encode__array_of_structs__has_the_canonical_selector() -> None:
    data = Interface(_ABI).encode("swap", [(_LIBRARY, 3)])
    assert data[:4] == keccak(text="swap((address,uint128)[])")[:4]
    assert data[4:] == encode(["(address,uint128)[]"], [[("0x" + "aa" * 20, 3)]])


def test_encode__overloaded__is_told_apart_by_count() -> None:
    assert Interface(_ABI).encode("swap") == keccak(text="swap()")[:4]


def test_encode__no_such_function__raises() -> None:
    with pytest.raises(ValueError, match="no function swap that takes 2 arguments"):
        Interface(_ABI).encode("swap", 1, 2)


def test_decode__one_output_or_two__value_or_tuple() -> None:
    interface = Interface(_ABI)
    assert interface.decode("swap", 1, (7).to_bytes(32)) == 7
    assert interface.decode("both", 0, encode(["bool", "int24"], [True, -3])) == (True, -3)
