"""The native event, read the slow way: every rule in order, so that every refusal has a reason, and what can be saved is saved.

A feature's value of the wrong type costs that value alone (it is counted as invalid): one upstream bug must not blind us to the rest.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final, NamedTuple, cast

from stream_monitor.capture import cloudevents, envelope
from stream_monitor.capture.call_fields import RESOURCE_FIELDS
from stream_monitor.capture.columns import Raw
from stream_monitor.capture.convert import number
from stream_monitor.capture.prediction import MEMBERS
from stream_monitor.capture.reject import Problem, Reason
from stream_monitor.capture.schema import Column, Kind, Schema
from stream_monitor.capture.shape import EVENT, FEATURES, FIELDS, PREDICTION, Event, Shape

_NO_NAMES: Final[Set[str]] = frozenset()


class Bounds(NamedTuple):
    """Event times that are believed: earliest <= time <= latest, in ms since the epoch."""

    earliest_ms: int
    latest_ms: int


def read_event(body: Mapping[str, Any], message: Raw, shape: Shape, bounds: Bounds) -> Event | Problem:
    """The event of a parsed message whose model is known, with its id and time resolved, or the first problem in the contract's order."""
    problem = envelope.first_problem(body)
    if problem:
        return problem
    event_id = event_id_of(body.get("event_id"), message)
    if isinstance(event_id, Problem):
        return event_id
    time_ms = _time_ms(body.get("time"), message, bounds)
    if isinstance(time_ms, Problem):
        return time_ms
    if "features" not in body:
        return envelope.missing("features")
    if body.get("status") != "error" and envelope.says_nothing(body.get("prediction")):
        return envelope.missing("prediction", "is missing, or has none of label, score, scores and value; and status is not error")
    return _event(body, event_id, time_ms, shape)


def event_id_of(value: str | None, message: Raw) -> str | Problem:
    """The body's id, or that of the CloudEvents header."""
    if value is not None:
        return value
    header = cloudevents.attribute(message, cloudevents.ID)
    if header is None:
        return envelope.missing("event_id", "is missing, and there is no header ce_id")
    return envelope.event_id(cloudevents.ID, header) or header


def fallback_time(message: Raw) -> str | int | None:
    """The time of an event whose body has none: the CloudEvents header's, else the Kafka timestamp in ms, else None."""
    header = cloudevents.attribute(message, cloudevents.TIME)
    if header is not None:
        return header
    kind, timestamp_ms = message.timestamp()
    return timestamp_ms if kind != 0 else None


def names_of(body: Mapping[str, Any]) -> dict[str, Set[str]]:
    """Per scope the names of a parsed message, in its order."""
    features, output = body.get("features"), body.get("prediction")
    return {
        EVENT: body.keys(),
        FEATURES: features.keys() if isinstance(features, dict) else _NO_NAMES,
        PREDICTION: output.keys() if isinstance(output, dict) else _NO_NAMES,
    }


def known_names(schema: Schema) -> dict[str, frozenset[str]]:
    """Per scope the names that the contract and the schema know."""
    return {EVENT: FIELDS, FEATURES: frozenset(column.name for column in schema.features), PREDICTION: frozenset(MEMBERS)}


def _time_ms(value: str | int | None, message: Raw, bounds: Bounds) -> int | Problem:
    path = "time"
    if value is None:
        value = fallback_time(message)
        path = cloudevents.TIME if isinstance(value, str) else "Kafka timestamp"
    if value is None:
        return envelope.missing("time", "is missing, and there is neither a header ce_time nor a Kafka timestamp")
    time_ms = envelope.time(path, value)
    if isinstance(time_ms, Problem):
        return time_ms
    if bounds.earliest_ms <= time_ms <= bounds.latest_ms:
        return time_ms
    side = "before the earliest" if time_ms < bounds.earliest_ms else "after the latest"
    limit = min(bounds, key=lambda bound: abs(bound - time_ms))
    return Problem(Reason.TIME_OUT_OF_RANGE, f"{path}: {_digits(time_ms)} ms is {side} believed time, {limit} ms")


def _digits(time_ms: int) -> str:
    return str(time_ms) if abs(time_ms) < 10**20 else "an integer of more than 20 digits"


def _event(body: Mapping[str, Any], event_id: str, time_ms: int, shape: Shape) -> Event:
    learned = _learned_names(body, shape)
    output = body.get("prediction")
    if isinstance(output, dict):
        output = shape.prediction(**{member: output.get(member) for member in MEMBERS}, **learned[PREDICTION])
    features = shape.features(**_feature_values(body["features"], shape.wanted), **learned[FEATURES])
    skipped = {
        "metadata": shape.metadata.write(body.get("metadata")),
        "resources": RESOURCE_FIELDS.write_numbers(body.get("resources")),
        "attributions": shape.attributions.write_numbers(body.get("attributions")),
    }
    asis = {name: body.get(name) for name in ("model", "version", "latency_ms", "status", "error", "label")}
    own = {"event_id": event_id, "time": time_ms, "features": features, "prediction": output}
    return cast(Event, shape.event(**own, **skipped, **asis, **learned[EVENT]))


def _learned_names(body: Mapping[str, Any], shape: Shape) -> dict[str, dict[str, None]]:
    """Per scope the attributes to set for the unknown fields that are there: any value counts."""
    attributes: dict[str, dict[str, None]] = {EVENT: {}, FEATURES: {}, PREDICTION: {}}
    names = names_of(body) if shape.learned else {}
    for i, (scope, name) in enumerate(shape.learned):
        if name in names[scope]:
            attributes[scope][f"u{i}"] = None
    return attributes


def _feature_values(features: Mapping[str, Any], wanted: Sequence[Column]) -> dict[str, Any]:
    """Numbers as the column will have them; the others as they are, to be converted with their column."""
    values = [(column.kind, features.get(column.name)) for column in wanted]
    return {f"f{i}": number(value) if kind is Kind.NUMERIC else value for i, (kind, value) in enumerate(values)}
