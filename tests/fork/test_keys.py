"""Keys that are not in the environment: held by a signer, opened at a terminal, or the owner's."""

from __future__ import annotations

import json
import os
import pty
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from keeper.abi import load
from keeper.devnet import Devnet
from keeper.devnet.drill.stage import balance_raw
from keeper.domain.address import checksum
from keeper.domain.errors import Unavailable
from keeper.domain.secret import Secret
from keeper.keys import RemoteKey, SigningKey
from tests.fork.test_commands import EVERY_EVENT, TIMEOUT_S, User, crash, until
from tests.unit.keys.test_signer import CALL, KEY

Answer = Callable[[dict[str, Any]], object]


def by_account(asked: dict[str, Any]) -> dict[str, Any]:
    """Sign as a signer does that knows nothing of this keeper."""
    (transaction,) = asked["params"]
    known = {name: value for name, value in transaction.items() if name != "from"}
    raw = Account.from_key(KEY).sign_transaction({**known, "type": 2}).raw_transaction
    return {"jsonrpc": "2.0", "id": asked["id"], "result": "0x" + bytes(raw).hex()}


@contextmanager
def signer(answer: Answer) -> Iterator[str]:
    """Yield the URL of a signer that answers so; what is no text is said as JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = answer(asked)
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/s3cr3t-t0ken-of-the-signer"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def remote(url: str) -> RemoteKey:
    return RemoteKey(Secret(url, shown="http://signer/…"), address=SigningKey(KEY).address, timeout_s=1.0)


def test_sign_transaction__by_another_library__equal_to_the_key_s_own() -> None:
    with signer(by_account) as url:
        assert remote(url).sign_transaction(CALL) == SigningKey(KEY).sign_transaction(CALL)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda asked: b"<html>", "does not answer"),
        (lambda asked: [], "refused"),
        (lambda asked: {"error": {"code": -32000, "message": "no such key"}}, "refused: no such key"),
        (lambda asked: {"result": {"raw": "0x"}}, "answered no signed transaction"),
        (lambda asked: {"result": "0xzz"}, "answered no signed transaction"),
        (
            lambda asked: by_account({**asked, "params": [{**asked["params"][0], "nonce": "0x8"}]}),
            "signed something else",
        ),
        (
            lambda asked: by_account({**asked, "params": [{**asked["params"][0], "to": "0x" + "11" * 20}]}),
            "signed something else",
        ),
    ],
)
def test_sign_transaction__anything_else__unavailable_and_the_url_not_shown(
    answer: Answer, expected: str
) -> None:
    with signer(answer) as url, pytest.raises(Unavailable, match=expected) as raised:
        remote(url).sign_transaction(CALL)
    assert "s3cr3t" not in str(raised.value)


def test_sign_transaction__nobody_there__unavailable() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        remote("http://127.0.0.1:1").sign_transaction(CALL)


# --- as a user ----------------------------------------------------------------------------------------------


@pytest.fixture
def user(devnet: Devnet, tmp_path: Path) -> User:
    return User(devnet, tmp_path)


def test_run__with_a_remote_signer__liquidates(user: User) -> None:
    operator = user.devnet.operator
    key = SigningKey(bytes(operator.private_key))
    asked: list[str] = []

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request["method"])
        (transaction,) = request["params"]
        known = {name: value for name, value in transaction.items() if name != "from"}
        raw = Account.from_key(bytes(operator.private_key)).sign_transaction({**known, "type": 2})
        return {"result": "0x" + bytes(raw.raw_transaction).hex()}

    with signer(answer) as url:
        variables = user.has_deployed() | {
            "KEEPER_REMOTE_SIGNER": url,
            "KEEPER_OPERATOR": checksum(key.address),
        }
        crash(user.devnet)
        process = user.start("run", **EVERY_EVENT, **variables)
        events = until(process, "concluded")
        process.terminate()
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert {"sent", "concluded"} <= {event["event"] for event in events}
    assert set(asked) == {"eth_signTransaction"}
    assert "s3cr3t" not in json.dumps(events) + out + err


def test_check__keystore_without_a_password__asked_for_at_the_terminal(user: User) -> None:
    store = user.folder / "key.json"
    store.write_text(
        json.dumps(Account.encrypt(bytes(user.devnet.operator.private_key), "open sesame", iterations=2))
    )
    variables = user.has_deployed() | {"KEEPER_KEYSTORE": str(store)}
    refused = user.types("check", **variables)
    assert refused.returncode == 2 and "where nobody can be asked" in refused.stderr

    pid, terminal = pty.fork()
    if pid == 0:  # the child, on a terminal of its own
        os.chdir(user.folder)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KEEPER_")}
        words = [sys.executable, "-m", "keeper", "check"]
        os.execve(sys.executable, words, environment | user.variables | variables)
    shown = b""
    while b"Password of the keystore" not in shown:
        shown += os.read(terminal, 1_024)
    os.write(terminal, b"open sesame\n")
    try:
        while piece := os.read(terminal, 1_024):
            shown += piece
    except OSError:  # it ended
        pass
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, shown.decode()
    assert b"operator" in shown and b"sesame" not in shown


def test_sweep__the_vault_holds_something__the_owner_signs_it_elsewhere(user: User) -> None:
    devnet, weth = user.devnet, user.devnet.addresses.weth
    deployed = user.has_deployed()
    vault = bytes.fromhex(deployed["KEEPER_VAULT"][2:])
    nothing = user.types("sweep", **deployed)
    assert nothing.returncode == 2 and "holds no WETH" in nothing.stderr
    devnet.chain.post(
        devnet.market.address, weth, load("erc20").function("transfer").encode(vault, 7 * 10**18)
    )
    told = user.types("sweep", **deployed)
    assert told.returncode == 0, told.stderr
    assert "moves 7.0 WETH" in told.stderr
    transaction = json.loads(told.stdout)
    assert transaction["from"] == checksum(devnet.owner.address)
    devnet.anvil.rpc("anvil_impersonateAccount", transaction["from"])
    devnet.chain.receipt(devnet.anvil.rpc("eth_sendTransaction", transaction))
    assert balance_raw(devnet, weth, vault) == 0
    assert balance_raw(devnet, weth, devnet.owner.address) == 7 * 10**18


def test_sweep__no_vault_there__exit_2(user: User) -> None:
    told = user.types("sweep", KEEPER_VAULT="0x" + "99" * 20)
    assert told.returncode == 2 and "KEEPER_VAULT" in told.stderr
