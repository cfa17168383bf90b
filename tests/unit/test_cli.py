"""The command line: what it explains, what it refuses, and which exit code it ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keeper import __version__
from keeper.cli import DONE, FAILED, INTERRUPTED, MISCONFIGURED, guarded, main
from keeper.domain.address import checksum
from keeper.domain.errors import ConfigError, Inconsistent, Unavailable
from keeper.domain.secret import Secret
from keeper.markets import directory

COMMANDS = ("run", "scan", "plan", "liquidate", "deploy", "check", "markets", "demo", "devnet")
BORROWER = "0x" + "11" * 20
KEY = "0x" + "ab12" * 16
CONTRACTS = {
    "KEEPER_RPC_URLS": "http://127.0.0.1:1",
    "KEEPER_MARKETS": "aave-v3:" + BORROWER,
    "KEEPER_EXECUTOR": "0x" + "22" * 20,
    "KEEPER_VAULT": "0x" + "33" * 20,
}


@pytest.fixture(autouse=True)
def _unconfigured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where no .env is, with no variable set."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("KEEPER_"):
            monkeypatch.delenv(name)


def test_main__version__said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == DONE
    assert capsys.readouterr().out == f"keeper {__version__}\n"


def test_main__help__names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == DONE
    told = capsys.readouterr().out
    assert [command for command in COMMANDS if f"\n    {command}" not in told] == []
    assert "exit code: 0 done, 1 the job failed, 2 wrong configuration" in told


@pytest.mark.parametrize("command", COMMANDS)
def test_main__help_of_a_command__with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == DONE
    told = capsys.readouterr().out
    assert f"keeper {command}" in told.partition("example: ")[2].partition("\n")[0]
    assert max(map(len, told.splitlines())) <= 110


@pytest.mark.parametrize("supposed", ["WETH=-100%", "WETH=-250%", "WETH=0"])
@pytest.mark.parametrize("command", ["scan", "stress"])
def test_price__nothing_would_be_left_of_it__refused(
    command: str, supposed: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CONTRACTS.items():
        monkeypatch.setenv(name, value)
    assert main([command, "--price", supposed]) == MISCONFIGURED
    assert f"WETH can't fall to nothing or below, got '{supposed}'" in capsys.readouterr().err


def test_markets__json__one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["markets", "--json"]) == DONE
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(told) == len(directory().markets) > 20
    assert all(list(one) == ["name", "protocol", "chain_id", "address"] for one in told)
    assert {
        "name": "ethereum-core",
        "protocol": "aave-v3",
        "chain_id": 1,
        "address": "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2",
    } in told


def test_markets__for_people__every_name_chain_and_address_in_80_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["markets"]) == DONE
    told = capsys.readouterr().out
    for one in directory().markets:
        assert f"{one.protocol}:{one.name} " in told
        assert one.chain in told
        assert checksum(one.address) in told
    assert directory().source in told


@pytest.mark.parametrize("command", ["scan", "plan", "check", "demo"])
def test_main__commands_for_machines__take_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "--json" in capsys.readouterr().out


def test_main__help__loads_nothing_that_takes_long() -> None:
    """An answer in a twentieth of what `import web3` takes: so none of what takes long is imported."""
    program = (
        "import sys\n"
        "from keeper.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('web3', 'eth_utils', 'aiohttp', 'rich', 'dotenv') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        timeout=30,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", [[], ["swim"], ["plan"], ["deploy"], ["scan", "--belw", "1"]])
def test_main__wrong_usage__exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == MISCONFIGURED
    assert capsys.readouterr().err.splitlines()[-1].startswith("keeper")


def test_plan__a_picture_of_another_kind__refused_before_anything_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["plan", BORROWER, "--plot", "a.jpg"]) == MISCONFIGURED
    told = capsys.readouterr().err
    assert told == "keeper: --plot: a.jpg: expected a name that ends in .png or .svg\n"


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["run"], ["KEEPER_RPC_URLS", "KEEPER_MARKETS"]),
        (["scan"], ["KEEPER_RPC_URLS", "KEEPER_MARKETS"]),
        (["plan", BORROWER], ["KEEPER_RPC_URLS", "KEEPER_MARKETS"]),
        (["liquidate", BORROWER], ["KEEPER_RPC_URLS", "KEEPER_MARKETS", "KEEPER_EXECUTOR", "KEEPER_VAULT"]),
        (["deploy", "--owner", BORROWER], ["KEEPER_RPC_URLS"]),
        (["check"], ["KEEPER_RPC_URLS"]),
    ],
    ids=lambda value: value[0],
)
def test_main__nothing_configured__demands_what_the_command_needs_and_no_more(
    arguments: list[str], needed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == MISCONFIGURED
    said = capsys.readouterr()
    assert [line.split(": ")[1] for line in said.err.splitlines()] == needed
    assert said.out == ""


def test_main__run_with_a_key__needs_the_contracts_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEEPER_PRIVATE_KEY", KEY)
    assert main(["run"]) == MISCONFIGURED
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == list(CONTRACTS)


@pytest.mark.parametrize(
    ("environ", "mistakes"),
    [
        ({}, ["KEEPER_PRIVATE_KEY: is needed here, or KEEPER_KEYSTORE, or KEEPER_REMOTE_SIGNER"]),
        (
            {"KEEPER_PRIVATE_KEY": KEY, "KEEPER_DRY_RUN": "true"},
            ["KEEPER_DRY_RUN: is true; expected false, as `keeper {} ` sends"],
        ),
    ],
)
@pytest.mark.parametrize("arguments", [["liquidate", BORROWER, "--yes"], ["deploy", "--owner", BORROWER]])
def test_main__sends_without_leave_or_key__refused_before_any_endpoint_is_asked(
    arguments: list[str],
    environ: dict[str, str],
    mistakes: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in (CONTRACTS | environ).items():
        monkeypatch.setenv(name, text)
    assert main(arguments) == MISCONFIGURED
    expected = [f"keeper: {mistake.replace('{} ', arguments[0])}" for mistake in mistakes]
    assert capsys.readouterr().err.splitlines() == expected


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["plan", "0x12"], "BORROWER: '0x12' is not an address"),
        (["liquidate", "0x12"], "BORROWER: '0x12' is not an address"),
        (["plan", KEY], "BORROWER: expected an address"),
        (["deploy", "--owner", "me"], "--owner: 'me' is not an address"),
        (["scan", "--below", "one"], "--below: expected a decimal number"),
    ],
)
def test_main__malformed_argument__named(
    arguments: list[str], named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in CONTRACTS.items():
        monkeypatch.setenv(name, text)
    assert main(arguments) == MISCONFIGURED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"keeper: {named}")
    assert KEY not in line


def test_main__env_file__read_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_text("KEEPER_NONSENSE=1\n")
    (tmp_path / "other.env").write_text("KEEPER_TIP_BPS=x\n")
    assert main(["check", "--env-file", "other.env"]) == MISCONFIGURED
    said = capsys.readouterr().err
    assert "KEEPER_TIP_BPS: expected a whole number" in said
    assert "KEEPER_NONSENSE" not in said


def raising(error: BaseException) -> Callable[[], int]:
    def job() -> int:
        raise error

    return job


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("KEEPER_A: one", "KEEPER_B: two"), MISCONFIGURED, ["KEEPER_A: one", "KEEPER_B: two"]),
        (Unavailable("no answer from node"), FAILED, ["no answer from node"]),
        (Inconsistent(), FAILED, ["Inconsistent"]),
        (KeyboardInterrupt(), INTERRUPTED, ["interrupted"]),
        (BrokenPipeError(), FAILED, []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_guarded__error_of_the_keeper__its_code_and_one_line_for_each_mistake(
    error: BaseException, code: int, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(raising(error)) == code
    assert capsys.readouterr().err.splitlines() == [f"keeper: {line}" for line in said]


@pytest.mark.parametrize("error", [Unavailable(f"at {KEY}"), ConfigError(f"X: {KEY}"), ValueError(KEY)])
def test_guarded__secret_in_an_error__masked(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raising(error), [Secret(KEY, parts=[KEY[2:]])]) != DONE
    said = capsys.readouterr().err
    assert KEY[2:] not in said
    assert "***" in said


def test_guarded__bug__told_whole_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raising(ZeroDivisionError("x"))) == FAILED
    said = capsys.readouterr().err
    assert "ZeroDivisionError: x" in said
    assert said.endswith("this is a bug of the keeper: please report it with the lines above\n")


def test_main__as_a_module__the_same_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "keeper", "check"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=30,
        check=False,
    )
    assert done.returncode == MISCONFIGURED
    assert done.stderr.startswith("keeper: KEEPER_RPC_URLS: is needed here")
    assert "Traceback" not in done.stderr
