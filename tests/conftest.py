"""What all tests share: the `--full` sizes, and no sockets in unit tests."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
import pytest_socket

hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no defect
hypothesis.settings.load_profile("untimed")

_SOCKETLESS = {"unit", "golden"}
_TESTS = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run random and long tests at their whole size")


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Return whether whole sizes were asked for: ``scripts/test --full``."""
    return bool(request.config.getoption("--full"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Take the sockets away from tests that should need none, unless one is marked `enable_socket`."""
    room = item.path.relative_to(_TESTS).parts[0]
    if room in _SOCKETLESS and item.get_closest_marker("enable_socket") is None:
        pytest_socket.disable_socket(allow_unix_socket=True)  # the event loop wakes itself through one
