"""The commands as a user types them, each in a process of its own, on a devnet: output and exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from keeper.abi import load, uint
from keeper.devnet import Devnet
from keeper.devnet.faults import Replace
from keeper.devnet.keeper_contracts import deploy
from keeper.devnet.proxy import Proxy
from keeper.devnet.proxy_thread import ProxyThread
from keeper.devnet.relay import Relay
from keeper.devnet.variables import variables
from keeper.domain.address import checksum
from tests.fork.aave_v3_stage import answering

TIMEOUT_S = 100
EVERY_EVENT = {"KEEPER_LOG_FORMAT": "json", "KEEPER_LOG_LEVEL": "debug"}
MAINNET_POOL = "aave-v3:0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"


@pytest.fixture
def user(devnet: Devnet, tmp_path: Path) -> User:
    return User(devnet, tmp_path)


class User:
    """Somebody at a terminal in an empty folder, with these variables set."""

    def __init__(self, devnet: Devnet, folder: Path) -> None:
        self.devnet = devnet
        self.folder = folder
        self.variables = variables(devnet) | {
            "KEEPER_STATE_DIR": str(folder / "state"),
            "KEEPER_POLL_INTERVAL_S": "0.1",
        }

    @property
    def key(self) -> dict[str, str]:
        return {"KEEPER_PRIVATE_KEY": "0x" + self.devnet.operator.private_key.hex()}

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "keeper", *words],
            cwd=self.folder,
            env=_without_keeper(os.environ) | self.variables | more,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def types(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, **more)
        out, err = process.communicate(timeout=TIMEOUT_S)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def has_deployed(self) -> dict[str, str]:
        """Return the lines for ``.env`` of an executor and a vault that are there."""
        executor, vault = deploy(self.devnet)
        return {"KEEPER_EXECUTOR": checksum(executor), "KEEPER_VAULT": checksum(vault)}


def _without_keeper(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("KEEPER_")}


def crash(devnet: Devnet) -> None:
    """Let ether fall by a tenth, which puts some borrowers below health 1."""
    devnet.market_block({symbol: devnet.price_base(symbol) * 90 // 100 for symbol in ("WETH", "wstETH")})


def unhealthy(user: User) -> list[str]:
    rows = json.loads(user.types("scan", "--below", "1", "--json").stdout)["rows"]
    return [row["borrower"] for row in rows]


def opted_into_pre_liquidation(devnet: Devnet) -> int:
    """Return how many of Morpho's borrowers have authorised a contract, by Morpho's own word."""
    there, allowed = devnet.addresses, load("morpho_blue").function("isAuthorized")
    return sum(
        uint(devnet.chain.call(there.morpho, allowed.encode(borrower, contract)))
        for borrower in there.morpho_borrowers
        for contract in there.pre_contracts.values()
    )


# --- what is there ------------------------------------------------------------------------------------------


def test_scan__after_a_crash__worst_first_and_equal_in_both_forms(user: User) -> None:
    crash(user.devnet)
    told = user.types("scan", "--below", "1.1", "--json")
    assert told.returncode == 0, told.stderr
    report = json.loads(told.stdout)
    healths = [int(row["health"]["health_factor_wad"]) for row in report["rows"]]
    there = user.devnet.addresses
    opted_in = opted_into_pre_liquidation(user.devnet)
    assert opted_in >= 2
    assert report["borrowers"] == len(there.borrowers) + len(there.morpho_borrowers) + opted_in
    kinds = {row["market"].partition(":")[0]: row["currency"]["symbol"] for row in report["rows"]}
    assert kinds.keys() == {"aave-v3", "morpho", "morpho-pre"}
    assert kinds["aave-v3"] == "USD" not in (kinds["morpho"], kinds["morpho-pre"])
    assert healths == sorted(healths) and healths[0] < 10**18 <= healths[-1] < 11 * 10**17
    assert any(row["closable"] for row in report["rows"])
    shown = user.types("scan", "--below", "1.1").stdout
    assert f"{len(healths)} of {report['borrowers']} positions are below 1.1000" in shown


def test_plan__no_contract_deployed__explained_on_a_simulated_executor(user: User) -> None:
    crash(user.devnet)
    planned = 0
    for borrower in unhealthy(user)[-3:]:
        told = user.types("plan", borrower, "--json")
        assert told.returncode == 0, told.stderr
        report = json.loads(told.stdout)
        assert report["pairs"] or report["declined"]
        planned += "gas_used" in report["decision"]
    assert planned >= 1


def test_plan__a_position_on_morpho__funded_by_its_own_callback(user: User) -> None:
    crash(user.devnet)
    rows = json.loads(user.types("scan", "--below", "1", "--json").stdout)["rows"]
    (borrower, *_) = [row["borrower"] for row in rows if row["market"].startswith("morpho:")]
    report = json.loads(user.types("plan", borrower, "--json").stdout)
    draft = report["decision"]["draft"]
    assert draft["market"].startswith("morpho:0x") and draft["closes"][0]["flash_fee"]["raw"] == "0"
    shown = " ".join(user.types("plan", borrower).stdout.split())
    assert "funded by the liquidation's own callback" in shown


def test_plan__a_borrower_with_two_positions__explains_the_worse_and_tells_of_the_other(
    user: User,
) -> None:
    """Whoever opted into a pre-liquidation has two positions; one of them is shown, the other is told of."""
    crash(user.devnet)
    rows = json.loads(user.types("scan", "--below", "1", "--json").stdout)["rows"]
    (offered, *_) = [row for row in rows if row["market"].startswith("morpho-pre:")]
    report = json.loads(user.types("plan", offered["borrower"], "--json").stdout)
    assert report["market"] == offered["market"]
    (other,) = report["others"]
    assert other["market"].startswith("morpho:") and int(other["health_factor_wad"]) >= 10**18


def test_plan__a_healthy_borrower__says_so(user: User) -> None:
    report = json.loads(user.types("scan", "--below", "100", "--json").stdout)
    healthiest = report["rows"][-1]["borrower"]
    told = user.types("plan", healthiest)
    assert told.returncode == 0
    assert "healthy" in told.stdout.lower()


def test_plan__somebody_without_debt__exit_2_and_named(user: User) -> None:
    nobody = "0x" + "12" * 20
    told = user.types("plan", nobody)
    assert told.returncode == 2
    assert "BORROWER" in told.stderr and "owes nothing" in told.stderr


def test_plan__saved_and_planned_from_the_file_alone__the_same_to_the_wei(user: User, tmp_path: Path) -> None:
    """Of each protocol: in an empty folder, with no variable set and no connection made."""
    crash(user.devnet)
    rows = json.loads(user.types("scan", "--below", "1", "--json").stdout)["rows"]
    by_protocol = {row["market"].partition(":")[0]: row["borrower"] for row in rows}
    assert by_protocol.keys() == {"aave-v3", "morpho", "morpho-pre"}
    for protocol, borrower in by_protocol.items():
        state = tmp_path / f"{protocol}.state"
        saved = user.types("plan", borrower, "--save", str(state), "--json")
        assert saved.returncode == 0, saved.stderr
        assert "gas_used" in json.loads(saved.stdout)["decision"], "a plan, simulated"
        again = _alone("plan", "--state", str(state), "--json", folder=tmp_path)
        assert (again.returncode, again.stderr) == (0, "")
        assert again.stdout == saved.stdout
    over = {"KEEPER_MIN_PROFIT_WEI": str(10**24)}
    declined = _alone("plan", "--state", str(state), "--json", folder=tmp_path, **over)
    assert json.loads(declined.stdout)["decision"]["reason"] == "below minimum"
    picture = tmp_path / "a.png"
    drawn = _alone("plan", "--state", str(state), "--plot", str(picture), "--json", folder=tmp_path)
    assert drawn.returncode == 0 and picture.read_bytes().startswith(b"\x89PNG")
    curve = json.loads(drawn.stdout)["curve"]
    assert curve["best"]["net_wei"] == json.loads(saved.stdout)["decision"]["waterfall"]["net_wei"]
    kept = state.read_bytes()
    refused = user.types("plan", borrower, "--save", str(state))
    assert refused.returncode == 2 and "is there already" in refused.stderr
    assert state.read_bytes() == kept


def _alone(*words: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Type a command where nothing is configured and no connection can be made."""
    program = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('a connection')\n"
        "socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse\n"
        "from keeper.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=folder,
        env=_without_keeper(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[2])} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


