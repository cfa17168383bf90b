"""One keeper for each key and each journal, held by the system for as long as the process lives."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from keeper.domain.address import Address, checksum
from keeper.domain.errors import ConfigError


class Lock:
    """Locked files, from `acquire` (or `with`) to `release` or to the process's end, however it comes."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Name the files. They are made where they are not there, and never removed: only locked."""
        self._paths = tuple(paths)
        self._held: list[int] = []

    @classmethod
    def of(cls, *, journal: Path, operator: Address | None) -> Self:
        """Return the lock of a journal, and of a key beside it, where there is one."""
        paths = [journal.with_name(journal.name + ".lock")]
        if operator is not None:
            paths.append(journal.with_name(f"{checksum(operator)}.lock"))
        return cls(paths)

    def acquire(self) -> Self:
        """Lock every file, or none. Raises ConfigError, with the holder's pid, where one is held."""
        try:
            for path in self._paths:
                self._held.append(_locked(path))
        except BaseException:
            self.release()
            raise
        return self

    def release(self) -> None:
        """Let other keepers in."""
        while self._held:
            os.close(self._held.pop())

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _locked(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"KEEPER_STATE_DIR: can't write {path}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
    except BlockingIOError:
        holder = os.pread(file, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(file)
        raise ConfigError(
            f"KEEPER_STATE_DIR: another keeper (process {holder}) holds {path}: "
            f"there is one for each key and journal"
        ) from None
    except OSError as error:
        os.close(file)
        raise ConfigError(f"KEEPER_STATE_DIR: can't lock {path}: {error.strerror}") from None
    return file
