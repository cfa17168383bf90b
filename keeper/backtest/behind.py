"""Jobs that are done behind the caller's back: in a thread, one after another, and nobody waits for them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

_MOST_WAITING = 4_096


class Behind:
    """One thread, and what waits for it. What finds no room is refused: the caller goes on either way."""

    def __init__(self, *, most_waiting: int = _MOST_WAITING) -> None:
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(most_waiting)
        self._thread = threading.Thread(target=self._work, name="behind", daemon=True)
        self._thread.start()

    def do(self, job: Callable[[], None]) -> bool:
        """Return whether the job will be done. It must not raise."""
        try:
            self._waiting.put_nowait(job)
        except queue.Full:
            return False
        return True

    def close(self, *, within_s: float = 10.0) -> None:
        """Have what waits done, and end the thread."""
        self._waiting.put(None)
        self._thread.join(within_s)

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            job()
