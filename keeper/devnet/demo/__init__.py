"""The demo: the keeper itself, as a process of its own, in a crash, with everything that goes against it.

Whatever is said about the outcome is read from the chain; what the keeper says of itself is held against it.
"""

from __future__ import annotations

from keeper.devnet.demo.command import run

__all__ = ["run"]
