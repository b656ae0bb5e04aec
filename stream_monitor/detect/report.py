"""Window scores as people see them: one row per closed window, feature and detector; times as text, floats rounded.

Rounding belongs here and in `alert`, never before a decision.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import repeat
from math import inf
from typing import Final, NamedTuple

import msgspec

from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.finding import Score

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = 253_402_300_799_999
_DIGITS: Final = 6
_encoder: Final = msgspec.json.Encoder(order="deterministic")


class WindowRef(NamedTuple):
    """A window that was judged: [start_ms, end_ms) in event time, and how many events it holds."""

    start_ms: int
    end_ms: int
    events: int


class Span(msgspec.Struct, frozen=True):
    """A window as it is published."""

    start: str
    """Its first moment; earlier than usual where it had too few events and borrowed older ones."""
    end: str
    """The first moment after it."""
    events: int
    """How many it holds."""

    @classmethod
    def of(cls, window: WindowRef) -> "Span":
        """The same, with times as text."""
        return cls(utc(window.start_ms), utc(window.end_ms), window.events)


class WindowScore(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row of the windows topic and of `windows.jsonl`."""

    model: str
    """The model."""
    version: str | None
    """Its version; null: all that are judged together."""
    segment: dict[str, str]
    """Name -> value of the segment; {}: the whole."""
    window: Span
    """The window."""
    revision: int
    """1 at its first close, one more each time late events revise it."""
    feature: str | None
    """A feature, `prediction` or `prediction.score`; null: the traffic as a whole."""
    detector: str
    """Whose score it is."""
    score: float | None
    """Null where it could not be computed."""
    threshold: float | None
    """As it was applied: the config's, or what the feature showed in training, if that is more."""
    p_value: float | None
    """The chance of such a score without a change; null where there is no test, or no score."""
    status: str
    """Whether it was judged."""
    low: float | None = None
    """Where the score has an interval (figures of quality, also beside the current version, and of bias): surely not lower; left out
    without one.
    """
    high: float | None = None
    """Surely not higher."""

    def to_json(self) -> bytes:
        """One line of JSON without its end; the same bytes for equal rows."""
        return _encoder.encode(self)


def window_scores(
    stream: StreamKey,
    segment: Mapping[str, str],
    window: WindowRef,
    revision: int,
    scores: Iterable[Score],
    intervals: Iterable[tuple[float | None, float | None]] = repeat((None, None)),
) -> list[WindowScore]:
    """The rows of one window, in the scores' order. revision: 1 at its first close, one more for each time it was revised; intervals: of
    each score.
    """
    span, names = Span.of(window), dict(segment)
    return [
        WindowScore(
            stream.model,
            stream.version,
            names,
            span,
            revision,
            score.key.feature,
            score.key.detector,
            rounded(score.score),
            rounded(score.threshold),
            rounded(score.p_value),
            score.status.value,
            rounded(low),
            rounded(high),
        )
        for score, (low, high) in zip(scores, intervals, strict=False)
    ]


def utc(time_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds, e.g. `2026-11-22T06:00:00.000Z`; what is beyond the year 9999 is shown as its last moment."""
    time_ms = min(time_ms, _LAST_MS)
    return (_EPOCH + timedelta(milliseconds=time_ms)).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def ms_of(text: str) -> int:
    """Milliseconds since the epoch of what `utc` wrote. Errors: ValueError."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


def rounded(value: float | None) -> float | None:
    """To 6 significant digits; None stays None, and an infinite threshold, which is none, becomes it."""
    if value in (inf, -inf):
        return None
    if value is None or value in (0.0, 1.0):  # half of all, and rounding costs more than the rest of a row
        return value
    return float(f"{value:.{_DIGITS}g}")
