"""The fixture `devnet`, for anybody's tests: a fresh chain for each. Pytest finds it by its entry point."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keeper.devnet.devnet import Devnet


@pytest.fixture
def devnet() -> Iterator[Devnet]:
    """Return a devnet in its first state, every transaction mined at once; it ends with the test."""
    with Devnet.start() as running:
        yield running


@pytest.fixture
def manual_devnet() -> Iterator[Devnet]:
    """Return a devnet in its first state that mines only when it is told to; it ends with the test."""
    with Devnet.start(automine=False) as running:
        yield running
