"""How far the first reading is: a bar on a terminal, with its rate and the time that is left."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from keeper.domain.events import Event, Listener, Loading
from keeper.render.figures import short_market


class ProgressBars:
    """A listener that draws what is being read, and hands every other event on."""

    def __init__(self, listener: Listener, stream: TextIO) -> None:
        """`stream` is the terminal's."""
        self._listener = listener
        self._console = Console(file=stream)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._drawn = ("", "")

    def __call__(self, event: Event, /) -> None:
        if not isinstance(event, Loading):
            self._end()
            self._listener(event)
            return
        progress, task = self._bar(event)
        left = "" if event.left_s is None else f"{event.left_s:,.0f} s left"
        progress.update(task, completed=event.done, rate=f"{event.rate_s:,.0f}/s", left=left)
        if event.done >= event.of:
            self._end()

    def _bar(self, event: Loading) -> tuple[Progress, TaskID]:
        """Return the bar of what is being read, drawn anew where that is something else."""
        if self._progress is None or self._task is None or self._drawn != (event.source, event.what):
            self._end()
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TextColumn("{task.fields[left]}"),
                console=self._console,
            )
            name = f"{short_market(event.source)}: {event.what}"
            self._task = self._progress.add_task(name, total=event.of, rate="", left="")
            self._drawn = event.source, event.what
            self._progress.start()
        return self._progress, self._task

    def _end(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress = self._task = None
