"""Decoded events of one stream, from structs to columns; and which of them a second look must judge."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from msgspec import UNSET, Raw
from msgspec.structs import astuple
from numpy.typing import NDArray

from stream_monitor.capture import cloudevents
from stream_monitor.capture import columns as capture_columns
from stream_monitor.capture.attributions import NOTHING, Attributed, attributions_of
from stream_monitor.capture.call_fields import RESOURCE_FIELDS, calls_of
from stream_monitor.capture.calls import Calls
from stream_monitor.capture.columns import Columns, Values
from stream_monitor.capture.convert import column, has_none, numbers, only_numbers, texts
from stream_monitor.capture.envelope import is_event_id
from stream_monitor.capture.metadata import Members, MetadataFields
from stream_monitor.capture.native import Bounds, fallback_time
from stream_monitor.capture.parse import DEPTH_MAX, is_plain
from stream_monitor.capture.prediction import Outputs, outputs_of, prediction_column
from stream_monitor.capture.schema import Kind, Role, Schema, StreamKey
from stream_monitor.capture.shape import EVENT, FEATURES, PREDICTION, SHALLOW, Event, Shape
from stream_monitor.capture.times import UNREAD, read_times

Messages = Sequence[capture_columns.Raw]
_ID_CHARS_SURE: Final = 64
"""So many characters are never more than 256 bytes."""
_RAW_OPENINGS_MAX: Final = DEPTH_MAX - 2
"""An ignored value stands at most two levels deep in its message."""
_NOTHING: Final = (None, None, None, None)


@dataclass(eq=False, slots=True)
class Chunk:
    """Events of one stream and one shape, in the order of their rows; rows[i] is the index of events[i] in the batch."""

    schema: Schema
    shape: Shape
    rows: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Envelopes:
    """A chunk's n envelopes, taken apart.

    event_ids: n, None where there is none anywhere; time_ms: int64[n], `UNREAD` where it is none or unreadable.
    metadata: the fields that the schema asks for; resources, attributions: None where no event has any, or none is asked for.
    ignored: n entries of each learned name, UNSET where it is absent.
    unknown_fields: the learned fields that are there, over all n.
    """

    event_ids: Sequence[str | None]
    time_ms: NDArray[np.int64]
    outputs: Outputs
    latencies: Sequence[float | None]
    statuses: Sequence[str | None]
    errors: Sequence[str | None]
    labels: Sequence[Any]
    metadata: Members
    resources: Members | None
    attributions: Members | None
    shallow: tuple[Sequence[Any], ...]
    ignored: tuple[Sequence[Any], ...]
    unknown_fields: int


def envelopes_of(chunk: Chunk, messages: Messages) -> Envelopes:
    """Take a chunk of at least one event apart; headers and Kafka timestamps stand in for absent ids and times."""
    fields = dict(zip(chunk.shape.fields, zip(*map(_tuple, chunk.events), strict=True), strict=True))
    ids, times = fields["event_id"], fields["time"]
    if has_none(ids):
        pairs = zip(ids, chunk.rows, strict=True)
        ids = tuple(cloudevents.attribute(messages[row], cloudevents.ID) if value is None else value for value, row in pairs)
    if has_none(times):
        pairs = zip(times, chunk.rows, strict=True)
        times = tuple(fallback_time(messages[row]) if value is None else value for value, row in pairs)
    ignored = tuple(_learned(chunk, fields))
    return Envelopes(
        event_ids=ids,
        time_ms=times_of(times),
        outputs=outputs_of(fields["prediction"]),
        latencies=fields["latency_ms"],
        statuses=fields["status"],
        errors=fields["error"],
        labels=fields["label"],
        metadata=chunk.shape.metadata.read(fields["metadata"]),
        resources=_told(RESOURCE_FIELDS, fields["resources"]),
        attributions=_told(chunk.shape.attributions, fields["attributions"]),
        shallow=tuple(fields[name] for name in SHALLOW),
        ignored=ignored,
        unknown_fields=sum(len(values) - values.count(UNSET) for values in ignored),
    )


def doubtful(envelopes: Envelopes, bounds: Bounds) -> set[int]:
    """Positions of the events that the typed decode took and the contract may refuse: the slow path must judge them."""
    time_ms = envelopes.time_ms
    doubts: set[int] = set(np.flatnonzero((time_ms < bounds.earliest_ms) | (time_ms > bounds.latest_ms)).tolist())
    doubts.update(_doubtful_ids(envelopes.event_ids))
    doubts.update(_doubtful_outputs(envelopes.outputs, envelopes.statuses))
    doubts.update(envelopes.metadata.unread)
    for members in (envelopes.resources, envelopes.attributions):
        doubts.update(members.unread if members else ())
    for values in envelopes.shallow:
        doubts.update(_doubtful_raws(values, object_only=True))
    for values in envelopes.ignored:
        doubts.update(_doubtful_raws(values, object_only=False))
    return doubts


def columns_of(stream: StreamKey, chunk: Chunk, envelopes: Envelopes, positive_class: str | None) -> Columns:
    """The columns of a chunk of at least one event."""
    features = iter(_features(chunk))
    values: list[Values] = []
    for wanted in chunk.schema.columns:
        if wanted.role is Role.FEATURE:
            entries = next(features)
            sure = wanted.kind is Kind.NUMERIC and wanted.name not in chunk.shape.loose
            values.append(only_numbers(entries) if sure else column(entries, wanted.kind))
        else:
            values.append(prediction_column(envelopes.outputs, wanted, positive_class))
    return Columns(
        stream=stream,
        schema=chunk.schema,
        rows=np.array(chunk.rows, dtype=np.int64),
        time_ms=envelopes.time_ms,
        values=tuple(values),
        event_ids=envelopes.event_ids,  # type: ignore[arg-type]  # one without an id was doubtful, and the slow path rejected it
        unknown_fields=envelopes.unknown_fields,
        metadata=dict(zip(chunk.shape.metadata.names, map(texts, envelopes.metadata.values), strict=True)),
        extra=_extra(chunk.shape, envelopes),
        calls=_calls(envelopes),
        labels=() if envelopes.labels.count(None) == len(envelopes.labels) else envelopes.labels,
        attributions=_attributions(chunk.shape, envelopes),
    )


def times_of(values: Sequence[str | int | None]) -> NDArray[np.int64]:
    """int64[n]: strings read, integers as they are; `UNREAD` for None, for strings that are no time and for integers beyond int64."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return read_times(values)  # type: ignore[arg-type]  # every type was looked at
    times = np.fromiter((_integer(value) for value in values), dtype=np.int64, count=len(values))
    if str in kinds:
        texts = [i for i, value in enumerate(values) if type(value) is str]
        times[texts] = read_times([str(values[i]) for i in texts])
    return times


