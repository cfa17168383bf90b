"""The built contracts, read from the package's own files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from keeper.domain.address import Address, word

_IMMUTABLE = re.compile(rb"\x7f\0{32}")
"""Where the compiler leaves room for an immutable: a PUSH32 of zero, which it never uses for zero itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One contract as the compiler left it, and what it was made from."""

    abi: Sequence[Mapping[str, Any]]
    bytecode: bytes
    """Creation code, without the constructor's arguments."""
    deployed_bytecode: bytes
    """Code on the chain, with zeros for immutables."""
    compiler: str
    settings: Mapping[str, object]
    source_hash: str
    """SHA-256 of the sources, names included."""

    def is_code(self, code: bytes) -> bool:
        """Return whether `code`, as found on a chain, is this contract's, whatever its immutables are."""
        if len(code) != len(self.deployed_bytecode):
            return False
        blanked = bytearray(code)
        for place in _IMMUTABLE.finditer(self.deployed_bytecode):
            blanked[place.start() + 1 : place.end()] = bytes(32)
        return bytes(blanked) == self.deployed_bytecode


@cache
def executor() -> Built:
    """Return the executor."""
    return _read("executor")


@cache
def vault() -> Built:
    """Return the vault."""
    return _read("vault")


def executor_creation_code(*, operator: Address, vault: Address, wrapped_native: Address) -> bytes:
    """Return what a transaction that deploys an executor carries."""
    return executor().bytecode + word(operator) + word(vault) + word(wrapped_native)


def vault_creation_code(*, owner: Address) -> bytes:
    """Return what a transaction that deploys a vault carries."""
    return vault().bytecode + word(owner)


def is_executor_code(code: bytes) -> bool:
    """Return whether code found on a chain is an executor's of this build."""
    return executor().is_code(code)


def is_vault_code(code: bytes) -> bool:
    """Return whether code found on a chain is a vault's of this build."""
    return vault().is_code(code)


def _read(name: str) -> Built:
    told = json.loads(files("keeper.contracts").joinpath(f"{name}.json").read_text())
    return Built(
        abi=told["abi"],
        bytecode=bytes.fromhex(told["bytecode"]),
        deployed_bytecode=bytes.fromhex(told["deployedBytecode"]),
        compiler=told["compiler"],
        settings=told["settings"],
        source_hash=told["sourceHash"],
    )
