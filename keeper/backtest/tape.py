"""A tape: everything that was answered, in the order it was, on one file that is only ever added to.

A line that says what it is, then frames: length and CRC-32 of what follows, each four bytes, little-endian;
what follows goes on with one zlib stream, flushed at each frame's end, so that a tape whose writer was killed
is whole up to its last frame. A frame is one of the structs below in MessagePack.

Contents (an ask, an answer, a fact) are kept once: addressed by their BLAKE2b digest while a tape is written,
and by the order in which they came where a frame speaks of them.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeAlias

import msgspec

from keeper.domain.errors import ConfigError, Unavailable

VERSION = 2
_MAGIC = b"keeper tape "
_LEVEL = 6
_MOST_BYTES = 1 << 30
"""Of one frame: a larger one is damage, not a frame."""


class Opening(msgspec.Struct, tag="opening"):
    """How it begins: on which chain, and by which package it was written."""

    chain_id: int
    written_by: str
    live: bool = False
    """By a keeper that was following the chain: then there is nothing of the past but what it had asked."""


class Remembered(msgspec.Struct, tag="remembered"):
    """What a live keeper knew of a source when its recording began: rows, and as of which head."""

    source: str
    edition: str
    remembered: list[bytes]
    scanned_to: int
    head: bytes | None
    links: list[tuple[int, bytes, list[tuple[str, bytes]], bool]]
    """Number, hash, touched positions, and whether the configuration was, of the last blocks followed."""
    positions: list[tuple[str, bytes, bytes | None]]
    """Market, borrower and row; no row where it was named and had not been read."""


class Contents(msgspec.Struct, tag="contents"):
    """Contents that the frames from here on speak of; the next places are theirs."""

    bodies: list[bytes]


class Answered(msgspec.Struct, tag="answered"):
    """What was answered at one state: places of asks, and those of their answers."""

    at: bytes
    asks: list[int]
    answers: list[int]


class Failed(msgspec.Struct, tag="failed"):
    """What was not answered at one state, and why."""

    at: bytes
    asks: list[int]
    error: str
    why: str


class Heard(msgspec.Struct, tag="heard"):
    """A head that the keeper heard of, and when."""

    head: int
    seen_at_s: float
    number: int
    first: bool = False
    """It was read whole before anything was decided: the checkpoint."""


class Fact(msgspec.Struct, tag="fact"):
    """Something of the past besides a World's answers: places of the question and of what is so."""

    question: int
    answer: int


class Decision(msgspec.Struct, tag="decision"):
    """What the keeper made of the last head, as JSON."""

    told: str


class Asked(msgspec.Struct, tag="asked"):
    """Which one decision the tape is the state of."""

    borrower: bytes
    positions: dict[str, list[tuple[str, bytes]]]
    """The borrower's, by the protocol's name: each one's market, and the borrower."""
    remembered: dict[str, list[bytes]]
    """What of each protocol only its logs tell."""
    variables: dict[str, str]
    """What the operator had decided, as it was set."""
    channels: list[str] = []
    reverts_land: bool = True
    """Whether a lost race costs its gas in them."""


class End(msgspec.Struct, tag="end"):
    """Its writer ended it on purpose."""


Frame: TypeAlias = Opening | Remembered | Contents | Answered | Failed | Heard | Fact | Decision | Asked | End

_DECODER = msgspec.msgpack.Decoder(Frame)
_ENCODER = msgspec.msgpack.Encoder()


class TapeWriter:
    """Writes a tape, frame by frame. Each is with the system when `add` returns."""

    def __init__(self, path: Path, *, chain_id: int, written_by: str, live: bool = False) -> None:
        """Raises ConfigError where there is a file already, or none can be made."""
        try:
            self._file: BinaryIO = open(path, "xb")  # noqa: SIM115 - open as long as this is
        except FileExistsError:
            raise ConfigError(f"{path}: is there already; a tape is never written over") from None
        except OSError as error:
            raise ConfigError(f"{path}: can't be written: {error.strerror}") from None
        self.path = path
        self.size_bytes = 0
        self._zlib = zlib.compressobj(_LEVEL)
        self._places: dict[bytes, int] = {}
        self._file.write(_MAGIC + f"{VERSION}\n".encode())
        self.add(Opening(chain_id=chain_id, written_by=written_by, live=live))

    def places(self, *bodies: bytes) -> list[int]:
        """Return the contents' places, having written those that are new."""
        digests = [blake2b(body, digest_size=16).digest() for body in bodies]
        new: dict[bytes, bytes] = {}
        for digest, body in zip(digests, bodies, strict=True):
            if digest not in self._places:
                self._places[digest] = len(self._places)
                new[digest] = body
        if new:
            self.add(Contents(bodies=list(new.values())))
        return [self._places[digest] for digest in digests]

    def add(self, frame: Frame) -> None:
        """Write one frame. Raises Unavailable where it can't be."""
        squeezed = self._zlib.compress(_ENCODER.encode(frame)) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
        told = len(squeezed).to_bytes(4, "little") + zlib.crc32(squeezed).to_bytes(4, "little")
        try:
            self._file.write(told + squeezed)
            self._file.flush()
            self.size_bytes += len(told) + len(squeezed)
        except OSError as error:
            raise Unavailable(f"the tape {self.path} can't be written: {error.strerror}") from None

    def close(self) -> None:
        """End the tape."""
        if not self._file.closed:
            self.add(End())
            self._file.close()

    def abandon(self) -> None:
        """Leave it as it is, without an end."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


def read(path: Path) -> Iterator[Frame]:
    """Yield a tape's frames. Raises Damaged where it is torn or corrupt, ConfigError where it is no tape."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    with file:
        _check_version(path, file.readline(64))
        unzip = zlib.decompressobj()
        ended = False
        while True:
            start = file.tell()
            told = file.read(8)
            if not told:
                if ended:
                    return
                raise Damaged(f"is torn at byte {start:,}: its writer did not end it")
            size, crc = int.from_bytes(told[:4], "little"), int.from_bytes(told[4:], "little")
            squeezed = file.read(min(size, _MOST_BYTES))
            if len(told) < 8 or len(squeezed) < size:
                raise Damaged(f"is torn at byte {start:,}, in the middle of a frame")
            if zlib.crc32(squeezed) != crc:
                raise Damaged(f"is corrupt at byte {start:,}: its checksum is not right")
            try:
                frame = _DECODER.decode(unzip.decompress(squeezed))
            except (zlib.error, ValueError) as error:
                raise Damaged(f"is corrupt at byte {start:,}: {error}") from None
            ended = isinstance(frame, End)
            yield frame


class Damaged(Exception):
    """Where a tape stops making sense, and how; the reader says how far it is whole."""


def size_bytes(path: Path) -> int:
    """Return how large the file is."""
    return os.stat(path).st_size


def _check_version(path: Path, line: bytes) -> None:
    if not line.startswith(_MAGIC) or not line.endswith(b"\n"):
        raise ConfigError(f"{path}: is no tape of the keeper's")
    told = line[len(_MAGIC) : -1].decode("ascii", "replace")
    if told != str(VERSION):
        raise ConfigError(
            f"{path}: is a tape of version {told}, and this keeper reads version {VERSION}: "
            "replay it with the keeper that wrote it, or record it anew"
        )
