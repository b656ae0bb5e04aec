"""Arrow tables -> columns: events or training rows from Parquet and CSV, by the names of the native event.

A feature stands under `features.NAME` or its plain name; the output under `prediction`, `prediction.label`, `prediction.value` and
`prediction.score`; the truth, where it is known, under `label`. CSV has no types: there every column is text (`typed=False`), and text
that is a number counts as one.
"""

import difflib
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stream_monitor.capture.columns import Columns, Values
from stream_monitor.capture.schema import PREDICTION, SCORE, Column, Kind, Role, Schema, StreamKey
from stream_monitor.capture.table_fields import FEATURE_PREFIX, table_attributions, table_calls, table_extra, table_metadata
from stream_monitor.capture.table_time import table_times
from stream_monitor.capture.table_values import NUMBER_PATTERN, boolean_values, number_values, parse_numbers, text_values
from stream_monitor.errors import InputError

__all__ = [
    "FEATURE_PREFIX",
    "LABEL",
    "NUMBER_PATTERN",
    "column_name",
    "did_you_mean",
    "parse_numbers",
    "table_columns",
    "table_labels",
    "text_values",
]

LABEL: Final = "label"

_OUTPUT_NAMES: Final = {PREDICTION: (PREDICTION, "prediction.label", "prediction.value"), SCORE: (SCORE,)}


def table_columns(
    table: pa.Table, schema: Schema, stream: StreamKey, where: str, *, typed: bool = True, rows: NDArray[np.int64] | None = None
) -> Columns:
    """A table's rows as columns of `schema`.

    where: the file, for errors; rows: int64[n], the index of each row (default 0 … n - 1). Rows without a readable `time` have
    `UNREAD`; other columns that the schema does not ask for are ignored, but for `features.NAME` (see `table_extra`).
    Errors: InputError for an absent column.
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
        metadata=table_metadata(table, schema),
        extra=table_extra(table, schema),
        calls=table_calls(table, typed=typed),
        labels=table_labels(table, LABEL, schema, where) if _has_labels(table, schema) else (),
        attributions=table_attributions(table, schema, typed=typed),
    )


def table_labels(table: pa.Table, name: str, schema: Schema, where: str) -> Sequence[Any]:
    """`Columns.labels` of a column: numbers where the predictions are numbers, else the texts of classes. Errors: InputError."""
    if table[name].null_count == table.num_rows:
        return ()
    is_number = any(column == Column(PREDICTION, Kind.NUMERIC, Role.PREDICTION) for column in schema.columns)
    try:
        values = number_values(table[name], texts=True).tolist() if is_number else text_values(table[name])
    except pa.ArrowException as error:
        raise InputError(f"{where}, column `{name}`: cannot be read as labels: {str(error).splitlines()[0]}") from None
    return [None if value != value else value for value in values]  # NaN is no label


def _has_labels(table: pa.Table, schema: Schema) -> bool:
    """Whether `label` is the truth, and no feature by its plain name."""
    is_feature = any(column.role is Role.FEATURE and column.name == LABEL for column in schema.columns)
    return LABEL in table.column_names and (not is_feature or FEATURE_PREFIX + LABEL in table.column_names)


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
