"""Files of events or training rows, read in bounded chunks: Parquet, CSV and native-event JSONL, the latter two also with gzip.

Every failure is an InputError that names the file. Progress is told in bytes of the file as it stands on disk.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Final, cast

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from stream_monitor.errors import InputError

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all) of one file; the last call has done = all."""

CHUNK_BYTES: Final = 4 * 2**20
CHUNK_ROWS: Final = 65_536


class FileKind(StrEnum):
    """What a file holds, told by its suffix."""

    PARQUET = "parquet"
    CSV = "csv"
    EVENTS = "events"


_SUFFIXES: Final = {
    ".parquet": FileKind.PARQUET,
    ".pq": FileKind.PARQUET,
    ".csv": FileKind.CSV,
    ".csv.gz": FileKind.CSV,
    ".jsonl": FileKind.EVENTS,
    ".jsonl.gz": FileKind.EVENTS,
    ".ndjson": FileKind.EVENTS,
    ".ndjson.gz": FileKind.EVENTS,
}


def silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


def file_kind(path: Path) -> FileKind:
    """Errors: InputError for a suffix we do not know."""
    for suffix, kind in _SUFFIXES.items():
        if path.name.lower().endswith(suffix):
            return kind
    raise InputError(f"{path}: unknown kind of file; it must end in {', '.join(_SUFFIXES)}")


def read_tables(path: Path, progress: Progress = silent) -> Iterator[pa.Table]:
    """A Parquet or CSV file as tables of bounded size, in order; CSV columns are all text, because CSV has no types.

    A file with columns but no rows gives one empty table. Errors: InputError.
    """
    read = _read_parquet if file_kind(path) is FileKind.PARQUET else _read_csv
    with _told(path):
        _require(path)
        yield from read(path, progress)


def read_lines(path: Path, progress: Progress = silent, chunk_bytes: int = CHUNK_BYTES) -> Iterator[list[bytes]]:
    """A file of JSON lines as lists of lines without their ends, each list about `chunk_bytes` long; empty lines come as b"".

    Errors: InputError.
    """
    with _told(path):
        total = _require(path)
        with path.open("rb") as raw:
            stream = _plain(path, raw)
            while lines := stream.readlines(chunk_bytes):
                progress(min(raw.tell(), total), total)
                yield [line.rstrip(b"\r\n") for line in lines]
        progress(total, total)


def _read_parquet(path: Path, progress: Progress) -> Iterator[pa.Table]:
    with pyarrow.parquet.ParquetFile(path) as file:
        total, rows, done = path.stat().st_size, max(file.metadata.num_rows, 1), 0
        _unique(path, file.schema_arrow.names)
        yield file.schema_arrow.empty_table()
        for batch in file.iter_batches(batch_size=CHUNK_ROWS):
            done += batch.num_rows
            yield pa.Table.from_batches([batch])
            progress(total * done // rows, total)
    progress(total, total)


def _read_csv(path: Path, progress: Progress) -> Iterator[pa.Table]:
    names = _csv_names(path)
    convert = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True
    )
    total = path.stat().st_size
    with path.open("rb") as raw:
        yield pa.schema([(name, pa.string()) for name in names]).empty_table()
        for batch in pyarrow.csv.open_csv(_plain(path, raw), _csv_blocks(), _csv_form(), convert):
            yield pa.Table.from_batches([batch])
            progress(min(raw.tell(), total), total)
    progress(total, total)


def _csv_blocks() -> "pyarrow.csv.ReadOptions":
    # One thread: with more, the file's position would tell nothing about progress.
    return pyarrow.csv.ReadOptions(block_size=CHUNK_BYTES, use_threads=False)


def _csv_form() -> "pyarrow.csv.ParseOptions":
    return pyarrow.csv.ParseOptions(newlines_in_values=True)


def _csv_names(path: Path) -> list[str]:
    with path.open("rb") as raw:
        names = cast(list[str], pyarrow.csv.open_csv(_plain(path, raw), _csv_blocks(), _csv_form()).schema.names)
    _unique(path, names)
    return names


def _unique(path: Path, names: list[str]) -> None:
    if not names:
        raise InputError(f"{path}: has no columns")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{path}: has two columns named `{name}`; rename one")
        seen.add(name)


def _plain(path: Path, raw: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if path.name.lower().endswith(".gz") else raw


def _require(path: Path) -> int:
    """The size of a file that can be read."""
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    if not path.is_file():
        raise InputError(f"{path}: is not a file")
    if (size := path.stat().st_size) == 0:
        raise InputError(f"{path}: is empty")
    return size


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What goes wrong inside becomes one sentence that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__).split("\n")[0].rstrip(".")
        raise InputError(f"{path}: cannot be read: {reason}") from None
