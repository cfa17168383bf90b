"""What is shipped is what is written: the built contracts equal what their sources compile to."""

from __future__ import annotations

import hashlib

import pytest

from keeper.contracts import (
    Built,
    executor,
    executor_creation_code,
    is_executor_code,
    is_vault_code,
    vault,
    vault_creation_code,
)
from keeper.devnet.compile import SETTINGS, SOLC, compile_sources, read_sources
from keeper.domain.address import Address
from tests.contracts.lab import Lab


@pytest.mark.parametrize(("name", "built"), [("Executor", executor()), ("Vault", vault())])
def test_built__rebuilt_from_source__is_the_same(name: str, built: Built) -> None:
    sources = read_sources("contracts/src")
    compiled = compile_sources(sources, settings=built.settings)[name]
    assert list(built.abi) == list(compiled.abi)
    assert built.bytecode.hex() == compiled.bytecode
    assert built.deployed_bytecode.hex() == compiled.deployed_bytecode
    assert (built.compiler, built.settings) == (f"solc {SOLC}", {**SETTINGS, "viaIR": True})
    told = hashlib.sha256()
    for path, text in sorted(sources.items()):
        told.update(f"{path}\0{text}\0".encode())
    assert built.source_hash == told.hexdigest(), "run scripts/build-contracts"


def test_is_executor_code__as_deployed__is_recognised(lab: Lab) -> None:
    arguments = {"vault": lab.vault.address, "wrapped_native": lab.weth.address}
    code = lab.create(executor_creation_code(operator=lab.operator, **arguments))
    other = lab.create(executor_creation_code(operator=lab.stranger, **arguments))
    assert code != other
    assert is_executor_code(code) and is_executor_code(other)


def test_is_executor_code__anything_else__is_refused(lab: Lab) -> None:
    code = lab.create(
        executor_creation_code(
            operator=lab.operator, vault=lab.vault.address, wrapped_native=lab.weth.address
        )
    )
    for changed in (0, len(code) // 2, len(code) - 1):
        forged = bytearray(code)
        forged[changed] ^= 1
        assert not is_executor_code(bytes(forged))
    assert not is_executor_code(b"")
    assert not is_executor_code(code + b"\0")
    assert not is_executor_code(lab.create(vault_creation_code(owner=lab.owner)))


def test_is_vault_code__as_deployed__is_recognised(lab: Lab) -> None:
    code = lab.create(vault_creation_code(owner=Address(lab.owner)))
    assert is_vault_code(code)
    assert not is_vault_code(code[:-1] + b"\xff")


def test_deployed_bytecode__size__stays_small() -> None:
    assert len(executor().deployed_bytecode) < 8_000
    assert len(vault().deployed_bytecode) < 7_000
