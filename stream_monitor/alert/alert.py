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
    UPDATED = "updated"
    RESOLVED = "resolved"


class Moved(msgspec.Struct, frozen=True):
    """A bin, category or field whose share changed: its share in the baseline and in the window, in [0, 1], None where there is none."""

    bin: str
    baseline: float | None
    window: float | None


class SampleEvent(msgspec.Struct, frozen=True):
    """Where a sample event's message is."""

    topic: str
    partition: int
    offset: int


class Mean(msgspec.Struct, frozen=True):
    """A numeric column's mean before and after; window None where it holds no value."""

    baseline: float
    window: float | None


class Agreeing(msgspec.Struct, frozen=True):
    """One of the detectors that found the same cause in the window. p_value: None where it gives none."""

    detector: str
    score: float
    threshold: float
    p_value: float | None


class Affected(msgspec.Struct, frozen=True):
    """A segment, or ({}) the whole of a version, by the score that the alert's detector has there; None where it cannot be computed."""

    segment: dict[str, str]
    version: str | None
    score: float | None
    events: int


class Evidence(msgspec.Struct, frozen=True):
    """What a person looks at first. mean: None for categories; affected: by falling score."""

    moved: tuple[Moved, ...]
    samples: tuple[SampleEvent, ...]
    mean: Mean | None = None
    detectors: tuple[Agreeing, ...] = ()
    affected: tuple[Affected, ...] = ()


class Annotations(msgspec.Struct, frozen=True):
    """Text for people."""

    summary: str
    runbook: str | None


class Alert(msgspec.Struct, frozen=True):
    """One publication of one alert. Times are RFC 3339 in UTC; floats are rounded to 6 significant digits.

    `alert_id` and `detector` stay through its life, `revision` counts its publications from 1. `window`, `score` and `p_value` are of the
    window that this publication is about, the latter two None where its detector could not be judged there; `evidence` is that of the
    last finding. `feature` is None for the traffic as a whole; `change_point`: since when, where a sequential detector says it.
    """

    alert_id: str
    fingerprint: str
    revision: int
    status: AlertStatus
    severity: Severity
    kind: FindingKind
    model: str
    version: str | None
    segment: dict[str, str]
    feature: str | None
    detector: str
    score: float | None
    threshold: float | None
    p_value: float | None
    window: Span
    started_at: str
    detected_at: str
    resolved_at: str | None
    reason: str | None
    change_point: str | None
    baseline_id: str
    config_id: str
    labels: dict[str, str]
    annotations: Annotations
    evidence: Evidence

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
    return _hash([stream.model, stream.version, sorted(segment.items()), key.kind, key.feature, key.detector])


def alert_id_of(fingerprint: str, started_ms: int, baseline_id: str) -> str:
    """32 hex digits, one per recurrence. started_ms: start of the first firing window."""
    return _hash([fingerprint, started_ms, baseline_id])


def _hash(parts: list[object]) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:_ID_HEX]
