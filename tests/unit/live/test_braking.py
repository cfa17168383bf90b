"""Brakes over a real journal: said once, kept over restarts, released from elsewhere."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keeper.domain.address import Hash32
from keeper.domain.brake import Resumed
from keeper.domain.declined import Reason
from keeper.domain.errors import ConfigError, Unavailable
from keeper.domain.events import Braked, Concluded, Degraded, Event, Released, Reopened, Settled
from keeper.domain.position import PositionId
from keeper.domain.submission import Expired, Included, Outcome, Reverted
from keeper.live.braking import Braking
from keeper.store import SqliteJournal
from keeper.submitter.brakes import Limits
from tests.unit.store.test_journal import submission

CHAIN_ID = 1
NOW_S = 2_000_000_000.5
REVERTED = Reverted(
    block_number=7, block_hash=Hash32(b"\7" * 32), gas_used=100_000, effective_gas_price_wei=10**9
)
INCLUDED = Included(
    block_number=7,
    block_hash=Hash32(b"\7" * 32),
    gas_used=100_000,
    effective_gas_price_wei=10**9,
    vault_profit_wei=10**18,
    tip_wei=0,
)


class Keeper:
    """A journal, and the brakes over it."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.heard: list[Event] = []
        self.path = folder / "journal.sqlite"
        self.kill_file = folder / "kill"
        self.journal = SqliteJournal.open(self.path, chain_id=CHAIN_ID)
        limits = Limits(**{"max_reverts_in_row": 2} | options)
        self.braking = Braking(
            limits=limits,
            max_in_flight=3,
            kill_file=self.kill_file,
            journal=self.journal,
            listen=self.heard.append,
            clock=lambda: NOW_S,
        )

    def land(self, serial: int, outcome: Outcome = REVERTED) -> None:
        one = submission(serial)
        self.journal.intended(one)
        self.journal.concluded(one, outcome)
        self.braking.settled((Concluded(submission=one, outcome=outcome),))

    def take_back(self, serial: int, *, instead: Outcome | None = None, was: Outcome = REVERTED) -> None:
        """Let the chain take an outcome back; and at the same head another may have come `instead`."""
        one = submission(serial)
        self.journal.reopened(one)
        settled: list[Settled] = [Reopened(submission=one, outcome=was)]
        if instead is not None:
            self.journal.concluded(one, instead)
            settled.append(Concluded(submission=one, outcome=instead))
        self.braking.settled(settled)

    @property
    def held(self) -> str:
        refusal = self.braking.refuses(in_flight=0)
        return refusal.detail if refusal and refusal.reason is Reason.HELD else ""


@contextmanager
def keeper(folder: Path, **options: Any) -> Iterator[Keeper]:
    one = Keeper(folder, **options)
    try:
        yield one
    finally:
        one.journal.close()


