"""The alert as it is published: the value on the alerts topic, and one line of `alerts.jsonl`."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import quote

import msgspec

from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.finding import FindingKind, Key, Severity
from stream_monitor.detect.report import Span
from stream_monitor.errors import CodecError

_ID_HEX: Final = 32
"""128 bits of SHA-256: two of 10^9 alerts share an id with probability 10^-21."""


class AlertStatus(StrEnum):
    """Where an alert is in its life."""

    FIRING = "firing"
    """Its first publication."""
    UPDATED = "updated"
    """It goes on: another severity, a score that moved by half, a change point, or late events that change the last window."""
    RESOLVED = "resolved"
    """Its last publication."""


class Moved(msgspec.Struct, frozen=True):
    """A bin, category, field or feature whose share changed, or a number of the traffic as a whole; None where there is none."""

    bin: str
    """The bin, category, field or feature."""
    baseline: float | None
    """Its share in the baseline, 0 to 1."""
    window: float | None
    """Its share in the window, 0 to 1."""


class SampleEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a sample event's message is."""

    topic: str
    """In a replay: the file."""
    partition: int
    """In a replay: 0."""
    offset: int
    """In a replay: the line, from 0."""
    distance: float | None = None
    """Of the worst events of `multivariate_outlier_ratio`: from the training data's middle; absent elsewhere."""


class Mean(msgspec.Struct, frozen=True):
    """A numeric column's mean before and after."""

    baseline: float
    """In the training data."""
    window: float | None
    """In the window; null where it holds no value."""


class Agreeing(msgspec.Struct, frozen=True):
    """One of the detectors that found the same cause in the window."""

    detector: str
    """Its name."""
    score: float
    """What it found."""
    threshold: float
    """As it was applied."""
    p_value: float | None
    """Null where it gives none."""


class Affected(msgspec.Struct, frozen=True):
    """A segment, or ({}) the whole of a version, by the score that the alert's detector has there."""

    segment: dict[str, str]
    """The segment; {}: the whole."""
    version: str | None
    """The model's version; null: all that are judged together."""
    score: float | None
    """The score there; null where it cannot be computed."""
    events: int
    """Its events in the window."""


class Evidence(msgspec.Struct, frozen=True):
    """What a person looks at first."""

    moved: tuple[Moved, ...]
    """What moved, the most first; at most 5."""
    samples: tuple[SampleEvent, ...]
    """Events to look at; at most 5. Of `multivariate_outlier_ratio` the 8 furthest, furthest first."""
    mean: Mean | None = None
    """The mean before and after; null for categories."""
    detectors: tuple[Agreeing, ...] = ()
    """All that found it."""
    affected: tuple[Affected, ...] = ()
    """Where it is strongest, by falling score; at most 5."""


class Annotations(msgspec.Struct, frozen=True):
    """Text for people."""

    summary: str
    """One sentence: what moved, since when, how sure."""
    runbook: str | None
    """Where to read on; null where no rule says it."""


class Held(StrEnum):
    """Why nobody is to be told of a publication."""

    SILENCED = "silenced"
    """A silence or a maintenance window holds; what still fires at its end is told then."""
    COOL_DOWN = "cool_down"
    """It ended a short time ago and is no worse now; if it still fires at the end of that time, it is told then."""
    REPEAT_EVERY = "repeat_every"
    """It was told less than `repeat_every` ago and has not become worse."""
    GROUPED = "grouped"
    """Another alert of its group tells it."""
    UNTOLD = "untold"
    """It ends, and nobody was told that it began."""


class Member(msgspec.Struct, frozen=True):
    """An alert of a group."""

    alert_id: str
    """Its id."""
    status: AlertStatus
    """Where it is in its life."""
    severity: Severity
    """How much it asks for attention."""
    kind: FindingKind
    """What sort of trouble."""
    version: str | None
    """The model's version."""
    segment: dict[str, str]
    """Its segment; {}: the whole."""
    feature: str | None
    """Its feature; null: the traffic as a whole."""


