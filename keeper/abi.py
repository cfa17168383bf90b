"""Contract interfaces: fragments written for this keeper, with selectors and topics derived from them.

``load("erc20").function("balanceOf")`` is the function as ``abis/erc20.json`` has it. The fragments are the
standard JSON ABI, so any other tool reads them too; they hold only what is called, decoded or recognised.
Addresses go in and come out as raw bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, TypeVar

from eth_abi.codec import ABICodec
from eth_abi.decoding import AddressDecoder
from eth_abi.exceptions import DecodingError
from eth_abi.registry import BaseEquals, registry
from eth_utils.crypto import keccak

from keeper import encoding
from keeper.domain.address import Address, Hash32

WORD = 32

_REMEMBERED_BYTES = 4096
"""Of an answer: longer ones are decoded each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function of a contract."""

    name: str
    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def encode(self, *arguments: object) -> bytes:
        """Return the call's data. Raises ValueError where the arguments do not fit."""
        try:
            return _encoded(self.selector, self.inputs, *arguments)
        except TypeError:  # a list among them, which is not hashed
            return self.selector + encoding.encode(self.inputs, arguments)

    def decode(self, answer: bytes) -> tuple[Any, ...]:
        """Return what the function returned. Raises ValueError where it is not of the declared types."""
        return _decode(self.outputs, answer)

    def arguments(self, data: bytes) -> tuple[Any, ...]:
        """Return the arguments in a call's data. Raises ValueError where it does not call this function."""
        if data[:4] != self.selector:
            raise ValueError(f"0x{data[:4].hex()} is not {self.name}")
        return _decode(self.inputs, data[4:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a contract, its parameters as (name, type)."""

    name: str
    topic: Hash32
    indexed: tuple[tuple[str, str], ...]
    """In the order of the topics after the first."""
    plain: tuple[tuple[str, str], ...]
    """In the order of the data."""

    def decode(self, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        """Return the parameters by name. Raises ValueError where the log is not of this event."""
        if not topics or topics[0] != self.topic or len(topics) != 1 + len(self.indexed):
            raise ValueError(f"the log is not of {self.name}")
        words = zip(self.indexed, topics[1:], strict=True)
        values = {name: _decode((kind,), word)[0] for (name, kind), word in words}
        names = [name for name, _ in self.plain]
        return values | dict(zip(names, _decode([kind for _, kind in self.plain], data), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """One custom error of a contract."""

    name: str
    selector: bytes
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """What one kind of contract is called by, says and reverts with."""

    functions: tuple[Function, ...]
    events: tuple[Event, ...]
    errors: tuple[Error, ...]
    _found: dict[str, Function] = field(default_factory=dict, init=False, compare=False, repr=False)

    def function(self, name: str) -> Function:
        """Return a function by its name. Raises KeyError where there is none, or several."""
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = _named(name, self.functions)
        return found

    def event(self, name: str) -> Event:
        """Return an event by its name. Raises KeyError where there is none, or several."""
        return _named(name, self.events)

    def error(self, name: str) -> Error:
        """Return an error by its name. Raises KeyError where there is none, or several."""
        return _named(name, self.errors)

    def error_name(self, revert: bytes) -> str | None:
        """Return the name of the error that a revert's data begins with, None where it is not known."""
        return next((error.name for error in self.errors if error.selector == revert[:4]), None)


@cache
def load(name: str) -> Interface:
    """Return the interface in ``abis/<name>.json``."""
    return interface(json.loads((files("keeper") / "abis" / f"{name}.json").read_text("utf-8")))


def interface(fragments: Sequence[Mapping[str, Any]]) -> Interface:
    """Return the interface that a JSON ABI describes. Raises KeyError where a fragment lacks something."""
    return Interface(
        functions=tuple(
            Function(
                name=fragment["name"],
                selector=_hash(fragment)[:4],
                inputs=tuple(_type(parameter) for parameter in fragment["inputs"]),
                outputs=tuple(_type(parameter) for parameter in fragment["outputs"]),
            )
            for fragment in fragments
            if fragment["type"] == "function"
        ),
        events=tuple(
            Event(
                name=fragment["name"],
                topic=Hash32(_hash(fragment)),
                indexed=tuple((p["name"], _type(p)) for p in fragment["inputs"] if p["indexed"]),
                plain=tuple((p["name"], _type(p)) for p in fragment["inputs"] if not p["indexed"]),
            )
            for fragment in fragments
            if fragment["type"] == "event"
        ),
        errors=tuple(
            Error(
                name=fragment["name"],
                selector=_hash(fragment)[:4],
                inputs=tuple(_type(parameter) for parameter in fragment["inputs"]),
            )
            for fragment in fragments
            if fragment["type"] == "error"
        ),
    )


def uint(answer: bytes) -> int:
    """Return the first word of an answer as an unsigned int. Raises ValueError where there is none."""
    if len(answer) < WORD:
        raise ValueError(f"expected a word of {WORD} bytes")
    return int.from_bytes(answer[:WORD], "big")


def address(answer: bytes) -> Address:
    """Return the first word of an answer as an address. Raises ValueError where there is none."""
    return Address(uint(answer).to_bytes(WORD)[-20:])


# --- how it is done -----------------------------------------------------------------------------------------

_Named = TypeVar("_Named", Function, Event, Error)


def _named(name: str, among: Sequence[_Named]) -> _Named:
    found = [one for one in among if one.name == name]
    if len(found) != 1:
        raise KeyError(f"{len(found)} fragments are named {name}")
    return found[0]


def _hash(fragment: Mapping[str, Any]) -> bytes:
    """Return the keccak of a fragment's canonical signature."""
    types = ",".join(_type(parameter) for parameter in fragment["inputs"])
    return bytes(keccak(text=f"{fragment['name']}({types})"))


def _type(parameter: Mapping[str, Any]) -> str:
    """Return a parameter's canonical type; a struct's is its members', in parentheses."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    members = ",".join(_type(member) for member in parameter["components"])
    return f"({members}){kind.removeprefix('tuple')}"


# At every head mostly the same is asked, and answered: what is encoded or decoded once is not again.


@lru_cache(maxsize=1 << 14, typed=True)
def _encoded(selector: bytes, inputs: tuple[str, ...], *arguments: object) -> bytes:
    """Return a call's data, as long as its arguments are values."""
    return selector + encoding.encode(inputs, arguments)


def _decode(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    if len(data) <= _REMEMBERED_BYTES:
        return _decoded(tuple(types), bytes(data))
    return _decoded.__wrapped__(tuple(types), data)


@lru_cache(maxsize=1 << 12)
def _decoded(types: tuple[str, ...], data: bytes) -> tuple[Any, ...]:
    try:
        return tuple(_CODEC.decode(types, data))
    except DecodingError as error:
        raise ValueError(str(error)) from error


class _RawAddressDecoder(AddressDecoder):
    """Addresses stay what they are on the wire; text is for the edges."""

    decoder_fn = staticmethod(Address)  # type: ignore[assignment]  # declared to give text


def _codec() -> ABICodec:
    raw = registry.copy()  # type: ignore[no-untyped-call]
    raw.unregister_decoder("address")
    is_address = BaseEquals("address")  # type: ignore[no-untyped-call]
    raw.register_decoder(is_address, _RawAddressDecoder, label="address")
    return ABICodec(raw)


_CODEC = _codec()
