"""Files of captures as the chunks that `Replay` takes: JSON lines through the decoder of `run`, tables by their columns."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

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
"""Rows in one chunk: sources advance in step by so many, or by so much event time as `Pace` says."""
ROWS_MIN: Final = 50
"""However much event time they hold: where rows are in no order, each chunk would be a row."""


@dataclass(slots=True)
class Pace:
    """How many rows of a source are read at a time. span_ms: the event time that they may hold, None: any.

    Labels come in other files: what is read ahead of them is time that has passed before they come.
    """

    span_ms: int | None = None
    rows: int = ROWS

    @classmethod
    def beside_labels(cls, plan: Plan) -> "Pace":
        """A pane at a time, of the model with labels that has the shortest; events of a pane are put together anyway."""
        return cls(min((plan.streams[key].spec.pane_ms for join in plan.joins.values() for key in join.streams), default=None))

    def chunks(self, n: int, read: Callable[[int, int], Chunk]) -> Iterator[Chunk]:
        """All of n rows. read: from a row to before another."""
        start = 0
        while start < n:
            stop = min(n, start + self.rows)
            chunk = read(start, stop)
            if self._takes(chunk, stop - start):
                start = stop
                yield chunk

    def _takes(self, chunk: Chunk, n: int) -> bool:
        """Whether it is short enough; if not, fewer rows are read."""
        if self.span_ms is None:
            return True
        span_ms = _span_ms(chunk)
        if span_ms > self.span_ms and n > ROWS_MIN:
            self.rows = max(ROWS_MIN, min(n // 2, n * self.span_ms // span_ms))
            return False
        self.rows = min(ROWS, 2 * self.rows if 2 * span_ms < self.span_ms else self.rows)
        return True


def _span_ms(chunk: Chunk) -> int:
    parts: list[ArrayLike] = [part.time_ms for part in chunk.columns]
    times = np.concatenate([np.zeros(0, dtype=np.int64), *parts, *(part.time_ms for part in chunk.labels)])
    return int(times.max() - times.min()) if len(times) else 0


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


def read_chunks(file: Path, plan: Plan, progress: Progress, *, has_labels: bool = False) -> Iterator[Chunk]:
    """A file's rows, decoded. has_labels: files of labels are read beside it. Errors: InputError."""
    pace = Pace.beside_labels(plan) if has_labels else Pace()
    return (_events if file_kind(file) is FileKind.EVENTS else _tables)(file, plan, progress, pace)


def _events(file: Path, plan: Plan, progress: Progress, pace: Pace) -> Iterator[Chunk]:
    decoder = plan.decoder()

    def read(rows: list[Row]) -> Chunk:
        return Chunk(rows, *decoder.decode(rows, None))

    return _lines(file, progress, pace, read)


def _lines(file: Path, progress: Progress, pace: Pace, read: Callable[[list[Row]], Chunk]) -> Iterator[Chunk]:
    number = 0
    for lines in read_lines(file, progress):
        rows = [Row(str(file), number + place, line) for place, line in enumerate(lines) if line.strip()]
        yield from pace.chunks(len(rows), partial(_read_rows, read, rows))
        number += len(lines)


def _read_rows(read: Callable[[list[Row]], Chunk], rows: list[Row], start: int, stop: int) -> Chunk:
    return read(rows[start:stop])


def read_labels(file: Path, plan: Plan, progress: Progress) -> Iterator[Chunk]:
    """A file's labels, decoded. Errors: InputError."""
    if not file.name.lower().endswith(LABEL_SUFFIXES):
        raise InputError(
            f"{file}: labels are read from JSON lines ({', '.join(LABEL_FIELDS)}); the file must end in {', '.join(LABEL_SUFFIXES)}"
        )
    decoder = plan.label_decoder()

    def read(rows: list[Row]) -> Chunk:
        labels, rejects = decoder.decode(rows, range(len(rows)), None)
        return Chunk(rows, (), rejects, labels)

    return _lines(file, progress, Pace.beside_labels(plan), read)


def _tables(file: Path, plan: Plan, progress: Progress, pace: Pace) -> Iterator[Chunk]:
    number = 0
    for whole in read_tables(file, progress):
        if "time" not in whole.column_names:
            raise InputError(
                f"{file}: has no column `time`, by which events are put into windows; it has {', '.join(whole.column_names[:12])}"
            )
        yield from pace.chunks(whole.num_rows, partial(_read_table, file, plan, whole, number))
        number += whole.num_rows


def _read_table(file: Path, plan: Plan, whole: pa.Table, first: int, start: int, stop: int) -> Chunk:
    return _TableChunk(file, plan, whole.slice(start, stop - start), first + start).read()


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
