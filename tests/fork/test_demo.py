"""The demo itself, as a user starts it: its numbers, and that it leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.devnet.proxy_thread import Moment, ProxyThread
from keeper.node.anvil import Anvil
from keeper.node.blocking_rpc import BlockingRpc

_FIRST_BLOCK_WITHIN_S = 5.0


def _demo(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "keeper", "demo", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_of_ctrl_c,
    )


def _hear_of_ctrl_c() -> None:
    """Hear of Ctrl-C, also where a shell that runs these tests in the background would not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.timeout(300)
def test_demo__as_json__keeps_every_promise(full: bool) -> None:
    for seed in range(1, 6 if full else 2):
        with _demo("--json", "--seed", str(seed)) as demo:
            printed, told = demo.communicate(timeout=240)
        assert demo.returncode == 0, told
        numbers = json.loads(printed.splitlines()[-1])
        print(numbers)
        assert list(numbers) == [
            "borrowers",
            "unhealthy",
            "liquidated",
            "lost_to_rival",
            "declined",
            "overlooked",
            "reverted",
            "taken_by_attacks_wei",
            "predicted_profit_wei",
            "realised_profit_wei",
            "seconds",
            "liquidated_by_protocol",
        ]
        assert numbers["borrowers"] >= 40 + 15
        by_protocol = numbers["liquidated_by_protocol"]
        assert sum(by_protocol.values()) == numbers["liquidated"]
        assert by_protocol["aave-v3"] >= 10 and by_protocol["morpho"] >= 4 and by_protocol["morpho-pre"] >= 1
        assert numbers["liquidated"] >= 10
        assert numbers["lost_to_rival"] >= 1
        assert numbers["overlooked"] == numbers["reverted"] == numbers["taken_by_attacks_wei"] == 0
        predicted_wei, realised_wei = numbers["predicted_profit_wei"], numbers["realised_profit_wei"]
        assert predicted_wei > 10**18
        assert abs(realised_wei - predicted_wei) * 10_000 <= predicted_wei
        assert "block" in told, "the progress goes to stderr"


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are found by /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_demo__ended_early__nothing_is_left_running(how: signal.Signals, full: bool) -> None:
    began_s = time.monotonic()
    with _demo() as demo:
        assert demo.stderr is not None
        for line in demo.stderr:
            if " 1/" in line and full:
                assert time.monotonic() - began_s < _FIRST_BLOCK_WITHIN_S
            if " 2/" in line:
                break
        started = set(_descendants(demo.pid))
        assert len(started) >= 3, "an Anvil, a keeper, and what watches over them"
        demo.send_signal(how)
        demo.communicate(timeout=60)
    assert demo.returncode != 0
    deadline = time.monotonic() + 60
    while alive := {pid for pid in started if _runs(pid)}:
        assert time.monotonic() < deadline, f"still running: {alive}"
        time.sleep(0.05)


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from _descendants(child)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


# --- the proxy


def test_proxy__nothing_trapped__passes_everything_on() -> None:
    with Anvil(chain_id=7) as anvil, ProxyThread(anvil.url) as proxy:
        rpc = BlockingRpc(proxy.url)
        assert rpc("eth_chainId") == "0x7"
        assert rpc.batch([("eth_chainId", []), ("eth_blockNumber", [])]) == ["0x7", "0x0"]
        rpc.close()


@pytest.mark.parametrize(("moment", "mined"), [(Moment.ASKED, 0), (Moment.ANSWERED, 1)])
def test_trap__request_held__the_endpoint_has_seen_it_or_not(moment: Moment, mined: int) -> None:
    with Anvil() as anvil, ProxyThread(anvil.url) as proxy:
        trap = proxy.trap("evm_mine", moment)
        asker = subprocess.Popen([sys.executable, "-c", _MINES, proxy.url], stdout=subprocess.PIPE, text=True)
        assert trap.wait(within_s=60)
        assert int(anvil.rpc("eth_blockNumber"), 16) == mined
        assert asker.poll() is None, "it waits for its answer"
        trap.release()
        printed, _ = asker.communicate(timeout=60)
        assert printed.strip() == "0x0"
        assert int(anvil.rpc("eth_blockNumber"), 16) == 1


def test_trap__asker_killed_while_held__the_endpoint_keeps_what_it_was_asked() -> None:
    with Anvil() as anvil, ProxyThread(anvil.url) as proxy:
        trap = proxy.trap("evm_mine", Moment.ASKED)
        asker = subprocess.Popen([sys.executable, "-c", _MINES, proxy.url], stdout=subprocess.DEVNULL)
        assert trap.wait(within_s=60)
        asker.kill()
        asker.wait()
        trap.release()
        deadline = time.monotonic() + 60
        while int(anvil.rpc("eth_blockNumber"), 16) == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


_MINES = """
import sys
from keeper.node.blocking_rpc import BlockingRpc
print(BlockingRpc(sys.argv[1])("evm_mine"))
"""
