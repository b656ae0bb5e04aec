"""Files of captures as the chunks that `Replay` takes: JSON lines through the decoder of `run`, tables by their columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from stream_monitor.capture.columns import Columns
from stream_monitor.capture.files import FileKind, Progress, file_kind, read_lines, read_tables
from stream_monitor.capture.labels import LABEL_FIELDS
from stream_monitor.capture.reject import Reason, Reject
from stream_monitor.capture.schema import StreamKey
from stream_monitor.capture.table import table_columns, text_values
from stream_monitor.capture.table_time import table_times
from stream_monitor.capture.times import UNREAD, YEAR_2000_MS
from stream_monitor.errors import InputError
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.replay import Chunk

LABEL_SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
ROWS: Final = 5_000
"""Rows in one chunk: sources advance in step by so many."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file in the shape of a Kafka message: the file is the topic, the row's number (from 0) the offset."""

    file: str
    number: int
    content: bytes = b""

    def topic(self) -> str:
        """The file."""
        return self.file

    def partition(self) -> int:
        """Always 0."""
        return 0

    def offset(self) -> int:
        """The row's number, from 0."""
        return self.number

    def key(self) -> bytes | None:
        """None."""
        return None

    def value(self) -> bytes | None:
        """The row's text."""
        return self.content

    def timestamp(self) -> tuple[int, int]:
        """None: files have no record timestamps."""
        return (0, -1)

    def headers(self) -> list[tuple[str, bytes]] | None:
        """None."""
        return None


def read_chunks(file: Path, plan: Plan, progress: Progress) -> Iterator[Chunk]:
    """A file's rows, decoded. Errors: InputError."""
    return _events(file, plan, progress) if file_kind(file) is FileKind.EVENTS else _tables(file, plan, progress)


def _events(file: Path, plan: Plan, progress: Progress) -> Iterator[Chunk]:
    decoder = plan.decoder()
    number = 0
    for lines in read_lines(file, progress):
        for start in range(0, len(lines), ROWS):
            rows = [Row(str(file), number + place, line) for place, line in enumerate(lines[start : start + ROWS], start) if line.strip()]
            yield Chunk(rows, *decoder.decode(rows, None))
        number += len(lines)


def read_labels(file: Path, plan: Plan, progress: Progress) -> Iterator[Chunk]:
    """A file's labels, decoded. Errors: InputError."""
    if not file.name.lower().endswith(LABEL_SUFFIXES):
        raise InputError(
            f"{file}: labels are read from JSON lines ({', '.join(LABEL_FIELDS)}); the file must end in {', '.join(LABEL_SUFFIXES)}"
        )
    decoder, number = plan.label_decoder(), 0
    for lines in read_lines(file, progress):
        for start in range(0, len(lines), ROWS):
            rows = [Row(str(file), number + place, line) for place, line in enumerate(lines[start : start + ROWS], start) if line.strip()]
            labels, rejects = decoder.decode(rows, range(len(rows)), None)
            yield Chunk(rows, (), rejects, labels)
        number += len(lines)


def _tables(file: Path, plan: Plan, progress: Progress) -> Iterator[Chunk]:
    number = 0
    for whole in read_tables(file, progress):
        if "time" not in whole.column_names:
            raise InputError(
                f"{file}: has no column `time`, by which events are put into windows; it has {', '.join(whole.column_names[:12])}"
            )
        for start in range(0, whole.num_rows, ROWS):
            yield _TableChunk(file, plan, whole.slice(start, ROWS), number + start).read()
        number += whole.num_rows


@dataclass(slots=True)
class _TableChunk:
    """Some rows of a table, on their way to columns by stream."""

    file: Path
    plan: Plan
    table: pa.Table
    first: int
    rejects: list[Reject] = field(default_factory=list)

    def read(self) -> Chunk:
        """The chunk."""
        streams = self._streams()
        good = self._in_time()
        keys = sorted({key for key in streams if key is not None}, key=repr)
        rows = {key: np.array([row for row in good if streams[row] == key], dtype=np.int64) for key in keys}
        columns = [self._columns(key, rows[key]) for key in keys if len(rows[key])]
        return Chunk(self._messages(), columns, sorted(self.rejects, key=lambda reject: reject.row))

    def _streams(self) -> Sequence[StreamKey | None]:
        """Each row's stream; None and a reject where the config has no such model."""
        models, versions = self._texts("model"), self._texts("version")
        known = list(self.plan.config.models)
        if "model" not in self.table.column_names and len(known) > 1:
            raise InputError(f"{self.file}: has no column `model`, and the config names several: {', '.join(known)}")
        streams: list[StreamKey | None] = []
        for row, (model, version) in enumerate(zip(models, versions, strict=True)):
            name = known[0] if model is None and len(known) == 1 else model
            key = StreamKey(name or "", version)
            key = key if key in self.plan.streams else StreamKey(name or "", None)
            streams.append(key if key in self.plan.streams else None)
            if streams[-1] is None:
                self.rejects.append(Reject(row, Reason.UNKNOWN_MODEL, f"the config has no model {str(name)[:40]!r}"))
        return streams

    def _in_time(self) -> list[int]:
        refused = {reject.row for reject in self.rejects}
        times = table_times(self.table, "time")
        for row in np.flatnonzero(times < YEAR_2000_MS).tolist():
            if row not in refused:
                unread = times[row] == UNREAD
                self.rejects.append(
                    Reject(
                        row,
                        Reason.WRONG_VALUE if unread else Reason.TIME_OUT_OF_RANGE,
                        "time: not a time" if unread else "time: before the year 2000",
                    )
                )
        return [row for row in np.flatnonzero(times >= YEAR_2000_MS).tolist() if row not in refused]

    def _columns(self, key: StreamKey, rows: NDArray[np.int64]) -> Columns:
        schema = self.plan.streams[key].baseline.schema
        typed = file_kind(self.file) is not FileKind.CSV
        return table_columns(self.table.take(rows), schema, key, str(self.file), typed=typed, rows=rows)

    def _texts(self, name: str) -> Sequence[str | None]:
        return text_values(self.table[name]) if name in self.table.column_names else [None] * self.table.num_rows

    def _messages(self) -> list[Row]:
        refused = {reject.row for reject in self.rejects}
        contents = {row: orjson.dumps(self.table.slice(row, 1).to_pylist()[0], default=str) for row in refused}
        return [Row(str(self.file), self.first + row, contents.get(row, b"")) for row in range(self.table.num_rows)]
