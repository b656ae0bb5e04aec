"""How a publication of an alert is made from what was judged; when one is due is `life`'s affair."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

from stream_monitor.alert import summary
from stream_monitor.alert.alert import Alert, AlertStatus, Annotations, Evidence, alert_id_of, fingerprint_of
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.finding import Finding, Key, Score
from stream_monitor.detect.report import Span, WindowRef, rounded, utc


class Reason(StrEnum):
    """Why an alert was resolved."""

    RECOVERED = "recovered"
    BASELINE_REPLACED = "baseline_replaced"
    WINDOW_CHANGED = "window_changed"
    MODEL_REMOVED = "model_removed"
    FEATURE_REMOVED = "feature_removed"


class Stamp(NamedTuple):
    """What a publication carries besides the finding: the log's clock, the config in force and what it attaches."""

    clock_ms: int
    config_id: str
    labels: Mapping[str, str]
    runbook: str | None = None


class Raised(NamedTuple):
    """A finding with what is said about it."""

    finding: Finding
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Publisher:
    """Makes the alerts of one stream: a model, a version, a segment ({}: the whole) and a baseline."""

    stream: StreamKey
    segment: dict[str, str]
    baseline_id: str

    def opened(self, window: WindowRef, raised: Raised, stamp: Stamp) -> Alert:
        """Revision 1, named after what it is about and this window's start."""
        finding = raised.finding
        fingerprint = fingerprint_of(self.stream, self.segment, finding.key)
        return Alert(
            alert_id=alert_id_of(fingerprint, window.start_ms, self.baseline_id),
            fingerprint=fingerprint,
            revision=1,
            status=AlertStatus.FIRING,
            severity=finding.severity,
            kind=finding.key.kind,
            model=self.stream.model,
            version=self.stream.version,
            segment=self.segment,
            feature=finding.key.feature,
            detector=finding.key.detector,
            score=rounded(finding.value),
            threshold=rounded(finding.score.threshold),
            p_value=rounded(finding.score.p_value),
            window=Span.of(window),
            started_at=utc(window.start_ms),
            detected_at=utc(stamp.clock_ms),
            resolved_at=None,
            reason=None,
            change_point=None,
            baseline_id=self.baseline_id,
            config_id=stamp.config_id,
            labels=dict(stamp.labels),
            annotations=self._annotations(window, raised, stamp),
            evidence=raised.evidence,
        )

    def updated(self, last: Alert, window: WindowRef, raised: Raised, stamp: Stamp) -> Alert:
        """The next revision, with a new finding."""
        return msgspec.structs.replace(
            _again(last, stamp),
            status=AlertStatus.UPDATED,
            severity=raised.finding.severity,
            **_measured(window, raised.finding.score),
            annotations=self._annotations(window, raised, stamp),
            evidence=raised.evidence,
        )

    def lowered(self, last: Alert, window: WindowRef, score: Score, stamp: Stamp) -> Alert:
        """The next revision, with a score that is no finding any more after late events; severity and evidence stay."""
        sentence = summary.lowered(self.stream, self.segment, score, window)
        return msgspec.structs.replace(
            _again(last, stamp),
            status=AlertStatus.UPDATED,
            **_measured(window, score),
            annotations=Annotations(sentence, stamp.runbook),
        )

    def recovered(self, last: Alert, window: WindowRef, score: Score, stamp: Stamp) -> Alert:
        """The end, with the quiet window that brought it."""
        sentence = summary.recovered(self.stream, self.segment, score, window)
        measured = msgspec.structs.replace(last, **_measured(window, score))
        return _resolved(measured, Reason.RECOVERED, window.end_ms, sentence, stamp)

    def closed(self, last: Alert, key: Key, reason: Reason, at_ms: int, stamp: Stamp) -> Alert:
        """The end for a reason that lies not in the data; the last window and score stay."""
        return _resolved(last, reason, at_ms, summary.closed(self.stream, self.segment, key, reason), stamp)

    def _annotations(self, window: WindowRef, raised: Raised, stamp: Stamp) -> Annotations:
        return Annotations(summary.found(self.stream, self.segment, raised.finding, raised.evidence, window), stamp.runbook)


def says_the_same(one: Alert, other: Alert) -> bool:
    """Whether two publications differ in nothing but what may differ: revision, status, clock and sample events."""
    return _content(one) == _content(other)


def _content(alert: Alert) -> Alert:
    evidence = msgspec.structs.replace(alert.evidence, samples=())
    return msgspec.structs.replace(alert, revision=0, status=AlertStatus.UPDATED, detected_at="", evidence=evidence)


def _again(last: Alert, stamp: Stamp) -> Alert:
    """The next publication, under the config now in force."""
    return msgspec.structs.replace(
        last, revision=last.revision + 1, detected_at=utc(stamp.clock_ms), config_id=stamp.config_id, labels=dict(stamp.labels)
    )


def _resolved(last: Alert, reason: Reason, at_ms: int, sentence: str, stamp: Stamp) -> Alert:
    return msgspec.structs.replace(
        _again(last, stamp),
        status=AlertStatus.RESOLVED,
        resolved_at=utc(at_ms),
        reason=reason.value,
        annotations=Annotations(sentence, stamp.runbook),
    )


def _measured(window: WindowRef, score: Score) -> dict[str, object]:
    """The fields that say which window was judged, and how."""
    return {
        "window": Span.of(window),
        "score": rounded(score.score),
        "threshold": rounded(score.threshold),
        "p_value": rounded(score.p_value),
    }
