"""What is kept comes back equal; what does not fit is made anew; of two writers the later one writes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from keeper.domain.address import Address, Hash32
from keeper.domain.head import Head
from keeper.domain.position import PositionId
from keeper.ports import Kept, Link, Touched
from keeper.store.checkpoint import Checkpoint

SOURCE = "aave-v3:here"
ALICE, BOB, CAROL = (PositionId(SOURCE, Address(bytes([n]) * 20)) for n in (1, 2, 3))


def head(number: int) -> Head:
    return Head(
        number=number,
        hash=Hash32(number.to_bytes(32)),
        parent=Hash32((number - 1).to_bytes(32)),
        timestamp_s=number * 12,
        base_fee_wei=2**60,
        gas_used=1,
        gas_limit=2,
        coinbase=Address(bytes(20)),
    )


def link(number: int, *positions: PositionId, configuration: bool = False) -> Link[Touched]:
    touched = Touched(positions=frozenset(positions), configuration=configuration)
    return Link(number=number, hash=Hash32(number.to_bytes(32)), touched=touched)


def written(checkpoint: Checkpoint) -> Kept:
    """Begin, name three, read two of them at block 10 in two steps; return what is kept then."""
    checkpoint.begin(SOURCE, edition="e1")
    assert checkpoint.named(SOURCE, [ALICE, BOB, CAROL], remembered=[b"m"], scanned_to=9)
    links = (link(8), link(10, ALICE, BOB, configuration=True))
    for rows in ({ALICE: b"a"}, {BOB: b"b", ALICE: b"aa"}):
        assert checkpoint.read(SOURCE, rows, head=head(10), links=links, remembered=[b"m", b"n"])
    return Kept(
        edition="e1",
        remembered=(b"m", b"n"),
        scanned_to=10,
        head=head(10),
        links=links,
        positions={ALICE: b"aa", BOB: b"b", CAROL: None},
    )


def test_kept__opened_again__equal(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "checkpoint.sqlite"
    with closing(Checkpoint.open(path, chain_id=1)) as checkpoint:
        assert checkpoint.kept(SOURCE) is None
        expected = written(checkpoint)
        assert checkpoint.kept(SOURCE) == expected
    with closing(Checkpoint.open(path, chain_id=1)) as checkpoint:
        assert checkpoint.remade == ""
        assert checkpoint.kept(SOURCE) == expected
        assert checkpoint.kept("another") is None


def test_read__no_debt_any_more__not_kept(tmp_path: Path) -> None:
    with closing(Checkpoint.open(tmp_path / "c", chain_id=1)) as checkpoint:
        written(checkpoint)
        checkpoint.read(SOURCE, {ALICE: None}, head=head(11), links=[link(11)], remembered=[])
        kept = checkpoint.kept(SOURCE)
        assert kept is not None
        assert kept.positions == {BOB: b"b", CAROL: None}
        assert (kept.head, kept.links, kept.remembered) == (head(11), (link(11),), ())


def test_begin__kept_before__forgotten(tmp_path: Path) -> None:
    with closing(Checkpoint.open(tmp_path / "c", chain_id=1)) as checkpoint:
        written(checkpoint)
        checkpoint.begin(SOURCE, edition="e2")
        kept = checkpoint.kept(SOURCE)
        assert kept == Kept(edition="e2", remembered=(), scanned_to=-1, head=None, links=(), positions={})


def test_read__another_has_resumed__it_alone_writes(tmp_path: Path) -> None:
    path = tmp_path / "c"
    with (
        closing(Checkpoint.open(path, chain_id=1)) as first,
        closing(Checkpoint.open(path, chain_id=1)) as second,
    ):
        expected = written(first)
        second.resume(SOURCE)
        assert not first.read(SOURCE, {ALICE: b"old"}, head=head(12), links=[], remembered=[])
        assert not first.named(SOURCE, [ALICE], remembered=[], scanned_to=99)
        assert second.kept(SOURCE) == expected
        assert second.read(SOURCE, {ALICE: b"new"}, head=head(12), links=[], remembered=[])


@pytest.mark.parametrize("harm", ["empty", "garbage", "truncated", "another chain", "another form"])
def test_open__does_not_fit__made_anew_with_the_reason(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "c"
    with closing(Checkpoint.open(path, chain_id=1)) as checkpoint:
        written(checkpoint)
    match harm:
        case "empty":
            path.write_bytes(b"")
        case "garbage":
            path.write_bytes(b"\x00garbage" * 500)
        case "truncated":
            path.write_bytes(path.read_bytes()[:5_000])
        case "another form":
            with closing(sqlite3.connect(path)) as other:
                other.execute("PRAGMA user_version = 99")
    with closing(Checkpoint.open(path, chain_id=2 if harm == "another chain" else 1)) as checkpoint:
        assert checkpoint.remade
        assert checkpoint.kept(SOURCE) is None
        written(checkpoint)


def test_open__killed_within_a_write__as_before_it(tmp_path: Path) -> None:
    path = tmp_path / "c"
    with closing(Checkpoint.open(path, chain_id=1)) as checkpoint:
        expected = written(checkpoint)

        def poisoned():  # type: ignore[no-untyped-def]
            yield link(11)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            checkpoint.read(SOURCE, {ALICE: b"half"}, head=head(11), links=poisoned(), remembered=[])
        assert checkpoint.kept(SOURCE) == expected
