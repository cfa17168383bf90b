"""What `keeper plan --state` takes for a saved decision, and what not; tests/fork has the decisions."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.app.saving import load_state
from keeper.backtest.codec import encode_head
from keeper.backtest.tape import Asked, Heard, TapeWriter
from keeper.domain.errors import ConfigError
from tests.unit.backtest.worlds import head

ASKED = Asked(
    borrower=b"\x11" * 20,
    positions={"aave-v3": [("aave-v3:0x22", b"\x11" * 20)]},
    remembered={"aave-v3": [b"\x01"]},
    variables={"KEEPER_MARKETS": "aave-v3:ethereum-core"},
    channels=["public"],
    reverts_land=True,
)


def written(path: Path, *, asked: bool = True) -> Path:
    with TapeWriter(path, chain_id=5, written_by="keeper test") as tape:
        (place,) = tape.places(encode_head(head(3)))
        tape.add(Heard(head=place, seen_at_s=0.5, number=3, first=True))
        if asked:
            tape.add(ASKED)
    return path


def test_load_state__as_it_was_written__says_what_was_asked(tmp_path: Path) -> None:
    saved = load_state(written(tmp_path / "a.state"))
    assert saved.head == head(3)
    assert saved.borrower == ASKED.borrower
    assert saved.asked == ASKED
    assert saved.variables == {"KEEPER_MARKETS": "aave-v3:ethereum-core"}


def test_load_state__cut_or_changed_anywhere__is_refused_with_the_files_name(tmp_path: Path) -> None:
    whole, broken = written(tmp_path / "a.state").read_bytes(), tmp_path / "b.state"
    changed = [whole[:at] + bytes((whole[at] ^ 0x40,)) + whole[at + 1 :] for at in range(len(whole))]
    for damaged in [whole[:size] for size in range(len(whole))] + changed:
        broken.write_bytes(damaged)
        with pytest.raises(ConfigError) as error:
            load_state(broken)
        assert str(error.value).startswith(f"--state: {broken}: ")


@pytest.mark.parametrize("content", [b"", b"{}\n", b"keeper tape", b"\x89PNG\r\n\x1a\n" + bytes(90)])
def test_load_state__another_kind_of_file__is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ConfigError, match="is no tape of the keeper's"):
        load_state(tmp_path / "a")


def test_load_state__a_backtests_tape__is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected what `keeper plan --save` wrote"):
        load_state(written(tmp_path / "a.tape", asked=False))


def test_load_state__no_such_file_or_a_folder__is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigError, match="can't be read"):
            load_state(path)
