"""The checkpoint: what was read of the markets, in one SQLite file, so that a start reads only what is new.

It is memory, never truth: what can't be read, or does not fit (another chain, another form, another edition
of a market), is thrown away and made again from the chain. Each write is one transaction of the rows and the
head that they are at, so a kill or a power cut leaves the state before it. Of two keepers on one file the
one that began last writes; the other finds that out and stops.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Self

import msgspec

from keeper.domain.address import Address, Hash32
from keeper.domain.head import Head
from keeper.domain.position import PositionId
from keeper.ports import Kept, Link, Touched

_FORM = 2
"""Of the tables and of what is in them. A file of another one is made anew."""

_TABLES = f"""
PRAGMA user_version = {_FORM};
CREATE TABLE checkpoint (chain_id INTEGER NOT NULL);
CREATE TABLE sources (
    source TEXT PRIMARY KEY,
    writer TEXT NOT NULL,
    edition TEXT NOT NULL,
    remembered BLOB NOT NULL,
    scanned_to INTEGER NOT NULL,
    head BLOB
) WITHOUT ROWID;
CREATE TABLE positions (
    source TEXT NOT NULL,
    market TEXT NOT NULL,
    borrower BLOB NOT NULL,
    packed BLOB,
    PRIMARY KEY (source, market, borrower)
) WITHOUT ROWID;
CREATE TABLE links (
    source TEXT NOT NULL,
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    configuration INTEGER NOT NULL,
    touched BLOB NOT NULL,
    PRIMARY KEY (source, number)
) WITHOUT ROWID;
"""


class Checkpoint:
    """A :class:`keeper.ports.Memory` in a file. Its methods may be called from another thread."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *, remade: str = "") -> None:
        """Take a connection to a checkpoint that is there: see `open`."""
        self._connection = connection
        self._lock = Lock()
        self._writer = secrets.token_hex(8)
        self.path = path
        self.remade = remade
        """Why what was there before was thrown away; empty where it was not."""

    @classmethod
    def open(cls, path: Path, *, chain_id: int) -> Self:
        """Return the checkpoint of a chain, made anew where there is none that can be used.

        Raises OSError or sqlite3.OperationalError where no file can be made there.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        why = ""
        if path.exists():
            try:
                connection = _connected(path)
                if not (why := _unfit(connection, chain_id)):
                    return cls(connection, path)
                connection.close()
            except sqlite3.DatabaseError as error:
                why = f"it is damaged ({error})"
            for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
                file.unlink(missing_ok=True)
        connection = _connected(path)
        connection.executescript(f"BEGIN; {_TABLES} COMMIT;")
        connection.execute("INSERT INTO checkpoint VALUES (?)", (chain_id,))
        return cls(connection, path, remade=why)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    # --- reading --------------------------------------------------------------------------------------------

    def kept(self, source: str) -> Kept | None:
        """Return what is kept of a source, None where that is nothing, or can't be read."""
        with self._lock, suppress(sqlite3.DatabaseError, msgspec.DecodeError, ValueError):
            found = self._connection.execute(
                "SELECT edition, remembered, scanned_to, head FROM sources WHERE source = ?", (source,)
            ).fetchone()
            if found is None:
                return None
            edition, remembered, scanned_to, head = found
            return Kept(
                edition=edition,
                remembered=tuple(msgspec.msgpack.decode(remembered, type=list[bytes])),
                scanned_to=scanned_to,
                head=None if head is None else msgspec.msgpack.decode(head, type=Head),
                links=tuple(self._links(source)),
                positions={
                    PositionId(market, Address(borrower)): packed
                    for market, borrower, packed in self._connection.execute(
                        "SELECT market, borrower, packed FROM positions WHERE source = ?", (source,)
                    )
                },
            )
        return None

    def _links(self, source: str) -> Iterator[Link[Touched]]:
        for number, hash_, configuration, touched in self._connection.execute(
            "SELECT number, hash, configuration, touched FROM links WHERE source = ? ORDER BY number",
            (source,),
        ):
            named = msgspec.msgpack.decode(touched, type=list[tuple[str, bytes]])
            yield Link(
                number=number,
                hash=Hash32(hash_),
                touched=Touched(
                    positions=frozenset(PositionId(market, Address(one)) for market, one in named),
                    configuration=bool(configuration),
                ),
            )

    # --- writing --------------------------------------------------------------------------------------------

    def begin(self, source: str, *, edition: str) -> None:
        """Forget what is kept of a source, and begin to keep it in this edition."""
        with self._writing() as connection:
            for table in ("sources", "positions", "links"):
                connection.execute(f"DELETE FROM {table} WHERE source = ?", (source,))
            connection.execute(
                "INSERT INTO sources VALUES (?, ?, ?, ?, -1, NULL)",
                (source, self._writer, edition, msgspec.msgpack.encode([])),
            )

    def resume(self, source: str) -> None:
        """Go on with what is kept of a source: from here on, this one writes."""
        with self._writing() as connection:
            connection.execute("UPDATE sources SET writer = ? WHERE source = ?", (self._writer, source))

    def named(
        self, source: str, positions: Iterable[PositionId], *, remembered: Iterable[bytes], scanned_to: int
    ) -> bool:
        """Keep who was found in the blocks up to `scanned_to`. Return whether this one still writes."""
        with self._writing() as connection:
            told = msgspec.msgpack.encode(list(remembered)), scanned_to
            if not self._still(connection, "remembered = ?, scanned_to = ?", told, source):
                return False
            connection.executemany(
                "INSERT OR IGNORE INTO positions VALUES (?, ?, ?, NULL)",
                ((source, one.market, one.borrower) for one in positions),
            )
            return True

    def read(
        self,
        source: str,
        rows: Mapping[PositionId, bytes | None],
        *,
        head: Head,
        links: Iterable[Link[Touched]],
        remembered: Iterable[bytes],
    ) -> bool:
        """Keep rows as they are at `head`, those of None no more. Return whether this one still writes.

        Every row that is kept and not among these must be as it is at `head` already, or not read yet.
        """
        with self._writing() as connection:
            told = msgspec.msgpack.encode(list(remembered)), msgspec.msgpack.encode(head), head.number
            if not self._still(connection, "remembered = ?, head = ?, scanned_to = ?", told, source):
                return False
            connection.executemany(
                "DELETE FROM positions WHERE source = ? AND market = ? AND borrower = ?",
                ((source, *one) for one, packed in rows.items() if packed is None),
            )
            connection.executemany(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
                ((source, *one, packed) for one, packed in rows.items() if packed is not None),
            )
            connection.execute("DELETE FROM links WHERE source = ?", (source,))
            connection.executemany(
                "INSERT INTO links VALUES (?, ?, ?, ?, ?)",
                (
                    (
                        *(source, link.number, link.hash, link.touched.configuration),
                        msgspec.msgpack.encode([tuple(one) for one in sorted(link.touched.positions)]),
                    )
                    for link in links
                ),
            )
            return True

    def _still(
        self, connection: sqlite3.Connection, what: str, told: tuple[object, ...], source: str
    ) -> bool:
        """Set a source's columns, and return whether nobody else has begun to write it."""
        done = connection.execute(
            f"UPDATE sources SET {what} WHERE source = ? AND writer = ?", (*told, source, self._writer)
        )
        return done.rowcount == 1

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection within one transaction."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _unfit(connection: sqlite3.Connection, chain_id: int) -> str:
    """Return why a file can't be used; empty where it can."""
    (damage,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if damage != "ok":
        return f"it is damaged ({damage})"
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    if form != _FORM:
        return f"it is of form {form}, and this keeper's is {_FORM}"
    with closing(connection.execute("SELECT chain_id FROM checkpoint")) as rows:
        of_chain = [chain for (chain,) in rows]
    return "" if of_chain == [chain_id] else f"it is of chain {of_chain}, and this is chain {chain_id}"
