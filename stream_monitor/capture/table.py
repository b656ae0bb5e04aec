"""Arrow tables -> columns: events or training rows from Parquet and CSV, by the names of the native event.

A feature stands under `features.NAME` or its plain name; the output under `prediction`, `prediction.label`, `prediction.value` and
`prediction.score`. CSV has no types: there every column is text (`typed=False`), and text that is a number counts as one.
"""

import difflib
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stream_monitor.capture.columns import INVALID, Columns, Values
from stream_monitor.capture.schema import PREDICTION, SCORE, Column, Kind, Role, Schema, StreamKey
from stream_monitor.capture.table_time import table_times
from stream_monitor.errors import InputError

FEATURE_PREFIX: Final = "features."
NUMBER_PATTERN: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
MISSING_TEXTS: Final = ("", "na", "n/a", "nan", "null", "none", "#n/a", "-nan", "+nan")
"""Texts (in lower case) that stand for "no number" in a numeric column of a CSV file."""

_OUTPUT_NAMES: Final = {PREDICTION: (PREDICTION, "prediction.label", "prediction.value"), SCORE: (SCORE,)}


def table_columns(
    table: pa.Table, schema: Schema, stream: StreamKey, where: str, *, typed: bool = True, rows: NDArray[np.int64] | None = None
) -> Columns:
    """A table's rows as columns of `schema`.

    where: the file, for errors; rows: int64[n], the index of each row (default 0 … n - 1). Rows without a readable `time` have
    `UNREAD`; columns of the table that the schema does not ask for are ignored. Errors: InputError for an absent column.
    """
    n = table.num_rows
    values = tuple(_column_values(table, column, where, typed=typed) for column in schema.columns)
    ids = text_values(table["event_id"]) if "event_id" in table.column_names else [None] * n
    return Columns(
        stream=stream,
        schema=schema,
        rows=np.arange(n, dtype=np.int64) if rows is None else rows,
        time_ms=table_times(table, "time"),
        values=values,
        event_ids=[text or "" for text in ids],
    )


def column_name(names: Sequence[str], column: Column, where: str) -> str:
    """Where a table holds a column of the schema. Errors: InputError with the nearest name."""
    plain = _OUTPUT_NAMES[column.name] if column.role is Role.PREDICTION else (FEATURE_PREFIX + column.name, column.name)
    for name in plain:
        if name in names:
            return name
    raise InputError(f"{where}: has no column `{column.name}`{did_you_mean(column.name, names)}")


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, or the first few."""
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean `{near[0]}`?"
    shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    return f"; it has {shown}" if names else ""


def _column_values(table: pa.Table, column: Column, where: str, *, typed: bool) -> Values:
    name = column_name(table.column_names, column, where)
    read: dict[Kind, Callable[[pa.ChunkedArray], Values]] = {
        Kind.NUMERIC: lambda array: number_values(array, texts=not typed),
        Kind.CATEGORICAL: text_values,
        Kind.BOOLEAN: lambda array: boolean_values(array, texts=not typed),
    }
    try:
        return read[column.kind](table[name])
    except pa.ArrowException as error:
        raise InputError(f"{where}, column `{name}`: cannot be read as {column.kind.value}: {str(error).splitlines()[0]}") from None


def number_values(array: pa.ChunkedArray, *, texts: bool) -> NDArray[np.float64]:
    """float64[n]: NaN for null and NaN, +inf for infinity, beyond float64, and anything that is no number.

    texts: text that is a number counts as one (`MISSING_TEXTS` as missing); else text is invalid. Timestamps and dates: ms since the
    epoch. Booleans are no numbers.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        return number_values(array.cast(kind.value_type), texts=texts)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        array = array.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
    elif _is_text(kind):
        array = parse_numbers(array) if texts else _all_invalid(array)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)):
        array = _all_invalid(array)
    floats = pc.fill_null(array.cast(pa.float64(), safe=False), np.nan)
    values = np.array(floats.to_numpy(), dtype=np.float64)
    values[np.isinf(values)] = np.inf
    return values


def parse_numbers(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as float64: null or NaN for missing, +-inf for what is no number. Blanks around a number do not matter."""
    texts = array.cast(pa.string())
    try:
        return texts.cast(pa.float64())  # five times as fast, and right where every text is a number
    except pa.ArrowInvalid:
        return _parse_some(pc.utf8_trim_whitespace(texts))


def _parse_some(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    numbers = pc.match_substring_regex(texts, NUMBER_PATTERN)
    missing = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(MISSING_TEXTS))
    parsed = pc.if_else(numbers, texts, None).cast(pa.float64())
    return pc.if_else(pc.or_(numbers, missing), parsed, np.inf)


def _all_invalid(array: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(array.is_valid(), np.inf, pa.scalar(None, pa.float64()))


def text_values(array: pa.ChunkedArray) -> list[str | None]:
    """N categories in their canonical text: strings as they are, `true` and `false`, `5`, `5.0`; timestamps in ISO 8601.

    None for null and NaN; `INVALID` for infinity.
    """
    kind = array.type
    if _is_text(kind):
        texts: list[str | None] = array.to_pylist()
        return texts
    encoded = array.combine_chunks() if pa.types.is_dictionary(kind) else array.combine_chunks().dictionary_encode()
    names = [_text(value) for value in encoded.dictionary.to_pylist()]
    places = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).tolist()
    return [None if place < 0 else names[place] for place in places]


def _text(value: object) -> str | None:
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return INVALID if value in (np.inf, -np.inf) else None if value != value else orjson.dumps(value).decode()
    isoformat = getattr(value, "isoformat", None)
    return str(isoformat()) if isoformat else str(value)


def boolean_values(array: pa.ChunkedArray, *, texts: bool) -> list[str | None]:
    """N times `true`, `false`, None or `INVALID`; texts: the words in any case count too."""
    if pa.types.is_boolean(array.type) or pa.types.is_null(array.type):
        return text_values(array)
    if not texts:
        return [None if missing else INVALID for missing in array.is_null().to_pylist()]
    known = {"true": "true", "false": "false", "": None}
    return [None if text is None else known.get(text.strip().lower(), INVALID) for text in text_values(array)]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
