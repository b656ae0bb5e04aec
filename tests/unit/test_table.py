"""Tables of events -> columns, and the files they come from."""

import gzip
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream_monitor.capture.columns import INVALID
from stream_monitor.capture.files import read_lines, read_tables
from stream_monitor.capture.schema import Column, Kind, Role, Schema, StreamKey
from stream_monitor.capture.table import table_columns
from stream_monitor.capture.table_time import format_time, table_times
from stream_monitor.capture.table_values import boolean_values, number_values, text_values
from stream_monitor.capture.times import UNREAD
from stream_monitor.errors import InputError

STREAM = StreamKey("m", None)
NOON_MS = 1767268800000


def chunked(values: Any, kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


def test_names_are_those_of_the_native_event() -> None:
    schema = Schema(
        (
            Column("x", Kind.NUMERIC),
            Column("city", Kind.CATEGORICAL),
            Column("prediction", Kind.CATEGORICAL, Role.PREDICTION),
            Column("prediction.score", Kind.NUMERIC, Role.PREDICTION),
        )
    )
    table = pa.table(
        {
            "event_id": ["a", None],
            "time": ["2026-01-01T12:00:00Z", "soon"],
            "features.x": [1, None],
            "city": ["ulm", None],
            "prediction.label": [1, 0],
            "prediction.score": [0.5, 2.0],
        }
    )
    columns = table_columns(table, schema, STREAM, "events.parquet")
    x, city, label, score = columns.values
    assert np.array_equal(np.asarray(x), [1.0, np.nan], equal_nan=True)
    assert (city, label, list(score)) == (["ulm", None], ["1", "0"], [0.5, 2.0])
    assert columns.time_ms.tolist() == [NOON_MS, UNREAD]
    assert columns.event_ids == ["a", ""]
    assert columns.rows.tolist() == [0, 1]


def test_an_absent_column_is_named_with_its_neighbour() -> None:
    with pytest.raises(InputError, match=r"^events\.csv: has no column `amount`; did you mean `amuont`\?"):
        table_columns(pa.table({"amuont": [1]}), Schema((Column("amount", Kind.NUMERIC),)), STREAM, "events.csv")


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, None, -3], pa.int64(), [1.0, np.nan, -3.0]),
        ([2**63], pa.uint64(), [2.0**63]),
        ([0.5, np.nan, -np.inf, None], pa.float32(), [0.5, np.nan, np.inf, np.nan]),
        ([True, None], pa.bool_(), [np.inf, np.nan]),
        (["1", None], pa.string(), [np.inf, np.nan]),
        (["1"], pa.large_string(), [np.inf]),
        ([None], pa.null(), [np.nan]),
        ([[1]], pa.list_(pa.int64()), [np.inf]),
        ([datetime(2026, 1, 1, 12, tzinfo=UTC)], pa.timestamp("us", "UTC"), [float(NOON_MS)]),
    ],
)
def test_numbers(values: list[Any], kind: pa.DataType, expected: list[float]) -> None:
    assert np.array_equal(number_values(chunked(values, kind), texts=False), expected, equal_nan=True)


def test_numbers_as_text() -> None:
    texts = ["1", " -2.5e3 ", "+.5", "5.", "", "NaN", "n/a", None, "1e400", "0x10", "1_0", "1,5", "inf", "\u0661"]
    expected = [1, -2500, 0.5, 5, *[np.nan] * 4, *[np.inf] * 6]
    assert np.array_equal(number_values(chunked(texts), texts=True), expected, equal_nan=True)


def test_texts_are_canonical() -> None:
    assert text_values(chunked([True, False, None])) == ["true", "false", None]
    assert text_values(chunked([5, None])) == ["5", None]
    assert text_values(chunked([5.0, 0.1, np.nan, None])) == ["5.0", "0.1", None, None]
    assert text_values(chunked([np.inf]))[0] is INVALID
    assert text_values(pa.chunked_array([pa.array(["a", None]).dictionary_encode(), pa.array(["b", "a"]).dictionary_encode()])) == [
        "a",
        None,
        "b",
        "a",
    ]


def test_booleans() -> None:
    assert boolean_values(chunked([True, None]), texts=False) == ["true", None]
    assert boolean_values(chunked(["TRUE", " false", "", "1", None]), texts=True) == ["true", "false", None, INVALID, None]
    assert boolean_values(chunked(["true", None]), texts=False) == [INVALID, None]


@pytest.mark.parametrize(
    "values",
    [
        ["2026-01-01T12:00:00Z"],
        ["2026-01-01T13:00:00.000+01:00"],
        ["2026-01-01 12:00:00"],
        [str(NOON_MS)],
        [NOON_MS],
        [float(NOON_MS)],
        [datetime(2026, 1, 1, 12, tzinfo=UTC)],
        [datetime(2026, 1, 1, 12)],
        [datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))],
    ],
)
def test_forms_of_time(values: list[Any]) -> None:
    assert table_times(pa.table({"time": values}), "time").tolist() == [NOON_MS]


@pytest.mark.parametrize("value", ["", "soon", "9" * 30, "1e3", 2**62, -(2**62), 1e300, float("nan"), None])
def test_what_is_no_time(value: Any) -> None:
    assert table_times(pa.table({"time": [value]}), "time").tolist() == [UNREAD]


def test_times_are_written_as_read() -> None:
    assert format_time(NOON_MS + 7) == "2026-01-01T12:00:00.007Z"
    assert format_time(-1) == "1969-12-31T23:59:59.999Z"


def test_tables_come_in_portions_and_tell_their_progress(tmp_path: Path) -> None:
    path, told = tmp_path / "big.parquet", []
    pq.write_table(pa.table({"x": np.arange(150_000)}), path)
    tables = list(read_tables(path, lambda done, total: told.append(done / total)))
    assert [table.num_rows for table in tables] == [0, 65_536, 65_536, 18_928]
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_lines_come_in_portions_without_their_ends(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b"one\r\n\ntwo"))
    assert list(read_lines(path, chunk_bytes=3)) == [[b"one"], [b"", b"two"]]


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.csv.gz"])
def test_damaged_tables_are_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for content, sentence in ((None, "there is no such file"), (b"", "is empty"), (b"\x00\xff\x01,\n\xff", "cannot be read: ")):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=f"^{path}: {sentence}") as caught:
            list(read_tables(path))
        assert "\n" not in str(caught.value)


def test_a_torn_archive_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b"line\n" * 1_000)[:-12])
    with pytest.raises(InputError, match="cannot be read: "):
        list(read_lines(path))


def test_a_header_without_rows_gives_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n")
    assert next((table.column_names, table.num_rows) for table in read_tables(path)) == (["x", "y"], 0)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,x\n1,2\n")
    with pytest.raises(InputError, match="two columns named `x`"):
        list(read_tables(path))


def test_rows_of_unequal_length_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,2\n3\n")
    with pytest.raises(InputError, match=r"a\.csv: cannot be read: .*Expected 2 columns, got 1"):
        list(read_tables(path))
