"""The msgspec types of one stream's events: what makes the fast path fast.

Every feature is a typed slot, so a well-formed message becomes Python values in one call, and a bad one is an exception of its own.
Names that the schema does not know are errors to msgspec until they are learned: then they are slots too, skipped and counted.
So are features of which values of a wrong type have come: their slots take any scalar, and the column tells the invalid ones apart.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol, cast

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from stream_monitor.capture.metadata import MetadataFields
from stream_monitor.capture.parse import is_plain, is_writable
from stream_monitor.capture.schema import Column, Kind, Schema

Scalar = str | int | float | bool | None
_FEATURE: Final = {Kind.NUMERIC: float | None, Kind.BOOLEAN: bool | None, Kind.CATEGORICAL: Scalar}
_IGNORED: Final = Raw | UnsetType
"""Skipped by the decoder, which checks its syntax alone; UNSET where it is absent."""
NAME_BYTES_MAX: Final = 256
"""A longer unknown name is not learned: learned names stay in memory for good."""

EVENT = ""
FEATURES = "features"
PREDICTION = "prediction"
SHALLOW: Final = ("resources", "attributions", "metadata")
"""Objects that the decoder skips: only that they are objects is checked; what is asked for is read later, by `MetadataFields`."""


class Name(NamedTuple):
    """An unknown field: which object it stood in (`EVENT`, `FEATURES` or `PREDICTION`), and its name there."""

    scope: str
    name: str


class Event(Protocol):
    """One decoded event; further attributes hold the rest of the contract's fields and the learned ones."""

    event_id: str | None
    model: str | None
    version: str | None
    time: str | int | None
    features: Struct
    prediction: Any
    status: str | None


@dataclass(frozen=True, slots=True)
class Shape:
    """The types for one set of learned names, and where things stand in them.

    event, features, prediction: the structs; fields: the event struct's attributes in order.
    wanted: the schema's features, in order; `f0`, `f1`, … are their attributes; feature_slots: their positions in the features struct.
    metadata, attributions: the readers of the fields that the schema asks for.
    learned: the unknown names that have slots; `u0`, `u1`, … are their attributes. loose: names of the features that take any scalar.
    """

    decode: Callable[[bytes], Event]
    event: type[Struct]
    features: type[Struct]
    prediction: type[Struct]
    fields: tuple[str, ...]
    feature_slots: tuple[int, ...]
    wanted: tuple[Column, ...]
    metadata: MetadataFields
    attributions: MetadataFields
    learned: tuple[Name, ...]
    loose: frozenset[str]


class _Slot(NamedTuple):
    attribute: str
    name: str
    type: Any
    default: Any = None


def shape_of(schema: Schema, learned: Sequence[Name], loose: frozenset[str], strict: bool, seen: Mapping[str, Collection[str]]) -> Shape:
    """The types for a schema's events.

    strict: whether names that are not learned are errors; otherwise they are skipped and not counted.
    seen: per scope, the names of an example message in its order. Slots stand in that order: msgspec finds the next field at once where
    a message's order is the struct's, and searches them all where it is not.
    """
    order = {scope: {name: position for position, name in enumerate(names)} for scope, names in seen.items()}

    def struct(scope: str, slots: list[_Slot]) -> type[Struct]:
        return _struct(scope or "event", slots + _learned_slots(scope, learned), order.get(scope, {}), strict)

    wanted = schema.features
    kinds = [Scalar if column.name in loose else _FEATURE[column.kind] for column in wanted]
    features = struct(FEATURES, [_Slot(f"f{i}", column.name, kinds[i]) for i, column in enumerate(wanted)])
    prediction = struct(PREDICTION, _PREDICTION_SLOTS)
    event = struct(
        EVENT, [*_EVENT_SLOTS, _Slot("features", "features", features, ...), _Slot("prediction", "prediction", Scalar | prediction)]
    )
    slots = {attribute: slot for slot, attribute in enumerate(features.__struct_fields__)}
    return Shape(
        decode=_decode(event, wanted, strict),
        event=event,
        features=features,
        prediction=prediction,
        fields=event.__struct_fields__,
        feature_slots=tuple(slots[f"f{i}"] for i in range(len(wanted))),
        wanted=wanted,
        metadata=MetadataFields(schema.metadata),
        attributions=MetadataFields(schema.attributions),
        learned=tuple(learned),
        loose=loose,
    )


def can_learn(name: str) -> bool:
    """Whether an unknown name gets a slot: a struct can have it, and it is no giant."""
    return len(name.encode("utf-8", "replace")) <= NAME_BYTES_MAX and is_writable(name)


_PREDICTION_SLOTS: Final = [
    _Slot("label", "label", Scalar),
    _Slot("score", "score", float | None),
    _Slot("scores", "scores", dict[str, float | None] | None),
    _Slot("value", "value", int | float | None),  # a categorical column tells 3 from 3.0
]

_EVENT_SLOTS: Final = [
    _Slot("event_id", "event_id", Annotated[str, Meta(min_length=1)] | None),
    _Slot("model", "model", str | None),
    _Slot("version", "version", str | None),
    _Slot("time", "time", str | int | None),
    _Slot("label", "label", Scalar),
    _Slot("latency_ms", "latency_ms", Annotated[float, Meta(ge=0)] | None),
    _Slot("status", "status", Literal["ok", "error"] | None),
    _Slot("error", "error", str | None),
    *(_Slot(name, name, _IGNORED, UNSET) for name in SHALLOW),
]

FIELDS: Final = frozenset({FEATURES, PREDICTION, *(slot.name for slot in _EVENT_SLOTS)})
"""The contract's fields."""


def _learned_slots(scope: str, learned: Sequence[Name]) -> list[_Slot]:
    return [_Slot(f"u{i}", known.name, _IGNORED, UNSET) for i, known in enumerate(learned) if known.scope == scope]


def _struct(title: str, slots: list[_Slot], order: Mapping[str, int], strict: bool) -> type[Struct]:
    ordered = sorted(slots, key=lambda slot: order.get(slot.name, len(order)))
    # A name that msgspec cannot take keeps a slot for the slow path to fill; `_decode` then refuses everything.
    rename = {slot.attribute: slot.name for slot in slots if is_writable(slot.name)}
    fields = [(slot.attribute, slot.type) if slot.default is ... else (slot.attribute, slot.type, slot.default) for slot in ordered]
    return msgspec.defstruct(title, cast(Any, fields), rename=rename, forbid_unknown_fields=strict, kw_only=True, gc=False)


def _decode(event: type[Struct], wanted: Sequence[Column], strict: bool) -> Callable[[bytes], Event]:
    decode = cast(Callable[[bytes], Event], msgspec.json.Decoder(event).decode)
    if not all(is_writable(column.name) for column in wanted):
        return refuse
    if strict:
        return decode

    def checked(value: bytes) -> Event:
        # What is skipped here is never looked at again, so text and depth are checked over the whole.
        return decode(value) if is_plain(value) else refuse(value)

    return checked


def refuse(value: bytes) -> Event:
    """The fast path of a stream that has none: every message takes the slow one."""
    raise msgspec.DecodeError