# --- deploying and checking ---------------------------------------------------------------------------------


def test_check__before_and_after_deploy__tells_what_to_do_and_then_is_content(user: User) -> None:
    before = user.types("check", **user.key)
    assert before.returncode == 1
    assert "keeper deploy" in " ".join(before.stdout.split())
    typed = user.types("deploy", "--owner", checksum(user.devnet.owner.address), **user.key)
    assert typed.returncode == 0, typed.stderr
    deployed = dict(re.findall(r"^(KEEPER_\w+)=(\S+)$", typed.stdout, re.MULTILINE))
    after = user.types("check", "--json", **user.key, **deployed)
    assert after.returncode == 0, after.stdout
    report = json.loads(after.stdout)
    assert report["ok"] and {"executor", "vault", "operator"} <= {line["name"] for line in report["lines"]}


async def test_check__endpoints_and_a_stream__a_line_for_each_and_what_fails_is_named(user: User) -> None:
    async def told(**more: str) -> dict[str, list[dict[str, Any]]]:
        typed = await asyncio.to_thread(user.types, "check", "--json", **more)
        lines: dict[str, list[dict[str, Any]]] = {}
        for line in json.loads(typed.stdout)["lines"]:
            lines.setdefault(line["name"], []).append(line)
        return lines

    async with Relay(user.devnet.anvil.rpc) as relay:
        lines = await told(
            KEEPER_RPC_URLS=f"{user.devnet.anvil.url}#trusted,http://127.0.0.1:9",
            KEEPER_MEV_SHARE_URL=relay.url,
        )
        there, dead = lines["node"]
        assert there["ok"] and ", trusted: block " in there["detail"]
        assert not dead["ok"] and "does not answer" in dead["detail"] and "The others" in dead["advice"]
        assert [line["ok"] for line in lines["stream"]] == [True]
    lines = await told(KEEPER_MEV_SHARE_URL=user.devnet.anvil.url)
    assert [line["ok"] for line in lines["stream"]] == [False]
    assert "KEEPER_MEV_SHARE_URL" in lines["stream"][0]["advice"]
    assert [line["ok"] for line in lines["node"]] == [True]