def test_concluded__too_many_reverts__braked_and_said_once(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        one.land(1)
        assert not one.held
        one.land(2)
        one.land(3)
        one.braking.look()
        assert "2 reverted in a row" in one.held and "keeper resume" in one.held
        assert [type(event) for event in one.heard] == [Braked]


def test_concluded__cost_nothing__does_not_count(tmp_path: Path) -> None:
    with keeper(tmp_path, max_reverts_in_row=1) as one:
        one.land(1, Expired(head_number=1, why="late"))
        assert one.braking.refuses(in_flight=0) is None


def test_braking__restarted__still_on(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        one.land(1)
        one.land(2)
    with keeper(tmp_path) as again:
        assert "2 reverted in a row" in again.held


def test_braking__restarted_between_two_reverts__counts_on(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        one.land(1)
    with keeper(tmp_path) as again:
        again.land(2)
        assert again.held


def test_look__resumed_by_another_process__released_and_said(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        one.land(1)
        one.land(2)
        with SqliteJournal.open(one.path, chain_id=CHAIN_ID) as elsewhere:
            elsewhere.braked(Resumed(at_s=int(NOW_S)))
        one.braking.look()
        assert not one.held
        assert isinstance(one.heard[-1], Released)
        one.land(3)
        assert not one.held
        one.land(4)
        assert one.held


def test_refuses__kill_file__at_once_and_only_while_it_is_there(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        one.kill_file.touch()
        assert "the kill file" in one.held
        one.kill_file.unlink()
        assert not one.held


def test_refuses__most_in_flight__until_one_has_come_to_its_end(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        refusal = one.braking.refuses(in_flight=3)
        assert refusal is not None and refusal.reason is Reason.TOO_MANY
        assert one.braking.refuses(in_flight=2) is None


def test_backing_off__borrower_whose_plan_failed__is_left_alone(tmp_path: Path) -> None:
    with keeper(tmp_path, max_reverts_in_row=None) as one:
        position = PositionId(submission(1).market, submission(1).borrower)
        assert one.braking.backing_off(position) is None
        one.land(1)
        refusal = one.braking.backing_off(position)
        assert refusal is not None and refusal.reason is Reason.BACKING_OFF


# --- what the chain takes back ------------------------------------------------------------------------------


def test_settled__a_revert_is_taken_back__counts_no_more(tmp_path: Path) -> None:
    with keeper(tmp_path, max_gas_wei_per_hour=2 * REVERTED.gas_wei) as one:
        position = submission(1).positions[0]
        one.land(1)
        assert one.braking.backing_off(position) is not None
        one.take_back(1)
        assert one.braking.backing_off(position) is None
        one.land(2)
        assert not one.held
        one.land(3)
        assert one.held


def test_settled__taken_back_and_reverted_in_another_block__counts_once(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        one.land(1)
        one.take_back(1, instead=replace(REVERTED, block_number=8))
        assert not one.held
        one.land(2)
        assert one.held


def test_settled__a_success_between_two_reverts_is_taken_back__they_are_in_a_row(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        one.land(1)
        one.land(2, INCLUDED)
        one.land(3)
        assert not one.held
        one.take_back(2, was=INCLUDED)
        assert "2 reverted in a row" in one.held
        assert [type(event) for event in one.heard] == [Braked]
        assert len(one.journal.turns()) == 1


def test_settled__what_it_came_on_by_is_taken_back__on_until_somebody_resumes(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        one.land(1)
        one.land(2)
        one.take_back(2)
        assert one.held and len(one.journal.turns()) == 1
        one.journal.braked(Resumed(at_s=int(NOW_S)))
        one.take_back(1)
        assert not one.held


def test_settled__came_on_with_the_disk_full_then_taken_back__on_and_written_down(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        one.land(1)
        one.journal.intended(submission(2))
        one.journal.concluded(submission(2), REVERTED)
        one.journal._connection.execute("PRAGMA query_only = ON")
        one.braking.settled((Concluded(submission=submission(2), outcome=REVERTED),))
        one.journal._connection.execute("PRAGMA query_only = OFF")
        assert one.held and not one.journal.turns()
        one.take_back(2)
        assert one.held and len(one.journal.turns()) == 1


def test_settled__taken_back_and_the_journal_cannot_be_read__too_much_is_counted_and_said(
    tmp_path: Path,
) -> None:
    with keeper(tmp_path) as one:
        one.land(1)
        first = submission(1)
        one.journal.close()
        reopened = Reopened(submission=first, outcome=REVERTED)
        one.braking.settled((reopened, Concluded(submission=first, outcome=REVERTED)))
        assert one.held
        assert [type(event) for event in one.heard] == [Degraded, Braked, Degraded]


# --- what breaks under it -----------------------------------------------------------------------------------


def test_concluded__data_of_a_rollup__is_burned_as_gas_is_now_and_after_a_restart(tmp_path: Path) -> None:
    burned_wei = REVERTED.gas_wei + 9
    with keeper(tmp_path, max_gas_wei_per_hour=burned_wei + 1) as one:
        one.land(1, replace(REVERTED, l1_fee_wei=9))
        assert not one.held
    with keeper(tmp_path, max_gas_wei_per_hour=burned_wei) as again:
        assert "within an hour" in again.held


def test_braking__a_limit_was_lowered__on_and_written_down_for_whoever_resumes(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        one.land(1)
        assert not one.held
    with keeper(tmp_path, max_reverts_in_row=1) as stricter:
        assert stricter.held
    with keeper(tmp_path) as again:
        assert again.held and len(again.journal.turns()) == 1
        again.journal.braked(Resumed(at_s=int(NOW_S)))
        assert not again.held


def test_look__the_journal_cannot_be_read__stays_on(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        one.land(1)
        one.land(2)
        one.journal.close()
        one.braking.look()
        assert one.held


def test_concluded__disk_full__braked_all_the_same_and_after_a_restart(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        one.land(1)
        second = submission(2)
        one.journal.intended(second)
        one.journal.concluded(second, REVERTED)
        wal = one.path.with_name(one.path.name + "-wal")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size, hard))
        try:
            with pytest.raises(Unavailable):
                one.journal.intended(submission(3))
            one.braking.settled((Concluded(submission=second, outcome=REVERTED),))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert one.held
        assert [type(event) for event in one.heard] == [Braked, Degraded]
    with keeper(tmp_path) as again:
        assert again.held


@pytest.mark.parametrize("torn_bytes", [1, 1_000, 4_120, 9_000])
def test_braking__last_page_torn__what_was_whole_is_there(tmp_path: Path, torn_bytes: int) -> None:
    one = Keeper(tmp_path)
    one.land(1)
    one.land(2)
    one.land(3)
    copy = tmp_path / "torn"
    copy.mkdir()
    wal = one.path.with_name(one.path.name + "-wal")
    (copy / one.path.name).write_bytes(one.path.read_bytes())
    (copy / wal.name).write_bytes(wal.read_bytes()[:-torn_bytes])  # as a power cut leaves it
    one.journal.close()
    with keeper(copy) as again:
        landed = len(again.journal.submissions())
        assert landed in (2, 3)
        assert bool(again.held) == (len(again.journal.braking()) >= 2)


def test_open__a_page_of_the_journal_itself_is_torn__refused_with_advice(tmp_path: Path) -> None:
    with keeper(tmp_path) as one:
        for serial in range(40):
            one.land(serial)
    with sqlite3.connect(one.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    torn = bytearray(one.path.read_bytes())
    torn[4096 * 2 : 4096 * 2 + 2048] = b"\xff" * 2048
    one.path.write_bytes(torn)
    with pytest.raises(ConfigError, match=r"damaged|no journal"):
        Keeper(tmp_path)
