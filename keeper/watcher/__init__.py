"""The watcher: every borrower in memory, at one state after another."""

from keeper.watcher.book import Book
from keeper.watcher.depths import Depths
from keeper.watcher.watcher import Watcher

__all__ = ["Book", "Depths", "Watcher"]
