"""A journal whose last line is torn, as a power cut leaves it: half written, at the end of its WAL.

Mirrors SQLite's WAL format, version 3007000: a header of 32 bytes, frames of 24 bytes and a page each; those
of the newest run have the header's salts, and the last one of a transaction the size of the database.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


def tear(journal: Path, random: Random, *, written: bool) -> None:
    """Leave of the last transaction only a part; where it was `written`, tear one that would have followed.

    Nobody may have the journal open.
    """
    wal = journal.with_name(f"{journal.name}-wal")
    if not wal.exists() or wal.stat().st_size <= _HEADER_BYTES:
        return
    content = wal.read_bytes()
    begins, ends = _last_transaction(content)
    if begins == ends:
        return
    last = content[begins:ends]
    half = last[: random.randrange(1, len(last))]
    wal.write_bytes(content[:ends] + half if written else content[:begins] + half)


def _last_transaction(wal: bytes) -> tuple[int, int]:
    """Return where the last whole transaction begins and ends."""
    frame_bytes = _FRAME_HEADER_BYTES + int.from_bytes(wal[8:12])
    salts = wal[16:24]
    begins = ends = at = _HEADER_BYTES
    while at + frame_bytes <= len(wal) and wal[at + 8 : at + 16] == salts:
        is_last_of_it = wal[at + 4 : at + 8] != bytes(4)
        at += frame_bytes
        if is_last_of_it:
            begins, ends = ends, at
    return begins, ends
