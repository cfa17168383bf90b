"""The journal: predictions, intents and outcomes, in one SQLite file that only grows.

Every method returns once its line is on disk (WAL, synchronous=FULL): what follows may rely on it, `kill -9`
and a power cut included. The calls block for a few milliseconds; there are few of them.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from keeper import eip1559
from keeper.domain.address import Address, Hash32
from keeper.domain.brake import Brake, Landed, Resumed, Tripped
from keeper.domain.declined import Reason
from keeper.domain.errors import ConfigError, Invariant, Unavailable
from keeper.domain.fixed_point import BPS
from keeper.domain.head import Head
from keeper.domain.ledger import Entry, Watched
from keeper.domain.plan import Draft, Fees, Plan, Waterfall
from keeper.domain.position import PositionId
from keeper.domain.race import Race
from keeper.domain.submission import (
    Expired,
    Included,
    Outcome,
    Purpose,
    Reverted,
    SignedTransaction,
    Submission,
    Superseded,
    decided_at,
)
from keeper.store import rows
from keeper.store.schema import MIGRATIONS
from keeper.submitter.bidding import Auction

_ADDRESS_BYTES = 20
_INTENT = (
    "operator, nonce, hash, raw, market, borrower, pools, head_number, head_hash, deadline_s, "
    "predicted_profit_wei, purpose, channels, is_private, target_block, "
    "gas_limit, max_fee_per_gas_wei, max_priority_fee_per_gas_wei, others, rung"
)
_CARRY = (
    "vault, paid, paid_symbol, paid_decimals, paid_raw, received, received_symbol, received_decimals, "
    "received_raw, paid_wei, booked_wei"
)
_MOST_AUCTIONS = 400
"""What is older weighs nothing any more."""
_INTENT_WIDTH = _INTENT.count(",") + 1


class SqliteJournal:
    """A :class:`keeper.ports.Journal` in a file. One process writes it; any may read it meanwhile."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        """Take a connection to a journal that is there: see `open`."""
        self._connection = connection
        self.path = path

    @classmethod
    def open(cls, path: Path, *, chain_id: int) -> Self:
        """Return the journal of a chain, made where there is none, migrated where it is older.

        Raises ConfigError where the file is none, damaged, of another chain, or of a newer keeper.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"KEEPER_STATE_DIR: can't open {path}: {error}") from None
        try:
            _set_up(connection, path, chain_id)
        except sqlite3.DatabaseError as error:
            connection.close()
            raise _unusable(path, error) from None
        except BaseException:
            connection.close()
            raise
        return cls(connection, path)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- what is written ------------------------------------------------------------------------------------

    def predicted(self, head: Head, drafts: Sequence[Draft]) -> None:
        """Keep the amounts predicted, before a simulation has spoken."""
        with self._writing() as connection:
            connection.executemany(
                _insert(
                    "predictions",
                    "head_number, head_hash, market, borrower, health_factor_wad, objective, debt, "
                    "repaid_raw, collateral, seized_raw, bonus_wei, price_impact_wei, flash_fee_wei, "
                    "tip_wei, vault_wei, floor_wei, deadline_s",
                ),
                [
                    (
                        head.number,
                        head.hash,
                        part.market,
                        part.borrower,
                        str(part.health_factor_wad),
                        part.objective.value,
                        close.repaid.token.address,
                        str(close.repaid.raw),
                        close.seized.token.address,
                        str(close.seized.raw),
                        str(close.waterfall.bonus_wei),
                        str(close.waterfall.price_impact_wei),
                        str(close.waterfall.flash_fee_wei),
                        str(close.waterfall.tip_wei),
                        str(close.waterfall.vault_wei),
                        str(draft.floor_wei),
                        draft.deadline_s,
                    )
                    for draft in drafts
                    for part in draft.parts or (draft,)
                    for close in part.closes
                ],
            )

    def declined(self, head: Head, counts: Mapping[Reason, int]) -> None:
        """Keep how many borrowers were left alone for which reason."""
        with self._writing() as connection:
            connection.executemany(
                _insert("declined", "head_number, head_hash, reason, borrowers"),
                [(head.number, head.hash, reason.value, count) for reason, count in counts.items()],
            )

    def intended(self, submission: Submission) -> None:
        """Keep what is about to be sent. Nothing may be sent before this has returned.

        What was refused may be intended again, to the byte. Raises Invariant where it has no outcome yet.
        """
        with self._writing() as connection:
            if _open_intent(connection, submission) is not None:
                raise Invariant(f"0x{submission.hash.hex()} is intended already")
            connection.execute(
                _insert("intents", _INTENT),
                (
                    submission.operator,
                    submission.nonce,
                    submission.transaction.hash,
                    submission.transaction.raw,
                    submission.market,
                    submission.borrower,
                    b"".join(sorted(submission.pools)),
                    submission.head_number,
                    submission.head_hash,
                    submission.deadline_s,
                    str(submission.predicted_profit_wei),
                    submission.purpose.value,
                    ",".join(submission.channels),
                    submission.is_private,
                    submission.target_block,
                    submission.fees.gas_limit,
                    str(submission.fees.max_fee_per_gas_wei),
                    str(submission.fees.max_priority_fee_per_gas_wei),
                    rows.of_positions(submission.others),
                    submission.rung,
                ),
            )

    def concluded(self, submission: Submission, outcome: Outcome) -> None:
        """Keep the one outcome of what was intended. Raises Invariant where there is nothing to conclude."""
        with self._writing() as connection:
            intent = _open_intent(connection, submission)
            if intent is None:
                raise Invariant(f"0x{submission.hash.hex()} was not intended, or has its outcome")
            connection.execute(
                _insert(
                    "conclusions",
                    "intent, kind, block_number, block_hash, gas_used, effective_gas_price_wei, "
                    "vault_profit_wei, tip_wei, realised_profit_wei, why, l1_fee_wei, left_out, carried",
                ),
                (intent, *_outcome_row(outcome)),
            )

    def reopened(self, submission: Submission) -> None:
        """Keep that an outcome no longer stands. Raises Invariant where there is none."""
        with self._writing() as connection:
            row = connection.execute(
                "SELECT max(intents.id) FROM intents JOIN outcomes ON intent = intents.id WHERE hash = ?",
                (submission.hash,),
            ).fetchone()
            if row[0] is None:
                raise Invariant(f"0x{submission.hash.hex()} has no outcome to take back")
            connection.execute(_insert("conclusions", "intent, kind"), (row[0], "reopened"))

    def braked(self, turn: Tripped | Resumed) -> None:
        """Keep that a brake came on, or that all were released."""
        brake, detail = (turn.brake.value, turn.detail) if isinstance(turn, Tripped) else (None, "")
        with self._writing() as connection:
            connection.execute(_insert("brakes", "at_s, brake, detail"), (turn.at_s, brake, detail))

    def planned(self, submission: Submission, plan: Plan) -> None:
        """Keep what a submission's profit was to be made of. Raises Invariant where it was not intended."""
        with self._writing() as connection:
            row = connection.execute(
                "SELECT max(id) FROM intents WHERE hash = ? AND id NOT IN (SELECT intent FROM plans)",
                (submission.hash,),
            ).fetchone()
            if row[0] is None:
                raise Invariant(f"0x{submission.hash.hex()} was not intended, or has its plan")
            connection.execute(
                _insert(
                    "plans",
                    "intent, bonus_wei, price_impact_wei, flash_fee_wei, tip_wei, gas_wei, "
                    "bid_bps, bid_of_wei",
                ),
                (
                    row[0],
                    *map(str, rows.of_waterfall(plan.waterfall)),
                    None if plan.bid is None else plan.bid.share_bps,
                    None if plan.bid is None else str(plan.bid.of_wei),
                ),
            )
            if plan.draft.carry is not None:
                connection.execute(
                    _insert("carries", f"intent, {_CARRY}"), (row[0], *rows.of_carry(plan.draft.carry))
                )
            connection.executemany(
                _insert("shares", "intent, bonus_wei, price_impact_wei, flash_fee_wei, tip_wei, gas_wei"),
                [(row[0], *map(str, rows.of_waterfall(part.waterfall))) for part in plan.draft.parts],
            )

    def watched(self, span: Watched) -> None:
        """Keep how much was watched within a while."""
        columns = ", ".join(field.name for field in fields(Watched))
        with self._writing() as connection:
            connection.execute(_insert("watched", columns), astuple(span))

    def raced(self, race: Race) -> None:
        """Keep a liquidation by somebody else, and what this keeper knew of it."""
        with self._writing() as connection:
            connection.execute(_insert("races", rows.RACE_COLUMNS), rows.of_race(race))

    # --- what is read ---------------------------------------------------------------------------------------

    def unconcluded(self, operator: Address) -> tuple[Submission, ...]:
        """Return what this key was intended to send and has no outcome yet, oldest first."""
        return tuple(
            one for one, outcome in self.submissions() if outcome is None and one.operator == operator
        )

    def revisable(self, operator: Address, *, from_block: int) -> tuple[tuple[Submission, Outcome], ...]:
        """Return what of this key came to an outcome that may still be taken back, oldest first.

        That is what was decided from that block on, and what expired with a nonce that nothing else here is
        known to have used.
        """
        concluded = [
            (one, outcome)
            for one, outcome in self.submissions()
            if outcome is not None and one.operator == operator
        ]
        used = {one.nonce for one, outcome in concluded if isinstance(outcome, Included | Reverted)}
        return tuple(
            (one, outcome)
            for one, outcome in concluded
            if decided_at(outcome) >= from_block or (isinstance(outcome, Expired) and one.nonce not in used)
        )

    def submissions(self) -> tuple[tuple[Submission, Outcome | None], ...]:
        """Return everything that was ever intended, oldest first, each with its outcome where it has one."""
        found = self._read(
            f"SELECT {_INTENT}, kind, block_number, block_hash, gas_used, "
            "effective_gas_price_wei, vault_profit_wei, tip_wei, why, l1_fee_wei, left_out, carried "
            "FROM intents LEFT JOIN outcomes ON outcomes.intent = intents.id ORDER BY intents.id"
        )
        return tuple(
            (_submission(row[:_INTENT_WIDTH]), _outcome(row[_INTENT_WIDTH:]) if row[_INTENT_WIDTH] else None)
            for row in found
        )

    def braking(self) -> tuple[Landed | Tripped | Resumed, ...]:
        """Return all that the brakes go by, as it happened: what landed, what came on, what was released."""
        landed = deque(self._landed())
        happened: list[Landed | Tripped | Resumed] = []
        for turn in self.turns():
            while landed and landed[0].at_s <= turn.at_s:
                happened.append(landed.popleft())
            happened.append(turn)
        return (*happened, *landed)

    def turns(self) -> tuple[Tripped | Resumed, ...]:
        """Return each brake that came on, and each release, oldest first."""
        found = self._read("SELECT at_s, brake, detail FROM brakes ORDER BY id")
        return tuple(
            Resumed(at_s=at_s) if brake is None else Tripped(at_s=at_s, brake=Brake(brake), detail=detail)
            for at_s, brake, detail in found
        )

    def _landed(self) -> list[Landed]:
        found = self._read(
            "SELECT CAST(strftime('%s', outcomes.written_at) AS INTEGER), market, borrower, kind, gas_used, "
            "effective_gas_price_wei, l1_fee_wei, realised_profit_wei, purpose, others, left_out "
            "FROM outcomes JOIN intents ON intent = intents.id "
            "WHERE kind IN ('included', 'reverted') ORDER BY outcomes.written_at, intent"
        )
        return [
            Landed(
                at_s=at_s,
                positions=(PositionId(market, Address(borrower)), *rows.positions(others)),
                reverted=kind == "reverted",
                gas_wei=gas_used * int(price) + int(l1_fee),
                profit_wei=int(profit),
                left_out=rows.positions(left_out),
                is_liquidation=purpose == Purpose.LIQUIDATION,
            )
            for at_s, market, borrower, kind, gas_used, price, l1_fee, profit, purpose, others, left_out in (
                found
            )
        ]

    def _read(self, query: str, *values: object) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise Unavailable(f"the journal {self.path} can't be read: {error}") from error

    def entries(self, *, since_s: int) -> tuple[Entry, ...]:
        """Return everything that was intended since then, oldest first, with its plan and its outcome."""
        found = self._read(
            "SELECT intents.id, CAST(strftime('%s', intents.written_at) AS INTEGER), market, borrower, "
            "others, hash, predicted_profit_wei, bonus_wei, price_impact_wei, flash_fee_wei, plans.tip_wei, "
            "gas_wei, kind, block_number, block_hash, gas_used, effective_gas_price_wei, vault_profit_wei, "
            f"outcomes.tip_wei, why, l1_fee_wei, left_out, carried, {_CARRY} "
            "FROM intents LEFT JOIN plans ON plans.intent = intents.id "
            "LEFT JOIN carries ON carries.intent = intents.id "
            "LEFT JOIN outcomes ON outcomes.intent = intents.id "
            "WHERE CAST(strftime('%s', intents.written_at) AS INTEGER) >= ? ORDER BY intents.id",
            since_s,
        )
        shares = self._shares(since_s)
        return tuple(
            Entry(
                at_s=at_s,
                market=market,
                borrower=Address(borrower),
                others=rows.positions(others),
                transaction=Hash32(hash_),
                predicted_wei=int(predicted),
                plan=None if rest[0] is None else rows.waterfall(rest[:5]),
                outcome=None if rest[5] is None else _outcome(rest[5:16]),
                carry=None if rest[16] is None else rows.carry(rest[16:]),
                shares=tuple(shares.get(intent, ())),
            )
            for intent, at_s, market, borrower, others, hash_, predicted, *rest in found
        )

    def _shares(self, since_s: int) -> Mapping[int, list[Waterfall]]:
        """Return what each of several positions was to bring, in their order, by what was intended."""
        found = self._read(
            "SELECT intent, bonus_wei, price_impact_wei, flash_fee_wei, tip_wei, gas_wei "
            "FROM shares JOIN intents ON intents.id = intent "
            "WHERE CAST(strftime('%s', written_at) AS INTEGER) >= ? ORDER BY shares.id",
            since_s,
        )
        by_intent: dict[int, list[Waterfall]] = {}
        for intent, *parts in found:
            by_intent.setdefault(intent, []).append(rows.waterfall(parts))
        return by_intent

    def spans(self, *, since_s: int) -> tuple[Watched, ...]:
        """Return how much was watched since then, oldest first."""
        columns = ", ".join(field.name for field in fields(Watched))
        found = self._read(f"SELECT {columns} FROM watched WHERE at_s >= ? ORDER BY rowid", since_s)
        return tuple(
            Watched(**dict(zip((field.name for field in fields(Watched)), row, strict=True))) for row in found
        )

    def auctions(self, *, backruns: bool = False) -> tuple[Auction, ...]:
        """Return how the latest bids came out, oldest first: those that won, and those that somebody beat.

        Those behind another's transaction by its hash, or all others: they are other races.

        What was in no block, and whose position nobody else closed in the blocks that it was for, tells
        nothing of bids.
        """
        found = self._read(
            "SELECT bid_bps, bid_of_wei, kind, max(races.id), winner_bid_wei FROM outcomes "
            "JOIN intents ON intents.id = outcomes.intent JOIN plans ON plans.intent = intents.id "
            "LEFT JOIN races ON kind <> 'included' AND (races.market = intents.market "
            "AND races.borrower = intents.borrower OR others <> '[]' AND EXISTS (SELECT 1 FROM "
            "json_each(others) WHERE json_extract(value, '$[0]') = races.market "
            "AND json_extract(value, '$[1]') = hex(races.borrower))) "
            "AND races.block_number > intents.head_number "
            "AND races.block_number <= coalesce(target_block, outcomes.block_number) "
            "WHERE bid_bps IS NOT NULL AND (kind = 'included' OR races.id IS NOT NULL) "
            "AND (rung = 0 OR kind = 'included') AND (channels = 'backrun') = ? "
            "GROUP BY outcomes.intent ORDER BY outcomes.written_at DESC, outcomes.intent DESC LIMIT ?",
            backruns,
            _MOST_AUCTIONS,
        )
        return tuple(
            Auction(
                bid_bps=bid_bps,
                won=kind == "included",
                winner_bps=None if paid is None else -(-int(paid) * BPS // max(int(of_wei), 1)),
            )
            for bid_bps, of_wei, kind, _, paid in reversed(found)
        )

    def races(self, *, since_s: int) -> tuple[Race, ...]:
        """Return the liquidations by others since then, oldest first."""
        found = self._read(f"SELECT {rows.RACE_COLUMNS} FROM races WHERE at_s >= ? ORDER BY id", since_s)
        return tuple(rows.race(row) for row in found)

    def declined_counts(self, *, since_s: int) -> Mapping[str, int]:
        """Return how often a position was left alone for which reason since then, at each head anew."""
        return dict(
            self._read(
                "SELECT reason, sum(borrowers) FROM declined "
                "WHERE CAST(strftime('%s', written_at) AS INTEGER) >= ? GROUP BY reason",
                since_s,
            )
        )

    # --- the file -------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when it ends; or none of it, and an error that says why."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled back already
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.IntegrityError as error:
            raise Invariant(f"the journal {self.path} refused a line: {error}") from error
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise Unavailable(f"the journal {self.path} can't be written: {error}") from error


def _set_up(connection: sqlite3.Connection, path: Path, chain_id: int) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    (damage,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if damage != "ok":
        raise ConfigError(f"KEEPER_STATE_DIR: {path} is damaged ({damage}): move it away, or restore a copy")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version == 0 and tables:
        raise ConfigError(f"KEEPER_STATE_DIR: {path} is another program's file: move it away")
    if version > len(MIGRATIONS):
        raise ConfigError(
            f"KEEPER_STATE_DIR: {path} was written by a newer keeper (its tables are of version {version}, "
            f"this one knows {len(MIGRATIONS)}): update the keeper, or give it another KEEPER_STATE_DIR"
        )
    if version < len(MIGRATIONS):
        script = "".join(MIGRATIONS[version:])
        if version == 0:
            script += f"INSERT INTO journal (chain_id) VALUES ({chain_id});"
        connection.executescript(f"BEGIN; {script} PRAGMA user_version = {len(MIGRATIONS)}; COMMIT;")
    (of_chain,) = connection.execute("SELECT chain_id FROM journal").fetchone()
    if of_chain != chain_id:
        raise ConfigError(
            f"KEEPER_STATE_DIR: {path} is the journal of chain {of_chain}, and this is chain {chain_id}: "
            f"give each chain its own KEEPER_STATE_DIR"
        )


def _unusable(path: Path, error: sqlite3.DatabaseError) -> ConfigError:
    if isinstance(error, sqlite3.OperationalError):  # no permission, a full disk, a lock
        return ConfigError(f"KEEPER_STATE_DIR: can't open {path}: {error}")
    return ConfigError(f"KEEPER_STATE_DIR: {path} is no journal, or damaged ({error}): move it away")


def _open_intent(connection: sqlite3.Connection, submission: Submission) -> int | None:
    """Return the id of a submission's intent that has no outcome yet."""
    row = connection.execute(
        "SELECT id FROM intents WHERE hash = ? "
        "AND NOT EXISTS (SELECT 1 FROM outcomes WHERE intent = intents.id)",
        (submission.hash,),
    ).fetchone()
    return None if row is None else int(row[0])


def _insert(table: str, columns: str) -> str:
    places = ", ".join("?" for _ in columns.split(","))
    return f"INSERT INTO {table} ({columns}) VALUES ({places})"


def _outcome_row(outcome: Outcome) -> tuple[object, ...]:
    """Return the columns from `kind` on."""
    realised = str(outcome.realised_profit_wei)
    nothing, nobody = (None,) * 5, ("[]", "[]")
    match outcome:
        case Included():
            price, profit = str(outcome.effective_gas_price_wei), str(outcome.vault_profit_wei)
            place = (outcome.block_number, outcome.block_hash, outcome.gas_used)
            tip, l1_fee = str(outcome.tip_wei), str(outcome.l1_fee_wei)
            left_out = rows.of_positions(outcome.left_out)
            carried = rows.of_carried(outcome.carried)
            return ("included", *place, price, profit, tip, realised, None, l1_fee, left_out, carried)
        case Reverted():
            price = str(outcome.effective_gas_price_wei)
            place = (outcome.block_number, outcome.block_hash, outcome.gas_used)
            l1_fee = str(outcome.l1_fee_wei)
            return ("reverted", *place, price, None, None, realised, None, l1_fee, *nobody)
        case Expired():
            return ("expired", outcome.head_number, *nothing, realised, outcome.why, "0", *nobody)
        case Superseded():
            return ("superseded", outcome.head_number, *nothing, realised, None, "0", *nobody)


def _outcome(row: Sequence[Any]) -> Outcome:
    """Return the outcome in the columns from `kind` to `carried`, but for the realised profit."""
    kind, number, block_hash, gas_used, price, profit, tip, why, l1_fee, left_out, carried = row
    match kind:
        case "included":
            return Included(
                block_number=number,
                block_hash=Hash32(block_hash),
                gas_used=gas_used,
                effective_gas_price_wei=int(price),
                vault_profit_wei=int(profit),
                tip_wei=int(tip),
                l1_fee_wei=int(l1_fee),
                left_out=rows.positions(left_out),
                carried=rows.carried(carried),
            )
        case "reverted":
            return Reverted(
                block_number=number,
                block_hash=Hash32(block_hash),
                gas_used=gas_used,
                effective_gas_price_wei=int(price),
                l1_fee_wei=int(l1_fee),
            )
        case "expired":
            return Expired(head_number=number, why=why)
        case _:  # the table's CHECK leaves no other
            return Superseded(head_number=number)


def _submission(row: Sequence[Any]) -> Submission:
    operator, nonce, hash_, raw, market, borrower, pools, head_number, head_hash, deadline_s, profit = row[
        :11
    ]
    purpose, channels, is_private, target_block, gas_limit, max_fee, priority_fee, others, rung = row[11:]
    return Submission(
        operator=Address(operator),
        nonce=nonce,
        transaction=SignedTransaction(raw=raw, hash=Hash32(hash_)),
        market=market,
        borrower=Address(borrower),
        pools=frozenset(
            Address(pools[at : at + _ADDRESS_BYTES]) for at in range(0, len(pools), _ADDRESS_BYTES)
        ),
        head_number=head_number,
        head_hash=Hash32(head_hash),
        deadline_s=deadline_s,
        predicted_profit_wei=int(profit),
        fees=eip1559.unsigned(raw).fees
        if gas_limit is None  # written before fees were
        else Fees(
            gas_limit=gas_limit,
            max_fee_per_gas_wei=int(max_fee),
            max_priority_fee_per_gas_wei=int(priority_fee),
        ),
        purpose=Purpose(purpose),
        channels=tuple(channels.split(",")),
        is_private=bool(is_private),
        target_block=target_block,
        others=rows.positions(others),
        rung=rung,
    )