def test_check__pool_of_an_unknown_revision__refused_unless_allowed_and_then_marked(user: User) -> None:
    pool, addresses = load("aave_v3_pool"), user.devnet.addresses
    answers = {
        pool.function("POOL_REVISION").selector: (12).to_bytes(32),
        pool.function("ADDRESSES_PROVIDER").selector: addresses.provider.rjust(32, b"\0"),
        pool.function("getReservesList").selector: (32).to_bytes(32) + bytes(32),
    }
    user.devnet.chain.set_code(addresses.pool, answering(answers))
    told = " ".join(user.types("check").stdout.split())
    assert "pool revision 12 is not known" in told and "KEEPER_ALLOW_UNVERIFIED=true" in told
    report = json.loads(user.types("check", "--json", KEEPER_ALLOW_UNVERIFIED="true").stdout)
    (line,) = [line for line in report["lines"] if line["name"].startswith("aave-v3:")]
    assert line["ok"]
    assert "UNVERIFIED: pool revision 12 is not known: computed as revision 11" in line["detail"]


def test_deploy__the_owner_is_the_operator__refused(user: User) -> None:
    told = user.types("deploy", "--owner", checksum(user.devnet.operator.address), **user.key)
    assert told.returncode == 2
    assert "--owner: is the operator" in told.stderr


def test_deploy__the_first_endpoint_is_down__through_the_next(user: User) -> None:
    urls = f"http://127.0.0.1:9,{user.devnet.anvil.url}"
    told = user.types(
        "deploy", "--owner", checksum(user.devnet.owner.address), **user.key, KEEPER_RPC_URLS=urls
    )
    assert told.returncode == 0, told.stderr
    assert "KEEPER_EXECUTOR=0x" in told.stdout


def test_deploy__a_key_without_gas__says_how_much_is_needed(user: User) -> None:
    poor = {"KEEPER_PRIVATE_KEY": "0x" + "42" * 32}
    told = user.types("deploy", "--owner", checksum(user.devnet.owner.address), **poor)
    assert told.returncode == 2
    assert "native coin" in told.stderr and "42" * 32 not in told.stderr


def test_check__an_executor_of_somebody_else__named(user: User) -> None:
    deployed = user.has_deployed()
    stranger = {"KEEPER_PRIVATE_KEY": "0x" + user.devnet.rival.private_key.hex()}
    told = user.types("check", **stranger, **deployed)
    assert told.returncode == 1
    shown = " ".join(told.stdout.split())
    assert "FAIL operator" in shown and checksum(user.devnet.operator.address) in shown.replace(" ", "")


