"""Signs of life for a supervisor: a file touched at each head handled, and systemd's watchdog.

The file holds the last head in JSON, so that it also says how far the keeper is, and how many mismatches its
audits have found since it started. Neither sign is worth stopping for: what can't be written is logged once.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from pathlib import Path

from keeper.domain.events import Audited, Decided, Event, Overtaken, Started, Stopped
from keeper.domain.head import Head

_log = logging.getLogger(__name__)


class Heartbeat:
    """A :class:`keeper.domain.events.Listener` that turns events into signs of life."""

    def __init__(self, path: Path, *, notify_socket: str | None = None) -> None:
        """`notify_socket` is what systemd calls NOTIFY_SOCKET: a path, or a name after ``@``."""
        self._path = path
        self._notify_socket = notify_socket
        self._complained = False
        self._mismatches = 0

    def __call__(self, event: Event) -> None:
        """Show that the keeper lives, where the event says so."""
        match event:
            case Started(head=head):
                self._beat(head)
                self._notify("READY=1")
            case Decided(head=head) | Overtaken(head=head):
                self._beat(head)
                self._notify(f"WATCHDOG=1\nSTATUS=at block {head.number}")
            case Audited():
                self._mismatches += 1
            case Stopped():
                self._notify("STOPPING=1")
            case _:
                pass

    def _beat(self, head: Head) -> None:
        """Write the file anew, whole: whoever reads it never sees half of it."""
        told = {
            "head": head.number,
            "hash": "0x" + head.hash.hex(),
            "timestamp_s": head.timestamp_s,
            "pid": os.getpid(),
            "mismatches": self._mismatches,
        }
        unfinished = self._path.with_name(self._path.name + ".new")
        try:
            unfinished.write_text(json.dumps(told) + "\n", "utf-8")
            unfinished.replace(self._path)
        except OSError as error:
            self._complain(f"the heartbeat {self._path} can't be written: {error.strerror}")

    def _notify(self, state: str) -> None:
        """Tell systemd, by the protocol of sd_notify(3)."""
        if self._notify_socket is None:
            return
        address = self._notify_socket
        if address.startswith("@"):  # an abstract name
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
                to.connect(address)
                to.sendall(state.encode())
        except OSError as error:
            self._complain(f"systemd's {self._notify_socket} can't be told: {error.strerror}")

    def _complain(self, what: str) -> None:
        if not self._complained:
            _log.warning(what)
        self._complained = True
