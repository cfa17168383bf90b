"""Store: the journal on disk, and the lock that keeps a second keeper out."""

from keeper.store.journal import SqliteJournal
from keeper.store.lock import Lock

__all__ = ["Lock", "SqliteJournal"]
