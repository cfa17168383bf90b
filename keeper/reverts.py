"""What a revert says, in words: the errors of every contract that the keeper knows, by their selectors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from keeper import contracts
from keeper.abi import interface

_ERROR_STRING = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")
_SHOWN_BYTES = 68


def explained(data: bytes) -> str:
    """Return a revert's data as a person reads it: an error's name, a message, or the bytes themselves."""
    selector, arguments = data[:4], data[4:]
    if not data:
        return "reverted without a reason"
    try:
        if selector == _ERROR_STRING:
            return f'reverted with "{decode(("string",), arguments)[0]}"'
        if selector == _PANIC:
            return f"panicked with code {decode(('uint256',), arguments)[0]:#04x}"
        if named := _errors().get(selector):
            name, types = named
            values = ", ".join(_shown(value) for value in decode(types, arguments))
            return f"reverted with {name}({values})"
    except (DecodingError, UnicodeDecodeError):
        pass
    return f"reverted with 0x{data[:_SHOWN_BYTES].hex()}"


def _shown(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


@cache
def _errors() -> Mapping[bytes, tuple[str, tuple[str, ...]]]:
    """Return every known error's name and argument types."""
    abis = [json.loads(one.read_text("utf-8")) for one in (files("keeper") / "abis").iterdir()]
    known = [interface(abi) for abi in (*abis, contracts.executor().abi, contracts.vault().abi)]
    return {error.selector: (error.name, error.inputs) for one in known for error in one.errors}