@pytest.mark.asyncio
async def test_run__an_endpoint_that_does_not_simulate__refused_and_told_what_it_needs(user: User) -> None:
    deployed = user.has_deployed()
    async with Proxy(user.devnet.anvil.url) as proxy:
        proxy.add("eth_simulateV1", Replace(b'"result"', b'"error":{"code":-32601,"message":"no"},"was"'))
        told = await asyncio.to_thread(
            lambda: user.types("run", **user.key, **deployed, KEEPER_RPC_URLS=proxy.url)
        )
    assert told.returncode == 2
    assert "eth_simulateV1" in told.stderr and "KEEPER_RPC_URLS" in told.stderr


@pytest.mark.parametrize("variable", ["KEEPER_EXECUTOR", "KEEPER_VAULT"])
def test_run__a_contract_that_is_not_there__refused_by_name(user: User, variable: str) -> None:
    deployed = user.has_deployed() | {variable: "0x" + "99" * 20}
    told = user.types("run", **user.key, **deployed)
    assert told.returncode == 2
    assert variable in told.stderr


# --- sending ------------------------------------------------------------------------------------------------


def test_liquidate__yes__included_and_the_debt_is_smaller(user: User) -> None:
    deployed = user.has_deployed()
    crash(user.devnet)
    worst = max(
        json.loads(user.types("scan", "--below", "1", "--json").stdout)["rows"],
        key=lambda row: int(row["health"]["debt_base"]),
    )
    told = user.types("liquidate", worst["borrower"], "--yes", **user.key, **deployed)
    assert told.returncode == 0, told.stdout + told.stderr
    rows = json.loads(user.types("scan", "--below", "100", "--json").stdout)["rows"]
    left = [row for row in rows if row["borrower"] == worst["borrower"]]
    assert not left or int(left[0]["health"]["debt_base"]) < int(worst["health"]["debt_base"])


