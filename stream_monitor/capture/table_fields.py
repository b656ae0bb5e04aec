"""What a table holds beside the columns of a schema: metadata, unknown features, how the calls went, what each feature counted for."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stream_monitor.capture.attributions import Attributed, attributions_of
from stream_monitor.capture.calls import LATENCY, RESOURCES, Calls
from stream_monitor.capture.convert import texts
from stream_monitor.capture.schema import Schema
from stream_monitor.capture.table_values import number_values, text_values

FEATURE_PREFIX: Final = "features."
METADATA_PREFIX: Final = "metadata."
RESOURCE_PREFIX: Final = "resources."
ATTRIBUTION_PREFIX: Final = "attributions."
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


def table_calls(table: pa.Table, *, typed: bool) -> Calls | None:
    """From `latency_ms`, `status`, `error` and `resources.NAME`; None where no row has any of them. typed: see `table`."""
    places = {LATENCY: LATENCY} | {name: RESOURCE_PREFIX + name for name in RESOURCES}
    found = {name: place for name, place in places.items() if _is_told(table, place)}
    if not found and not _is_told(table, "status"):
        return None
    measures = {name: number_values(table[place], texts=not typed) for name, place in found.items()}
    states = _texts_of(table, "status") if _is_told(table, "status") else None
    return Calls.of(measures, states, _texts_of(table, "error"), table.num_rows)


def table_attributions(table: pa.Table, schema: Schema, *, typed: bool) -> Attributed:
    """From the columns `attributions.NAME` that the schema asks for. typed: see `table`."""
    found = [name for name in schema.attributions if _is_told(table, ATTRIBUTION_PREFIX + name)]
    return attributions_of({name: number_values(table[ATTRIBUTION_PREFIX + name], texts=not typed) for name in found})


def _is_told(table: pa.Table, name: str) -> bool:
    return name in table.column_names and table[name].null_count < table.num_rows


def _texts_of(table: pa.Table, name: str) -> Sequence[str | None]:
    """CSV may write no text for null."""
    return [text or None for text in _metadata_values(table, name)]


def _metadata_values(table: pa.Table, name: str) -> Sequence[str | None]:
    if name not in table.column_names or pa.types.is_nested(table[name].type):
        return [None] * table.num_rows
    return texts(text_values(table[name]))
