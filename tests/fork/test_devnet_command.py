"""``keeper devnet`` says how to connect, moves its market, and ends when it is told to."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keeper.devnet.command import run
from keeper.domain.errors import ConfigError
from keeper.node.anvil import Anvil, AnvilError
from keeper.node.blocking_rpc import BlockingRpc

_RUN = """
from pathlib import Path
from keeper.devnet.command import run
raise SystemExit(run(port=0, block_s=0.05, prices={prices}))
"""


def _read_until(command: subprocess.Popen[str], word: str) -> list[str]:
    assert command.stdout is not None
    told = []
    for line in command.stdout:
        told.append(line.strip())
        if word in line:
            return told
    raise AssertionError(f"ended without {word!r}: {told}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run__signalled__ends_with_its_anvil(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _RUN.format(prices=None)], stdout=subprocess.PIPE, text=True
    ) as command:
        told = _read_until(command, "Ctrl-C")
        url = next(line.split()[1] for line in told if line.startswith("HTTP"))
        with BlockingRpc(url) as rpc:
            assert int(rpc("eth_blockNumber"), 16) > 0
        assert any(line.startswith("KEEPER_MARKETS=aave-v3:0x") for line in told)
        command.send_signal(number)
        assert command.wait(timeout=60) == 0
    with BlockingRpc(url) as rpc, pytest.raises(ConnectionRefusedError):
        rpc("eth_blockNumber")


def test_run__csv__plays_it_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "path.csv"
    path.write_text("time,WETH\n0,2900\n24,2800\n")
    with subprocess.Popen(
        [sys.executable, "-c", _RUN.format(prices=f"Path({str(path)!r})")], stdout=subprocess.PIPE, text=True
    ) as command:
        told = _read_until(command, "$2,800")
        assert any("WETH $2,900.00" in line for line in told)
        url = next(line.split()[1] for line in told if line.startswith("HTTP"))
        with BlockingRpc(url) as rpc:
            first = int(rpc("eth_blockNumber"), 16)
            while int(rpc("eth_blockNumber"), 16) < first + 5:
                time.sleep(0.05)
        command.terminate()
        assert command.wait(timeout=60) == 0


def test_run__csv_is_none__is_the_operators_mistake(tmp_path: Path) -> None:
    (tmp_path / "path.csv").write_text("time,DOGE\n0,1\n")
    with pytest.raises(ConfigError, match="--prices: unknown columns DOGE"):
        run(port=0, prices=tmp_path / "path.csv")
    with pytest.raises(ConfigError, match=r"--prices: .*No such file"):
        run(port=0, prices=tmp_path / "none.csv")


def test_run__too_few_borrowers__is_the_operators_mistake() -> None:
    with pytest.raises(ConfigError, match="--borrowers: 3 is too few"):
        run(port=0, borrowers=3)


def test_run__port_taken__says_so() -> None:
    with Anvil() as other, pytest.raises(AnvilError, match="in use"):
        run(port=int(other.url.rpartition(":")[2]))
