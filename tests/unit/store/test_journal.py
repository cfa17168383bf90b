"""The journal keeps what it is given, in order, once, and says clearly when it can't."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.domain.address import Address, Hash32
from keeper.domain.brake import Brake, Landed, Resumed, Tripped
from keeper.domain.carriage import Carried, Carry
from keeper.domain.declined import Reason
from keeper.domain.errors import ConfigError, Invariant, Unavailable
from keeper.domain.head import Head
from keeper.domain.ledger import Watched
from keeper.domain.plan import Close, Draft, Fees, Objective, Plan, Transaction, Waterfall
from keeper.domain.position import PositionId
from keeper.domain.race import Deed
from keeper.domain.submission import (
    Expired,
    Included,
    Outcome,
    Purpose,
    Reverted,
    SignedTransaction,
    Submission,
    Superseded,
    UnsignedTransaction,
)
from keeper.domain.token import Token, TokenAmount
from keeper.keys import ExecutorSigner, SigningKey, SigningLimits
from keeper.store import SqliteJournal
from keeper.store.schema import MIGRATIONS
from tests.unit.domain.test_race import race

OPERATOR = Address(b"\x0f" * 20)
POOLS = frozenset({Address(b"\x01" * 20), Address(b"\xff" * 20)})
USDC = Token(address=Address(b"\xcc" * 20), symbol="USDC", decimals=6)
WETH = Token(address=Address(b"\xee" * 20), symbol="WETH", decimals=18)
HEAD = Head(
    number=19_000_000,
    hash=Hash32(b"\x11" * 32),
    parent=Hash32(b"\x10" * 32),
    timestamp_s=1_700_000_000,
    base_fee_wei=10**9,
    gas_used=0,
    gas_limit=30_000_000,
    coinbase=Address(bytes(20)),
)
DRAFT = Draft(
    market="aave-v3:test",
    borrower=Address(b"\xb0" * 20),
    health_factor_wad=2**256 - 1,
    objective=Objective.MAX_PROFIT,
    closes=(
        Close(
            repaid=TokenAmount(token=USDC, raw=10**12),
            seized=TokenAmount(token=WETH, raw=10**21),
            owed=TokenAmount(token=USDC, raw=2 * 10**12),
            buys=(),
            sells=(),
            flash_fee=TokenAmount(token=USDC, raw=5 * 10**8),
            waterfall=Waterfall(bonus_wei=2**70, price_impact_wei=3, flash_fee_wei=2, gas_wei=0, tip_wei=1),
            health_factor_after_wad=10**18,
        ),
    ),
    waterfall=Waterfall(bonus_wei=2**70, price_impact_wei=3, flash_fee_wei=2, gas_wei=0, tip_wei=1),
    funding="aave-v3",
    pools=POOLS,
    floor_wei=2**69,
    deadline_s=1_700_000_036,
    transaction=Transaction(to=Address(b"\xe0" * 20), data=b"\x01"),
)
PLAN = Plan(
    draft=replace(DRAFT, parts=(DRAFT, DRAFT)),
    gas_used=1,
    waterfall=DRAFT.waterfall,
    fees=Fees(gas_limit=1, max_fee_per_gas_wei=1, max_priority_fee_per_gas_wei=1),
)


FEES = Fees(gas_limit=700_000, max_fee_per_gas_wei=2**66, max_priority_fee_per_gas_wei=2**65)
CARRY = Carry(
    vault=OPERATOR,
    paid=TokenAmount(token=USDC, raw=10**12),
    received=TokenAmount(token=WETH, raw=10**21),
    paid_wei=2**70,
    booked_wei=2**71,
)
CARRYING = Plan(
    draft=replace(DRAFT, carry=CARRY),
    gas_used=1,
    waterfall=Waterfall(bonus_wei=0, price_impact_wei=0, flash_fee_wei=0, gas_wei=9),
    fees=FEES,
)


def submission(serial: int = 0, *, operator: Address = OPERATOR) -> Submission:
    hash_ = Hash32(serial.to_bytes(32, "big"))
    return Submission(
        market="aave-v3:test",
        borrower=Address(b"\xb0" * 20),
        pools=POOLS,
        operator=operator,
        nonce=serial,
        transaction=SignedTransaction(raw=b"\x02" + hash_, hash=hash_),
        head_number=HEAD.number,
        head_hash=HEAD.hash,
        deadline_s=1_700_000_036,
        predicted_profit_wei=-(2**80),
        fees=FEES,
        others=(PositionId("morpho-blue:test", Address(b"\x0b" * 20)),),
        rung=serial % 2,
    )


OUTCOMES: tuple[Outcome, ...] = (
    Included(
        block_number=5,
        block_hash=Hash32(b"\x05" * 32),
        gas_used=500_000,
        effective_gas_price_wei=2**65,
        vault_profit_wei=2**90,
        tip_wei=2**66,
        l1_fee_wei=2**67,
        left_out=(PositionId("aave-v3:test", Address(b"\xb0" * 20)),),
        carried=(Carried(spent=USDC.address, carried=WETH.address, paid_raw=2**70, received_raw=2**80),),
    ),
    Reverted(
        block_number=5,
        block_hash=Hash32(b"\x05" * 32),
        gas_used=40_000,
        effective_gas_price_wei=2**65,
        l1_fee_wei=2**68,
    ),
    Expired(head_number=9, why="its deadline passed"),
    Superseded(head_number=9),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite"


def column(path: Path, query: str) -> list[object]:
    connection = sqlite3.connect(path)
    try:
        return [row[0] for row in connection.execute(query)]
    finally:
        connection.close()


def test_open__anew__writes_ahead_and_to_the_disk(path: Path) -> None:
    with SqliteJournal.open(path, chain_id=1) as journal:
        pragmas = ("journal_mode", "synchronous", "user_version")
        values = [journal._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    assert values == ["wal", 2, len(MIGRATIONS)]  # 2 is FULL


def test_open__written_by_an_older_keeper__migrated_and_nothing_lost(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(
        MIGRATIONS[0] + "INSERT INTO journal (chain_id) VALUES (1); PRAGMA user_version = 1;"
    )
    connection.execute(
        "INSERT INTO declined (head_number, head_hash, reason, borrowers) VALUES (7, x'11', 'dust', 3)"
    )
    connection.commit()
    connection.close()
    with SqliteJournal.open(path, chain_id=1) as journal:
        assert journal.turns() == ()
    assert column(path, "PRAGMA user_version") == [len(MIGRATIONS)]
    assert column(path, "SELECT borrowers FROM declined") == [3]


def test_braking__what_landed_and_what_came_on__as_it_happened(path: Path) -> None:
    one, other = submission(1), submission(2)
    outcome = Reverted(block_number=1, block_hash=HEAD.hash, gas_used=3, effective_gas_price_wei=2**70)
    with SqliteJournal.open(path, chain_id=1) as journal:
        for each in (one, other):
            journal.intended(each)
        journal.concluded(one, outcome)
        journal.concluded(other, Expired(head_number=1, why="late"))
        turns = (Tripped(at_s=2**40, brake=Brake.GAS, detail="too much"), Resumed(at_s=7))
        for turn in turns:
            journal.braked(turn)
        landed, *rest = journal.braking()
        assert tuple(rest) == journal.turns() == turns
    assert isinstance(landed, Landed)
    assert (landed.reverted, landed.gas_wei, landed.profit_wei) == (True, 3 * 2**70, -3 * 2**70)
    assert landed.positions == one.positions and len(one.positions) == 2


def test_races__kept__as_they_were(path: Path) -> None:
    races = (
        race(),
        race(deed=Deed.DECLINED, why="dust"),
        race(deed=Deed.SENT, net_wei=-(2**90), tip_wei=2**70, priority_fee_wei=7),
        replace(race(), winner=replace(race().winner, bid_wei=2**70, gas_used=500_000)),
    )
    with SqliteJournal.open(path, chain_id=1) as journal:
        for one in races:
            journal.raced(one)
        assert journal.races(since_s=0) == races
        assert journal.races(since_s=113) == ()


def test_spans__kept__as_they_were(path: Path) -> None:
    spans = tuple(Watched(at_s=at_s, heads=3, first_head=7, last_head=9, degraded=1) for at_s in (10, 20))
    with SqliteJournal.open(path, chain_id=1) as journal:
        for span in spans:
            journal.watched(span)
        assert journal.spans(since_s=0) == spans
        assert journal.spans(since_s=11) == spans[1:]


def test_entries__with_and_without_plan_and_outcome__all_that_was_intended(path: Path) -> None:
    ours = [submission(serial) for serial in (1, 2, 3)]
    plan = Plan(
        draft=DRAFT,
        gas_used=1,
        waterfall=Waterfall(bonus_wei=2**80, price_impact_wei=-3, flash_fee_wei=2, gas_wei=9, tip_wei=1),
        fees=Fees(gas_limit=1, max_fee_per_gas_wei=1, max_priority_fee_per_gas_wei=1),
    )
    outcome = Included(
        block_number=7,
        block_hash=HEAD.hash,
        gas_used=5,
        effective_gas_price_wei=2**66,
        vault_profit_wei=2**79,
        tip_wei=4,
    )
    with SqliteJournal.open(path, chain_id=1) as journal:
        for one in ours:
            journal.intended(one)
        journal.planned(ours[0], plan)
        journal.planned(ours[1], plan)
        journal.concluded(ours[0], outcome)
        with pytest.raises(Invariant):
            journal.planned(ours[0], plan)
        entries = journal.entries(since_s=0)
        assert journal.entries(since_s=2**40) == ()
    assert [entry.transaction for entry in entries] == [one.hash for one in ours]
    assert [entry.plan for entry in entries] == [plan.waterfall, plan.waterfall, None]
    assert [entry.outcome for entry in entries] == [outcome, None, None]
    assert entries[0].predicted_wei == ours[0].predicted_profit_wei


def test_entries__what_is_carried__as_it_was_planned_and_as_the_vault_said(path: Path) -> None:
    told = Carried(spent=USDC.address, carried=WETH.address, paid_raw=10**12, received_raw=10**21 + 1)
    (included, *_) = OUTCOMES
    assert isinstance(included, Included)
    outcome = replace(included, vault_profit_wei=0, tip_wei=0, carried=(told,))
    with SqliteJournal.open(path, chain_id=1) as journal:
        journal.intended(submission(1))
        journal.planned(submission(1), CARRYING)
        journal.concluded(submission(1), outcome)
        journal.intended(submission(2))
        (entry, other) = journal.entries(since_s=0)
    assert (entry.carry, entry.outcome, other.carry) == (CARRY, outcome, None)
    assert entry.carried == CARRY.at(paid_raw=10**12, received_raw=10**21 + 1)
    assert entry.realised.net_wei == -outcome.gas_wei - outcome.l1_fee_wei


def test_entries__several_borrowers_in_one__each_ones_share_and_prediction_by_its_own_name(
    path: Path,
) -> None:
    other = replace(DRAFT, market="morpho:test", borrower=Address(b"\xb1" * 20))
    parts = (DRAFT, replace(other, waterfall=replace(DRAFT.waterfall, bonus_wei=2**69)))
    draft = replace(DRAFT, closes=DRAFT.closes * 2, others=(other.position,), parts=parts)
    plan = replace(PLAN, draft=draft)
    joined, alone = replace(submission(1), others=draft.others), submission(2)
    with SqliteJournal.open(path, chain_id=1) as journal:
        journal.predicted(HEAD, [draft])
        journal.intended(joined)
        journal.intended(alone)
        journal.planned(joined, plan)
        journal.planned(alone, replace(plan, draft=DRAFT))
        entries = journal.entries(since_s=0)
        assert journal.entries(since_s=2**40) == ()
    assert [entry.shares for entry in entries] == [tuple(one.waterfall for one in parts), ()]
    assert column(path, "SELECT market FROM predictions ORDER BY id") == [DRAFT.market, "morpho:test"]
    assert column(path, "SELECT borrower FROM predictions ORDER BY id") == [DRAFT.borrower, other.borrower]


def test_declined_counts__several_heads__summed_by_reason(path: Path) -> None:
    with SqliteJournal.open(path, chain_id=1) as journal:
        journal.declined(HEAD, {Reason.DUST: 2, Reason.HELD: 1})
        journal.declined(HEAD, {Reason.DUST: 3})
        assert journal.declined_counts(since_s=0) == {"dust": 5, "held": 1}


def test_unconcluded__opened_again__intents_as_they_were_oldest_first(path: Path) -> None:
    ours = [submission(serial) for serial in (3, 1, 2)]
    with SqliteJournal.open(path, chain_id=1) as journal:
        for one in ours:
            journal.intended(one)
        journal.intended(submission(9, operator=Address(b"\x0a" * 20)))
        journal.concluded(ours[1], OUTCOMES[0])
    with SqliteJournal.open(path, chain_id=1) as journal:
        assert journal.unconcluded(OPERATOR) == (ours[0], ours[2])


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_submissions__each_outcome__as_it_was(path: Path, outcome: Outcome) -> None:
    with SqliteJournal.open(path, chain_id=1) as journal:
        journal.intended(submission(1))
        journal.intended(submission(2))
        journal.concluded(submission(1), outcome)
        assert journal.submissions() == ((submission(1), outcome), (submission(2), None))
    assert column(path, "SELECT realised_profit_wei FROM outcomes") == [str(outcome.realised_profit_wei)]


def test_concluded__second_outcome__is_our_bug_and_changes_nothing(path: Path) -> None:
    with SqliteJournal.open(path, chain_id=1) as journal:
        journal.intended(submission())
        journal.concluded(submission(), OUTCOMES[2])
        with pytest.raises(Invariant, match="was not intended, or has its outcome"):
            journal.concluded(submission(), OUTCOMES[0])
        assert journal.submissions() == ((submission(), OUTCOMES[2]),)


def test_concluded__never_intended__is_our_bug(path: Path) -> None:
    with SqliteJournal.open(path, chain_id=1) as journal:
        with pytest.raises(Invariant, match="was not intended"):
            journal.concluded(submission(), OUTCOMES[2])
        journal.intended(submission())  # the transaction before was ended


def test_intended__again_while_it_has_no_outcome__is_our_bug(path: Path) -> None:
    with SqliteJournal.open(path, chain_id=1) as journal:
        journal.intended(submission())
        with pytest.raises(Invariant, match="intended already"):
            journal.intended(submission())
        assert journal.submissions() == ((submission(), None),)


def test_intended__again_after_its_outcome__both_are_kept(path: Path) -> None:
    with SqliteJournal.open(path, chain_id=1) as journal:
        for outcome in (OUTCOMES[2], OUTCOMES[0]):
            journal.intended(submission())
            journal.concluded(submission(), outcome)
        assert journal.submissions() == ((submission(), OUTCOMES[2]), (submission(), OUTCOMES[0]))


def test_reopened__then_another_outcome__the_last_one_stands_and_all_are_kept(path: Path) -> None:
    one, (was, _, became, *_) = submission(), OUTCOMES
    with SqliteJournal.open(path, chain_id=1) as journal:
        journal.intended(one)
        journal.concluded(one, was)
        journal.reopened(one)
        assert journal.submissions() == ((one, None),)
        assert journal.unconcluded(OPERATOR) == (one,) and journal.revisable(OPERATOR, from_block=0) == ()
        with pytest.raises(Invariant, match="no outcome"):
            journal.reopened(one)
        journal.concluded(one, became)
        assert journal.submissions() == ((one, became),)
        assert journal.revisable(OPERATOR, from_block=0) == ((one, became),)
    assert column(path, "SELECT count(*) FROM conclusions") == [3]


def test_revisable__decided_long_ago__only_what_expired_with_a_nonce_that_nothing_used(path: Path) -> None:
    used, free, missed = submission(7), submission(8), replace(submission(9), nonce=7)
    with SqliteJournal.open(path, chain_id=1) as journal:
        for one, outcome in (
            (missed, Expired(head_number=90, why="")),
            (used, replace(OUTCOMES[1], block_number=91)),
            (free, Expired(head_number=92, why="")),
        ):
            journal.intended(one)
            journal.concluded(one, outcome)
        assert [one for one, _ in journal.revisable(OPERATOR, from_block=93)] == [free]
        assert [one for one, _ in journal.revisable(OPERATOR, from_block=91)] == [used, free]
        assert journal.revisable(Address(b"\x01" * 20), from_block=0) == ()


def test_predicted_and_declined__kept_to_the_wei(path: Path) -> None:
    with SqliteJournal.open(path, chain_id=1) as journal:
        journal.predicted(HEAD, [DRAFT, replace(DRAFT, objective=Objective.MAX_CLOSE)])
        journal.declined(HEAD, {Reason.DUST: 3, Reason.NO_ROUTE: 1})
    assert column(path, "SELECT objective FROM predictions ORDER BY id") == ["max_profit", "max_close"]
    assert column(path, "SELECT health_factor_wad FROM predictions LIMIT 1") == [str(2**256 - 1)]
    assert column(path, "SELECT vault_wei FROM predictions LIMIT 1") == [str(2**70 - 3 - 2 - 1)]
    assert column(path, "SELECT reason || ' ' || borrowers FROM declined") == ["dust 3", "no route 1"]


@pytest.mark.parametrize(
    "table", ["journal", "predictions", "declined", "intents", "conclusions", "carries", "shares"]
)
def test_tables__changed_or_removed_from__refuse(path: Path, table: str) -> None:
    with SqliteJournal.open(path, chain_id=1) as journal:
        journal.predicted(HEAD, [DRAFT])
        journal.declined(HEAD, {Reason.DUST: 3})
        journal.intended(submission())
        draft = replace(CARRYING.draft, parts=(DRAFT, DRAFT))
        journal.planned(submission(), replace(CARRYING, draft=draft))
        journal.concluded(submission(), OUTCOMES[2])
    connection = sqlite3.connect(path)
    (first, *_) = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    for attack in (f"DELETE FROM {table}", f"UPDATE {table} SET {first} = {first}"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(attack)
    connection.close()


# --- what goes wrong ----------------------------------------------------------------------------------------


def test_intended__disk_full__unavailable_and_whole_again_afterwards(path: Path) -> None:
    with SqliteJournal.open(path, chain_id=1) as journal:
        journal.intended(submission(1))
        pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
        journal._connection.execute(f"PRAGMA max_page_count = {pages}")
        big = replace(submission(2), market="x" * 10_000)
        with pytest.raises(Unavailable, match=r"journal\.sqlite can't be written: database or disk is full"):
            journal.intended(big)
        assert journal.unconcluded(OPERATOR) == (submission(1),)
        journal._connection.execute(f"PRAGMA max_page_count = {pages + 100}")
        journal.intended(big)
        assert journal.unconcluded(OPERATOR) == (submission(1), big)


def test_intended__file_locked_by_another_program__unavailable(path: Path) -> None:
    with SqliteJournal.open(path, chain_id=1) as journal:
        journal._connection.execute("PRAGMA busy_timeout = 50")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            journal.intended(submission())
        other.close()
        journal.intended(submission())


def test_open__no_database__says_so_and_leaves_it_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"a shopping list, longer than a header of SQLite is" * 40)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"KEEPER_STATE_DIR: .*is no journal, or damaged"):
        SqliteJournal.open(path, chain_id=1)
    assert path.read_bytes() == before


def test_open__damaged__says_so(path: Path) -> None:
    with SqliteJournal.open(path, chain_id=1) as journal:
        for serial in range(400):
            journal.intended(submission(serial))
    content = bytearray(path.read_bytes())
    content[8_192:40_960] = os.urandom(40_960 - 8_192)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"KEEPER_STATE_DIR: .*damaged"):
        SqliteJournal.open(path, chain_id=1)


def test_open__of_a_newer_keeper__says_so_and_leaves_it_alone(path: Path) -> None:
    newer = len(MIGRATIONS) + 1
    SqliteJournal.open(path, chain_id=1).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {newer}")
    connection.close()
    with pytest.raises(
        ConfigError, match=rf"KEEPER_STATE_DIR: .*newer keeper .*version {newer}.*knows {len(MIGRATIONS)}"
    ):
        SqliteJournal.open(path, chain_id=1)
    assert column(path, "PRAGMA user_version") == [newer]


def test_open__of_another_program__says_so(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE cookies (crumbs)")
    connection.close()
    with pytest.raises(ConfigError, match="another program's file"):
        SqliteJournal.open(path, chain_id=1)


def test_open__of_another_chain__names_both(path: Path) -> None:
    SqliteJournal.open(path, chain_id=1).close()
    with pytest.raises(ConfigError, match="journal of chain 1, and this is chain 10"):
        SqliteJournal.open(path, chain_id=10)


def test_open__a_directory_in_its_place__says_so(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(ConfigError, match="KEEPER_STATE_DIR: can't open"):
        SqliteJournal.open(path, chain_id=1)


_WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.unit.store.test_journal import submission
from keeper.store import SqliteJournal
from keeper.store.schema import MIGRATIONS
with SqliteJournal.open(Path(sys.argv[1]), chain_id=1) as journal:
    for serial in range(10**6):
        journal.intended(submission(serial))
        print(serial, flush=True)
"""


