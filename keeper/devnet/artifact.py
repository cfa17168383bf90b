"""A compiled contract: its ABI and creation code, and what is encoded from them. Knows no chain."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from keeper.domain.address import Address

LinkReferences = Mapping[str, Mapping[str, Sequence[Mapping[str, int]]]]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One contract as a compiler left it. `bytecode` is hex with zeros where libraries are linked in."""

    name: str
    abi: Sequence[Mapping[str, Any]]
    bytecode: str
    deployed_bytecode: str
    link_references: LinkReferences = field(default_factory=dict)

    @classmethod
    def from_hardhat(cls, path: Path) -> Self:
        """Return the artifact in a Hardhat file, the form that npm packages ship."""
        told = json.loads(path.read_text())
        return cls(
            name=told["contractName"],
            abi=told["abi"],
            bytecode=told["bytecode"].removeprefix("0x"),
            deployed_bytecode=told["deployedBytecode"].removeprefix("0x"),
            link_references=told["linkReferences"],
        )

    @property
    def libraries(self) -> tuple[str, ...]:
        """Return the names of the libraries that must be deployed before this contract."""
        return tuple(name for file in self.link_references.values() for name in file)

    @cached_property
    def interface(self) -> Interface:
        """Return the contract's functions, ready to encode calls."""
        return Interface(self.abi)

    def creation_code(self, *arguments: object, libraries: Mapping[str, Address] | None = None) -> bytes:
        """Return what a creating transaction carries: linked code and encoded arguments."""
        code = self.bytecode
        for file in self.link_references.values():
            for name, places in file.items():
                if libraries is None or name not in libraries:
                    raise ValueError(f"{self.name} needs the library {name}")
                for place in places:
                    start = 2 * place["start"]
                    code = code[:start] + libraries[name].hex() + code[start + 40 :]
        return bytes.fromhex(code) + self.interface.encode_constructor(arguments)


class Interface:
    """A contract's functions by name. Overloads are told apart by how many arguments they take."""

    def __init__(self, abi: Sequence[Mapping[str, Any]]) -> None:
        self._constructor: list[str] = []
        self._functions: dict[tuple[str, int], _Function] = {}
        for entry in abi:
            if entry["type"] == "constructor":
                self._constructor = [_type_of(each) for each in entry["inputs"]]
            elif entry["type"] == "function":
                function = _Function.of(entry)
                self._functions[entry["name"], len(function.inputs)] = function

    def encode_constructor(self, arguments: Sequence[object]) -> bytes:
        """Return a constructor's arguments, encoded."""
        return encode(self._constructor, [_raw(each) for each in arguments])

    def encode(self, name: str, *arguments: object) -> bytes:
        """Return the calldata of a call."""
        function = self._find(name, len(arguments))
        return function.selector + encode(function.inputs, [_raw(each) for each in arguments])

    def decode(self, name: str, argument_count: int, answer: bytes) -> Any:
        """Return what a call answered: the value where there is one, else a tuple."""
        values = decode(self._find(name, argument_count).outputs, answer)
        return values[0] if len(values) == 1 else values

    def _find(self, name: str, argument_count: int) -> _Function:
        try:
            return self._functions[name, argument_count]
        except KeyError:
            raise ValueError(f"no function {name} that takes {argument_count} arguments") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Function:
    selector: bytes
    inputs: list[str]
    outputs: list[str]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        inputs = [_type_of(each) for each in entry["inputs"]]
        return cls(
            selector=keccak(text=f"{entry['name']}({','.join(inputs)})")[:4],
            inputs=inputs,
            outputs=[_type_of(each) for each in entry["outputs"]],
        )


def _type_of(parameter: Mapping[str, Any]) -> str:
    """Return a parameter's canonical type: structs become tuples."""
    declared: str = parameter["type"]
    if not declared.startswith("tuple"):
        return declared
    members = ",".join(_type_of(each) for each in parameter["components"])
    return f"({members}){declared.removeprefix('tuple')}"


def _raw(value: object) -> object:
    """Return a value as eth_abi takes it: a deployed contract stands for its address."""
    if isinstance(value, list | tuple):
        return [_raw(each) for each in value]
    return getattr(value, "address", value)