def test_liquidate__below_morphos_limit_too__what_plan_shows_is_closed(user: User) -> None:
    """Whoever opted into a pre-liquidation stands worse by its limit, and is Morpho's own to close by now."""
    deployed = user.has_deployed()
    user.devnet.market_block(
        {symbol: user.devnet.price_base(symbol) * 73 // 100 for symbol in ("WETH", "WBTC")}
    )
    rows = json.loads(user.types("scan", "--below", "1", "--json").stdout)["rows"]
    offered = {row["borrower"] for row in rows if row["market"].startswith("morpho-pre:")}
    (row, *_) = [
        row
        for row in rows
        if row["market"].startswith("morpho:") and row["borrower"] in offered and row["closable"]
    ]
    told = user.types("liquidate", row["borrower"], "--yes", **user.key, **deployed)
    assert told.returncode == 0, told.stdout + told.stderr
    left = json.loads(user.types("scan", "--below", "100", "--json").stdout)["rows"]
    (debt_base,) = [
        int(one["health"]["debt_base"])
        for one in left
        if (one["market"], one["borrower"]) == (row["market"], row["borrower"])
    ] or [0]
    assert debt_base < int(row["health"]["debt_base"])


def test_liquidate__nobody_to_ask__refused_without_yes(user: User) -> None:
    deployed = user.has_deployed()
    crash(user.devnet)
    sent = transactions(user)
    told = user.types("liquidate", unhealthy(user)[0], **user.key, **deployed)
    assert told.returncode in (1, 2)
    assert transactions(user) == sent


def test_liquidate__healthy_again_once_yes_is_said__tells_that_nothing_was_sent(user: User) -> None:
    deployed = user.has_deployed()
    crash(user.devnet)
    sent = transactions(user)
    process = user.start("liquidate", unhealthy(user)[-1], **user.key, **deployed)
    assert process.stdout is not None
    shown = ""
    while "[y/N]" not in shown:
        letter = process.stdout.read(1)
        assert letter, shown
        shown += letter
    user.devnet.market_block({symbol: user.devnet.price_base(symbol) * 2 for symbol in ("WETH", "wstETH")})
    _, err = process.communicate("y\n", timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert "nothing was sent: healthy" in err
    assert transactions(user) == sent


def transactions(user: User) -> int:
    """Return how many transactions the operator has sent."""
    operator = "0x" + user.devnet.operator.address.hex()
    return int(user.devnet.anvil.rpc("eth_getTransactionCount", operator, "latest"), 16)


# --- cancelling ---------------------------------------------------------------------------------------------


def test_cancel__a_transaction_stuck_in_the_pool__its_nonce_used_for_nothing(user: User) -> None:
    rpc, operator = user.devnet.anvil.rpc, "0x" + user.devnet.operator.address.hex()
    deployed = user.has_deployed()
    rpc("evm_setAutomine", False)
    nonce = int(rpc("eth_getTransactionCount", operator, "latest"), 16)
    stuck = {"from": operator, "to": operator, "value": "0x1", "nonce": hex(nonce), "gas": "0x5208"}
    fees = {"maxFeePerGas": hex(2 * 10**10), "maxPriorityFeePerGas": hex(2 * 10**10)}
    rpc("eth_sendTransaction", stuck | fees)
    process = user.start("cancel", str(nonce), "--yes", **user.key, **deployed)
    while process.poll() is None and pooled_values(user) != ["0x0"]:
        time.sleep(0.05)
    for _ in range(2):
        user.devnet.mine()
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    assert f"a cancellation of nonce {nonce}, in block" in out
    assert int(rpc("eth_getTransactionCount", operator, "latest"), 16) == nonce + 1


def pooled_values(user: User) -> list[str]:
    pool = user.devnet.anvil.rpc("txpool_content")["pending"]
    return [one["value"] for by_nonce in pool.values() for one in by_nonce.values()]


def test_cancel__used_already_or_no_number_or_nobody_asked__says_so_and_sends_nothing(user: User) -> None:
    deployed = user.has_deployed()
    rpc, operator = user.devnet.anvil.rpc, "0x" + user.devnet.operator.address.hex()
    user.devnet.chain.post(user.devnet.operator.address, user.devnet.owner.address, b"")
    used = user.types("cancel", "0", "--yes", **user.key, **deployed)
    assert used.returncode == 1
    assert "nonce 0 is used: the next one to be included is" in used.stderr
    wrong = user.types("cancel", "seven", **user.key, **deployed)
    assert (wrong.returncode, "NONCE: expected" in wrong.stderr) == (2, True)
    before = rpc("eth_getTransactionCount", operator, "pending")
    unasked = user.types("cancel", str(int(before, 16)), **user.key, **deployed)
    assert unasked.returncode != 0
    assert "shown to everybody" in unasked.stdout and "nothing of this keeper's journal" in unasked.stdout
    assert rpc("eth_getTransactionCount", operator, "pending") == before


def test_run__without_a_key__plans_and_sends_nothing(user: User) -> None:
    crash(user.devnet)
    supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    supervisor.bind(str(user.folder / "notify"))
    process = user.start("run", **EVERY_EVENT, NOTIFY_SOCKET=str(user.folder / "notify"))
    events = until(process, "decided")
    assert supervisor.recv(100) == b"READY=1"
    assert supervisor.recv(100).startswith(b"WATCHDOG=1")
    supervisor.close()
    beat = json.loads((user.folder / "state" / "heartbeat").read_text())
    assert beat["pid"] == process.pid and beat["head"] == events[-1]["head"]["number"]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    read, (started, *_) = split_at(events, "started")
    assert {event["event"] for event in read} == {"loading"}
    assert started["dry_run"]
    assert "planned" in {event["event"] for event in events}
    assert "sent" not in {event["event"] for event in events}


def test_run__stopped_while_it_reads_the_markets__ends_cleanly_and_the_next_start_goes_on(user: User) -> None:
    with ProxyThread(user.devnet.anvil.url) as proxy:
        traps = [proxy.trap("eth_getLogs") for _ in range(3)]
        through = {"KEEPER_RPC_URLS": proxy.url}
        process = user.start("run", **EVERY_EVENT, **through)
        for trap in traps[:2]:
            assert trap.wait(within_s=TIMEOUT_S)
            trap.release()
        assert traps[2].wait(within_s=TIMEOUT_S)  # the first market is read, the second one not
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, err
        assert "while it read the markets" in json.loads(out.splitlines()[-1])["why"]
        proxy.behave()
        again = user.start("run", **EVERY_EVENT, **through)
        events = until(again, "started")
        again.send_signal(signal.SIGTERM)
        again.communicate(timeout=TIMEOUT_S)
    taken_up = {event["source"]: event["positions"] for event in events if event["event"] == "resumed"}
    (aave,) = (source for source in taken_up if source.startswith("aave-v3"))
    assert taken_up[aave] >= 40
    assert aave not in {event["source"] for event in events if event["event"] == "loading"}
    assert events[-1]["borrowers"] > taken_up[aave]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_run__with_a_key__liquidates_and_ends_cleanly(user: User, ending: signal.Signals) -> None:
    deployed = user.has_deployed()
    crash(user.devnet)
    process = user.start("run", **EVERY_EVENT, **user.key, **deployed)
    try:
        events = until(process, "concluded")  # this chain mines whatever it is sent
    finally:
        process.send_signal(ending)
    rest, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    events += [json.loads(line) for line in rest.splitlines()]
    assert {"sent", "concluded", "stopped"} <= {event["event"] for event in events}
    assert user.devnet.operator.private_key.hex() not in json.dumps(events) + err


def test_run__ethereum_mainnet__refuses_the_public_mempool_unless_allowed(user: User) -> None:
    deployed = user.has_deployed()
    user.devnet.anvil.rpc("anvil_setChainId", 1)
    told = user.types("run", **user.key, **deployed)
    assert told.returncode == 2
    assert "KEEPER_ALLOW_PUBLIC" in told.stderr
    process = user.start("run", **EVERY_EVENT, **user.key, **deployed, KEEPER_ALLOW_PUBLIC="true")
    assert not until(process, "started")[-1]["dry_run"]
    process.terminate()
    process.communicate(timeout=TIMEOUT_S)


def test_run__a_second_keeper_on_the_same_journal__refused_with_the_holders_pid(user: User) -> None:
    deployed = user.has_deployed()
    first = user.start("run", **EVERY_EVENT, **user.key, **deployed)
    try:
        until(first, "started")
        second = user.types("run", **user.key, **deployed)
        assert second.returncode == 2
        assert str(first.pid) in second.stderr
    finally:
        first.terminate()
        first.communicate(timeout=TIMEOUT_S)


def split_at(
    events: list[dict[str, object]], name: str
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return the events before the first of that name, and those from it on."""
    at = [event["event"] for event in events].index(name)
    return events[:at], events[at:]


def until(process: subprocess.Popen[str], name: str) -> list[dict[str, object]]:
    """Return the events up to the first of that name."""
    events: list[dict[str, object]] = []
    assert process.stdout is not None
    for line in process.stdout:
        events.append(json.loads(line))
        if events[-1]["event"] == name:
            return events
    assert process.stderr is not None
    pytest.fail(f"ended without {name}: {events} {process.stderr.read()}")


# --- wrong input --------------------------------------------------------------------------------------------


def test_run__the_endpoint_is_down__exit_1_and_named_without_its_key(user: User) -> None:
    told = user.types("run", KEEPER_RPC_URLS="http://127.0.0.1:9/v3/0123456789abcdef0123456789abcdef")
    assert told.returncode == 1
    assert "127.0.0.1" in told.stderr
    assert "0123456789abcdef" not in told.stderr + told.stdout
    assert "Traceback" not in told.stderr


def test_scan__another_chain_than_expected__exit_2(user: User) -> None:
    told = user.types("scan", KEEPER_CHAIN_ID="1")
    assert told.returncode == 2
    assert "KEEPER_CHAIN_ID" in told.stderr and "31337" in told.stderr


def test_scan__a_market_of_another_chain__exit_2(user: User) -> None:
    told = user.types("scan", KEEPER_MARKETS=MAINNET_POOL)
    assert told.returncode == 2
    assert "KEEPER_MARKETS" in told.stderr and "Ethereum" in told.stderr


def test_scan__several_mistakes__all_at_once_by_name(user: User) -> None:
    told = user.types("scan", KEEPER_EXECUTOR="0x12", KEEPER_OBJECTIVE="most", KEEPER_MIN_PROFIT="1")
    assert told.returncode == 2
    assert {"KEEPER_EXECUTOR", "KEEPER_OBJECTIVE", "KEEPER_MIN_PROFIT"} <= set(
        re.findall(r"KEEPER_\w+", told.stderr)
    )
    assert "KEEPER_MIN_PROFIT_WEI" in told.stderr, "the nearest known name"