def test_intended__killed_while_writing__all_that_was_reported_is_there(path: Path) -> None:
    checkout = Path(__file__).parents[3]
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), str(checkout)], stdout=subprocess.PIPE, cwd=checkout
    )
    assert writer.stdout is not None
    with writer.stdout:
        reported = [int(writer.stdout.readline()) for _ in range(20)]
        writer.send_signal(signal.SIGKILL)
        reported += [int(line) for line in writer.stdout.read().split()]
    writer.wait()
    with SqliteJournal.open(path, chain_id=1) as journal:
        kept = [one.nonce for one in journal.unconcluded(OPERATOR)]
    assert kept[: len(reported)] == reported
    assert len(kept) - len(reported) <= 1  # one may have been written and not yet reported


def test_submissions__each_kind_of_intent__as_it_was(path: Path) -> None:
    kinds = (
        submission(1),
        replace(submission(2), nonce=1, is_private=True, channels=("bundle", "private"), target_block=2**40),
        replace(submission(3), nonce=1, purpose=Purpose.CANCELLATION, market="", pools=frozenset()),
    )
    with SqliteJournal.open(path, chain_id=1) as journal:
        for one in kinds:
            journal.intended(one)
        assert journal.submissions() == tuple((one, None) for one in kinds)


def test_open__journal_of_version_1__its_lines_are_public_liquidations_with_the_fees_in_their_bytes(
    path: Path,
) -> None:
    key = ExecutorSigner(
        SigningKey(b"\x07" * 32),
        limits=SigningLimits(chain_id=1, max_fee_per_gas_wei=2**67),
        executor=Address(b"\xe0" * 20),
    )
    signed = key.sign(
        UnsignedTransaction(
            chain_id=1, nonce=7, to=Address(b"\xe0" * 20), value_wei=0, data=b"\x01" * 300, fees=FEES
        )
    )
    path.parent.mkdir(parents=True)
    connection = sqlite3.connect(path)
    connection.executescript(
        f"BEGIN; {MIGRATIONS[0]} INSERT INTO journal (chain_id) VALUES (1); PRAGMA user_version = 1; COMMIT;"
    )
    connection.execute(
        "INSERT INTO intents (operator, nonce, hash, raw, market, borrower, pools, head_number, head_hash, "
        "deadline_s, predicted_profit_wei) VALUES (?, 7, ?, ?, 'aave-v3:test', ?, ?, ?, ?, 1700000036, ?)",
        (
            OPERATOR,
            signed.hash,
            signed.raw,
            b"\xb0" * 20,
            b"".join(sorted(POOLS)),
            HEAD.number,
            HEAD.hash,
            str(-(2**80)),
        ),
    )
    connection.execute(
        "INSERT INTO outcomes (intent, kind, block_number, realised_profit_wei) "
        "VALUES (1, 'superseded', 9, '0')"
    )
    connection.commit()
    connection.close()
    was = replace(submission(7), transaction=signed, others=(), rung=0)
    with SqliteJournal.open(path, chain_id=1) as journal:
        assert journal.submissions() == ((was, Superseded(head_number=9)),)
        journal.intended(replace(was, nonce=8, transaction=submission(8).transaction))
    assert column(path, "PRAGMA user_version") == [len(MIGRATIONS)]
