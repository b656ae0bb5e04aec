"""What a table holds beside the columns of a schema: metadata under `metadata.NAME`, and features that the schema does not know."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stream_monitor.capture.convert import texts
from stream_monitor.capture.schema import Schema
from stream_monitor.capture.table_values import text_values

FEATURE_PREFIX: Final = "features."
METADATA_PREFIX: Final = "metadata."
EXTRA_MAX: Final = 64
"""Unknown features of one table that are looked at, as many as a stream of events learns: the first in the table's order."""


def table_metadata(table: pa.Table, schema: Schema) -> Mapping[str, Sequence[str | None]]:
    """For each field of `schema.metadata` n values: None for null, NaN, infinity, lists and structs, and where there is no such column."""
    return {name: _metadata_values(table, METADATA_PREFIX + name) for name in schema.metadata}


def table_extra(table: pa.Table, schema: Schema) -> Mapping[str, NDArray[np.bool_]]:
    """Of the columns `features.NAME` of which the schema knows no NAME, those that are not all null: bool[n], where they are not."""
    known = {FEATURE_PREFIX + column.name for column in schema.features}
    unknown = [name for name in table.column_names if name.startswith(FEATURE_PREFIX) and name not in known]
    held = {name: table[name] for name in unknown[:EXTRA_MAX] if table[name].null_count < table.num_rows}
    return {name.removeprefix(FEATURE_PREFIX): array.is_valid().to_numpy() for name, array in held.items()}


def _metadata_values(table: pa.Table, name: str) -> Sequence[str | None]:
    if name not in table.column_names or pa.types.is_nested(table[name].type):
        return [None] * table.num_rows
    return texts(text_values(table[name]))
