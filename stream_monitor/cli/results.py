"""The files that `replay` and `demo` leave: alerts.jsonl, windows.jsonl, metrics.prom, and dead letters where there were any."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from stream_monitor.errors import InputError
from stream_monitor.export.metrics import MetricStore

NAMES: Final = ("alerts.jsonl", "windows.jsonl", "dead_letters.jsonl", "metrics.prom")


class Results:
    """A folder of results, written line by line; made at once, so that a folder that cannot be written is said before the work.

    Errors: InputError.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._files: dict[str, IO[bytes]] = {name: (folder / name).open("wb") for name in NAMES[:3]}
        except OSError as error:
            raise InputError(f"--out {folder}: cannot be written: {error.strerror}") from None

    def write(self, name: str, lines: Iterable[bytes]) -> int:
        """Append lines to one of the files; gives how many."""
        count = 0
        for line in lines:
            self._files[name].write(line + b"\n")
            count += 1
        return count

    def finish(self, store: MetricStore) -> list[Path]:
        """Close the files and write the last scrape; gives what was written."""
        self.__exit__(None, None, None)
        (self.folder / "metrics.prom").write_text(store.text(), encoding="utf-8")
        return [self.folder / name for name in NAMES]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in self._files.values():
            file.close()
