"""One chain for a worker's contract tests; each test finds it as it was set up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keeper.node.anvil import Anvil
from tests.contracts.lab import Lab, go_back


@pytest.fixture(scope="session")
def _lab() -> Iterator[Lab]:
    with Anvil() as anvil:
        yield Lab(anvil)


@pytest.fixture
def lab(_lab: Lab) -> Iterator[Lab]:
    """Return a chain with an executor, its vault and a market. What a test does to it is undone."""
    snapshot = _lab.rpc("evm_snapshot")
    yield _lab
    go_back(_lab.rpc, snapshot)
    _lab.rpc("anvil_setCoinbase", "0x" + bytes(20).hex())  # which a snapshot does not hold
