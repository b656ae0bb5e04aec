"""A progress bar on stderr, for work that lasts over a second in front of a person."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

QUIET_SECONDS = 1.0
"""Shorter work shows nothing."""


class ByteBar:
    """A `capture.files.Progress` over several files; a context manager, entered and called by a command.

    total: bytes in all, over all files and passes. Without a terminal on stderr it does nothing.
    """

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total = label, total
        self._started = time.monotonic()
        self._base = self._last = 0
        self._progress: Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        """So many bytes of the current file are done; fewer than last time means that another file began."""
        if done < self._last:
            self._base += self._last
        self._last = done
        if self._progress is None and sys.stderr.isatty() and time.monotonic() - self._started > QUIET_SECONDS:
            self._show()
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=min(self._base + done, self._total))

    def _show(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._progress.add_task(self._label, total=self._total)
        self._progress.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._progress is not None:
            self._progress.stop()