class Notification(msgspec.Struct, frozen=True):
    """What rules say of a publication."""

    notify: bool
    """Whether anybody is to be told, and anything to be done."""
    held: Held | None
    """Why not; null where `notify` is true."""
    rules: tuple[str, ...] = ()
    """Names of the rules that match."""
    recipients: tuple[str, ...] = ()
    """Whom to tell; empty: whomever the responder tells otherwise."""
    note: str | None = None
    """The reason of the silence."""
    until: str | None = None
    """When the silence ends; null where none holds."""
    group: str | None = None
    """What it is told under: the same for all alerts of the group, whenever they fire; null: alone."""
    firing: int = 0
    """How many alerts of the group fire and are not held back, this one included; 0 where it is not told, or alone."""
    members: tuple[Member, ...] = ()
    """Those, and what ended in this window, the worst first; at most 20."""


class Alert(msgspec.Struct, frozen=True):
    """One publication of one alert. Times are RFC 3339 in UTC; floats are rounded to 6 significant digits."""

    alert_id: str
    """The same through an alert's life, and for the same input and config."""
    fingerprint: str
    """The same for every recurrence; the message's key."""
    revision: int
    """Counts its publications from 1."""
    status: AlertStatus
    """Where it is in its life."""
    severity: Severity
    """How much it asks for attention."""
    kind: FindingKind
    """What sort of trouble."""
    model: str
    """The model."""
    version: str | None
    """Its version; null: all that are judged together."""
    segment: dict[str, str]
    """Name -> value of the segment; {}: the whole."""
    feature: str | None
    """A feature, `prediction` or `prediction.score`; null: the traffic as a whole."""
    detector: str
    """Which leads it, through its life."""
    score: float | None
    """Its detector's, in `window`; null where it could not be judged there."""
    threshold: float | None
    """As it was applied."""
    p_value: float | None
    """The chance of such a score without a change; null where the detector has no test, or no score."""
    window: Span
    """What this publication is about."""
    started_at: str
    """Start of the first window that fired."""
    detected_at: str
    """When it was said: the worker's clock, or in a replay the event time that was reached."""
    resolved_at: str | None
    """When it ended; null while it fires."""
    reason: str | None
    """Why it ended; null while it fires."""
    change_point: str | None
    """Since when, where a sequential detector says it."""
    baseline_id: str
    """What it was compared with."""
    config_id: str
    """The config in force."""
    labels: dict[str, str]
    """What the config's rules attach."""
    annotations: Annotations
    """Text for people."""
    evidence: Evidence
    """What the last finding rests on."""
    notification: Notification | msgspec.UnsetType = msgspec.UNSET
    """What the config's rules say of it; absent where it has none: then everybody is told."""

    def to_json(self) -> bytes:
        """One line of JSON without its end; the same bytes for equal alerts."""
        return _encoder.encode(self)

    @classmethod
    def from_json(cls, value: bytes) -> "Alert":
        """The alert that `to_json` wrote. Errors: CodecError."""
        try:
            return _decoder.decode(value)
        except msgspec.DecodeError as error:
            raise CodecError(f"not an alert: {error}") from None

    def headers(self) -> tuple[tuple[str, bytes], ...]:
        """CloudEvents 1.0 attributes in Kafka's binary mode."""
        attributes = {
            "ce_specversion": "1.0",
            "ce_id": f"{self.alert_id}/{self.revision}",
            "ce_type": f"stream-monitor.alert.{self.status}",
            "ce_source": f"/stream-monitor/models/{quote(self.model, safe='')}",
            "ce_time": self.detected_at,
            "content-type": "application/json",
        }
        return tuple((name, value.encode()) for name, value in attributes.items())


_encoder: Final = msgspec.json.Encoder(order="deterministic")
_decoder: Final = msgspec.json.Decoder(Alert)


def fingerprint_of(stream: StreamKey, segment: Mapping[str, str], key: Key) -> str:
    """32 hex digits, stable for what an alert is about, over its every recurrence; the key of its messages."""
    return digest([stream.model, stream.version, sorted(segment.items()), key.kind, key.feature, key.detector])


def alert_id_of(fingerprint: str, started_ms: int, baseline_id: str) -> str:
    """32 hex digits, one per recurrence. started_ms: start of the first firing window."""
    return digest([fingerprint, started_ms, baseline_id])


def digest(parts: list[object]) -> str:
    """32 hex digits, the same for equal parts."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:_ID_HEX]