def _tuple(event: Event) -> tuple[Any, ...]:
    return astuple(event)  # type: ignore[arg-type]  # every Event is a struct


def _integer(value: str | int | None) -> int:
    return value if type(value) is int and -(2**62) < value < 2**62 else UNREAD


def _features(chunk: Chunk) -> list[Sequence[Any]]:
    """The values of each feature of the schema, in its order."""
    by_slot = list(zip(*[astuple(event.features) for event in chunk.events], strict=True))
    return [by_slot[slot] for slot in chunk.shape.feature_slots]


def _learned(chunk: Chunk, fields: dict[str, tuple[Any, ...]]) -> Iterable[tuple[Any, ...]]:
    """The n entries of each learned name: UNSET where it is absent."""
    for i, (scope, _) in enumerate(chunk.shape.learned):
        if scope == EVENT:
            yield fields[f"u{i}"]
        elif scope == FEATURES:
            yield tuple(getattr(event.features, f"u{i}") for event in chunk.events)
        elif scope == PREDICTION:
            yield tuple(getattr(event.prediction, f"u{i}", UNSET) for event in chunk.events)


def _extra(shape: Shape, envelopes: Envelopes) -> dict[str, NDArray[np.bool_]]:
    """For each learned feature that is there: bool[n], in which events."""
    learned = zip(shape.learned, envelopes.ignored, strict=True)
    held = [(name, values) for (scope, name), values in learned if scope == FEATURES and values.count(UNSET) < len(values)]
    return {name: np.array([value is not UNSET for value in values], dtype=np.bool_) for name, values in held}


def _calls(envelopes: Envelopes) -> Calls | None:
    resources = envelopes.resources.values if envelopes.resources else None
    return calls_of(envelopes.latencies, envelopes.statuses, envelopes.errors, resources)


def _attributions(shape: Shape, envelopes: Envelopes) -> Attributed:
    if envelopes.attributions is None:
        return NOTHING
    return attributions_of(dict(zip(shape.attributions.names, map(numbers, envelopes.attributions.values), strict=True)))


def _told(fields: MetadataFields, skipped: Sequence[Any]) -> Members | None:
    return fields.read(skipped) if fields.names and skipped.count(UNSET) < len(skipped) else None


def _doubtful_ids(ids: Sequence[str | None]) -> Iterable[int]:
    if not has_none(ids) and "" not in ids and max(map(len, ids)) <= _ID_CHARS_SURE:  # type: ignore[arg-type]  # None was looked for
        return ()
    return [i for i, text in enumerate(ids) if text is None or not is_event_id(text)]


def _doubtful_outputs(outputs: Outputs, statuses: Sequence[str | None]) -> Iterable[int]:
    """No output at all, neither a bare one nor any member of an object, and the call has not failed (or an object says nothing)."""
    if not has_none(outputs.labels):
        return ()
    return [i for i, parts in enumerate(zip(*outputs, strict=True)) if parts == _NOTHING and statuses[i] != "error"]


def _doubtful_raws(values: Sequence[Any], object_only: bool) -> Iterable[int]:
    if values.count(UNSET) == len(values):
        return ()
    return [i for i, value in enumerate(values) if isinstance(value, Raw) and not _is_harmless(bytes(value), object_only)]


def _is_harmless(value: bytes, object_only: bool) -> bool:
    if object_only and not value.startswith(b"{") and value != b"null":
        return False
    return is_plain(value, _RAW_OPENINGS_MAX)
