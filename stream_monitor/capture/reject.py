"""A message that could not become an event: why, and what of it goes to the dead-letter topic."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from stream_monitor.capture.columns import Raw

DETAIL_CHARS_MAX: Final = 200
"""A detail is for a person's eye and travels as a header; 200 characters name any field and say what is wrong with it."""
_SHOWN_CHARS_MAX: Final = 40


class Reason(StrEnum):
    """Why a message was refused; bounded, because it is a label of `stream_monitor_dead_letters_total`."""

    EMPTY = "empty"
    """No value (a tombstone) or a value of zero bytes."""
    TOO_LARGE = "too_large"
    """The value is longer than `message_bytes_max`; it was not read."""
    NOT_UTF8 = "not_utf8"
    """The value is not UTF-8 text."""
    TOO_DEEP = "too_deep"
    """Arrays and objects are nested deeper than 64 levels, wherever in the message."""
    NOT_JSON = "not_json"
    """The text is not exactly one JSON document: malformed, trailing text, half of a surrogate pair."""
    NOT_OBJECT = "not_object"
    """The document is JSON, but not an object."""
    MISSING_FIELD = "missing_field"
    """A required field is absent (or null), and no header or config stands in for it."""
    WRONG_TYPE = "wrong_type"
    """A field of the contract, other than a feature's value, has another JSON type than the contract says."""
    WRONG_VALUE = "wrong_value"
    """A field of the contract has the right type and a value outside of what the contract allows."""
    UNKNOWN_MODEL = "unknown_model"
    """The config names no such model (or version)."""
    TIME_OUT_OF_RANGE = "time_out_of_range"
    """The event time is before `time_min_ms`, after the year 9999, or later than the clock by more than `future_max_ms`."""


HEADERS: Final = {
    "reason": "One of the reasons.",
    "detail": f"The field's path and what is wrong with it, at most {DETAIL_CHARS_MAX} characters.",
    "topic": "Where the message was.",
    "partition": "Its partition.",
    "offset": "Its offset.",
    "timestamp_ms": "Its Kafka timestamp, where it has one.",
    "value_bytes": "How long its value was, where it is cut here.",
    "source.NAME": "Its own header NAME.",
}
"""What a dead letter's headers say, all UTF-8 text."""


class Problem(NamedTuple):
    """Why one message is refused, before its row is known. `detail` may be of any length."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A refused message. row: its index in the batch; detail: names the field's path, at most `DETAIL_CHARS_MAX` characters."""

    row: int
    reason: Reason
    detail: str

    @classmethod
    def of(cls, row: int, problem: Problem) -> "Reject":
        """The problem of message `row`, its detail cut to size."""
        return cls(row, problem.reason, clip(problem.detail, DETAIL_CHARS_MAX))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What goes to the dead-letter topic: key and value as they came, the reason and the coordinates as headers."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def dead_letter(message: Raw, reject: Reject, value_bytes_max: int | None = None) -> DeadLetter:
    """The dead letter of a refused message.

    Its headers are `HEADERS`.
    A value longer than `value_bytes_max` (None: no limit) is cut to it, and `value_bytes` says how long it was;
    the coordinates lead to the whole.
    """
    key, value = message.key(), message.value()
    headers = [*_coordinates(message, reject), *_source_headers(message)]
    if value is not None and value_bytes_max is not None and len(value) > value_bytes_max:
        headers.append(("value_bytes", str(len(value)).encode()))
        value = value[:value_bytes_max]
    return DeadLetter(key, value, headers)


def clip(text: str, chars_max: int) -> str:
    """`text`, or its beginning and an ellipsis, in at most `chars_max` characters."""
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"


def shown(text: str) -> str:
    """A string of the message as a detail may quote it: its first 40 characters, escaped."""
    return clip(repr(text[:_SHOWN_CHARS_MAX] + ("…" if len(text) > _SHOWN_CHARS_MAX else "")), 3 * _SHOWN_CHARS_MAX)


def _coordinates(message: Raw, reject: Reject) -> list[tuple[str, bytes]]:
    kind, timestamp_ms = message.timestamp()
    texts = {
        "reason": reject.reason.value,
        "detail": reject.detail,
        "topic": message.topic(),
        "partition": str(message.partition()),
        "offset": str(message.offset()),
    }
    if kind != 0:
        texts["timestamp_ms"] = str(timestamp_ms)
    # A repr of hostile text holds no half surrogate; the topic's name cannot.
    return [(name, text.encode("utf-8", "replace")) for name, text in texts.items()]


def _source_headers(message: Raw) -> list[tuple[str, bytes]]:
    return [(f"source.{name}", value or b"") for name, value in message.headers() or ()]
