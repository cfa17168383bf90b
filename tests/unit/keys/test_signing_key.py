"""Keys from hex and from encrypted files; mistakes name the variable and never what was in it."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest
from eth_account import Account

from keeper.domain.address import checksum
from keeper.domain.errors import ConfigError
from keeper.domain.secret import Secret
from keeper.keys import SigningKey

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
ORDER = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "operator.json"
    path.write_text(json.dumps(Account.encrypt("0x" + KEY, "correct horse", kdf="pbkdf2", iterations=1_000)))
    return path


def test_from_hex__with_and_without_prefix__same_address() -> None:
    expected = Account.from_key(KEY).address
    assert checksum(SigningKey.from_hex(Secret("0x" + KEY)).address) == expected
    assert checksum(SigningKey.from_hex(Secret(KEY)).address) == expected


@pytest.mark.parametrize(
    "text", ["0x" + KEY[:-2], "0x" + KEY + "00", "0x" + "0" * 64, "0x" + ORDER, "0xzz" + KEY[2:], ""]
)
def test_from_hex__no_key__names_the_variable_and_shows_nothing(text: str) -> None:
    with pytest.raises(ConfigError, match="KEEPER_PRIVATE_KEY") as raised:
        SigningKey.from_hex(Secret(text))
    shown = "".join(traceback.format_exception(raised.value))
    assert KEY[4:20] not in shown
    assert ORDER not in shown


def test_from_keystore__right_password__opens(keystore: Path) -> None:
    key = SigningKey.from_keystore(keystore, Secret("correct horse"))
    assert checksum(key.address) == Account.from_key(KEY).address


def test_from_keystore__wrong_password__names_its_variable_and_shows_nothing(keystore: Path) -> None:
    wrong = " ".join(("battery", "staple"))
    with pytest.raises(ConfigError, match=r"KEEPER_KEYSTORE_PASSWORD: it does not open .*json") as raised:
        SigningKey.from_keystore(keystore, Secret(wrong))
    assert wrong not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "{}",
        "[]",
        '"text"',
        '{"version": 3, "crypto": {}}',
        '{"version": 9, "crypto": {"kdf": "x"}}',
    ],
)
def test_from_keystore__another_file__is_no_key_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"KEEPER_KEYSTORE: .*no encrypted key file"):
        SigningKey.from_keystore(path, Secret("x"))


def test_from_keystore__unreadable__says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="KEEPER_KEYSTORE: can't read"):
        SigningKey.from_keystore(tmp_path, Secret("x"))
