"""What is encoded equals eth_abi's encoding, whatever the types; what does not fit them is refused."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode
from hypothesis import given
from hypothesis import strategies as st

from keeper.encoding import encode

_SIZES = st.integers(1, 32)
_WORDS = st.one_of(
    st.just("address"),
    st.just("bool"),
    _SIZES.map(lambda size: f"uint{8 * size}"),
    _SIZES.map(lambda size: f"int{8 * size}"),
    _SIZES.map(lambda size: f"bytes{size}"),
)
_TYPES = st.recursive(
    st.one_of(_WORDS, st.sampled_from(["bytes", "string"])),
    lambda inner: st.one_of(
        inner.map(lambda kind: f"{kind}[]"),
        st.tuples(inner, st.integers(1, 3)).map(lambda of: f"{of[0]}[{of[1]}]"),
        st.lists(inner, min_size=1, max_size=4).map(lambda members: f"({','.join(members)})"),
    ),
    max_leaves=6,
)


def _values(kind: str) -> st.SearchStrategy[Any]:
    """Return values of a type."""
    if kind.endswith("]"):
        member, _, length = kind[:-1].rpartition("[")
        least, most = (int(length), int(length)) if length else (0, 3)
        return st.lists(_values(member), min_size=least, max_size=most)
    if kind.startswith("("):
        return st.tuples(*map(_values, _members(kind)))
    if kind == "address":
        return st.binary(min_size=20, max_size=20)
    if kind == "bool":
        return st.booleans()
    if kind == "string":
        return st.text(max_size=50)
    if kind == "bytes":
        return st.binary(max_size=100)
    if kind.startswith("bytes"):
        return st.binary(max_size=int(kind[5:]))
    bits = int(kind.removeprefix("u").removeprefix("int"))
    if kind.startswith("u"):
        return st.integers(0, 2**bits - 1)
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _members(kind: str) -> list[str]:
    """Return a struct's types, cut where no bracket is open."""
    parts: list[str] = []
    for piece in kind[1:-1].split(","):
        if parts and parts[-1].count("(") > parts[-1].count(")"):
            parts[-1] += f",{piece}"
        else:
            parts.append(piece)
    return parts


@given(st.data(), st.lists(_TYPES, max_size=4))
def test_encode__any_types__equal_to_eth_abi(data: st.DataObject, types: list[str]) -> None:
    values = [data.draw(_values(kind)) for kind in types]
    assert encode(tuple(types), values) == abi_encode(types, values)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256),
        ("uint8", -1),
        ("uint256", 2**256),
        ("uint256", True),
        ("uint256", 1.0),
        ("uint256", "1"),
        ("int8", 128),
        ("int8", -129),
        ("bool", 1),
        ("address", bytes(19)),
        ("address", "0x00000000000000000000000000000000deadbeef"),
        ("bytes4", bytes(5)),
        ("bytes", "0x"),
        ("string", b""),
        ("uint8[2]", [1]),
        ("uint8[2]", [1, 2, 3]),
        ("(uint8,bool)", (1,)),
        ("fixed128x18", 1),
        ("function", bytes(24)),
    ],
)
def test_encode__value_that_does_not_fit__raises(kind: str, value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # each has a wording of its own
        encode((kind,), (value,))


@pytest.mark.parametrize("values", [(), (1, 2)])
def test_encode__another_number_of_values__raises(values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        encode(("uint8",), values)
