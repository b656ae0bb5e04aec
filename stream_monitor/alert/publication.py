"""How a publication of an alert is made from what was judged; when one is due is `life`'s affair."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import msgspec

from stream_monitor.alert import ending, summary
from stream_monitor.alert.alert import Affected, Alert, AlertStatus, Annotations, Evidence, alert_id_of, fingerprint_of
from stream_monitor.alert.rules import Rules
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.finding import Finding, FindingKind, Key, Score, Severity
from stream_monitor.detect.registry import is_sequential
from stream_monitor.detect.report import Span, WindowRef, rounded, utc


class Reason(StrEnum):
    """Why an alert was resolved."""

    RECOVERED = "recovered"
    """Judged windows in a row were clearly quiet; of an `info` alert: none brought a further change."""
    SUPERSEDED = "superseded"
    """A detector that pages tells the same."""
    BASELINE_REPLACED = "baseline_replaced"
    """The config names another baseline."""
    WINDOW_CHANGED = "window_changed"
    """The config has other windows."""
    MODEL_REMOVED = "model_removed"
    """The config no longer has the model, or the version."""
    FEATURE_REMOVED = "feature_removed"
    """The config no longer judges the feature."""
    DETECTOR_REMOVED = "detector_removed"
    """The config has no detector left that could tell when it is over."""
    SEGMENT_REMOVED = "segment_removed"
    """The config no longer names the segment."""
    LABELS_CHANGED = "labels_changed"
    """The config reads labels another way."""
    VERSIONS_CHANGED = "versions_changed"
    """The config compares the version with another one, or none."""


class Stamp(NamedTuple):
    """What a publication rests on besides the finding: the log's clock, the config in force and its rules."""

    clock_ms: int
    config_id: str
    rules: Rules = Rules()


class Raised(NamedTuple):
    """A finding with what is said about it. affected: where it is strongest, at most a few, by falling score."""

    finding: Finding
    evidence: Evidence
    affected: tuple[Affected, ...] = ()


@dataclass(frozen=True, slots=True)
class Publisher:
    """Makes the alerts of one stream: a model, a version, a segment ({}: the whole) and a baseline.

    score: that of the detector that leads the alert; None where it was not judged. told: the finding that stands for the window.
    """

    stream: StreamKey
    segment: dict[str, str]
    baseline_id: str

    def opened(self, window: WindowRef, told: Raised, stamp: Stamp, change_ms: int | None = None, started_ms: int | None = None) -> Alert:
        """Revision 1, named after what it is about and when it started. change_ms: since when, None: not known.

        started_ms: start of the first window that counts, None: of this one.
        """
        finding, started_ms = told.finding, window.start_ms if started_ms is None else started_ms
        fingerprint = fingerprint_of(self.stream, self.segment, finding.key)
        return Alert(
            alert_id=alert_id_of(fingerprint, started_ms, self.baseline_id),
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
            started_at=utc(started_ms),
            detected_at=utc(stamp.clock_ms),
            resolved_at=None,
            reason=None,
            change_point=None if change_ms is None else utc(change_ms),
            baseline_id=self.baseline_id,
            config_id=stamp.config_id,
            labels={},
            annotations=self._found(window, told, None if change_ms is None else utc(change_ms)),
            evidence=told.evidence,
        )

    def updated(self, last: Alert, window: WindowRef, told: Raised, score: Score | None, stamp: Stamp, change_ms: int | None) -> Alert:
        """The next revision, with a new finding. change_ms: None leaves the change point as it is."""
        change_point = last.change_point if change_ms is None else utc(change_ms)
        return msgspec.structs.replace(
            _again(last, stamp),
            status=AlertStatus.UPDATED,
            severity=told.finding.severity,
            **_measured(last, window, score),
            change_point=change_point,
            annotations=self._found(window, told, change_point),
            evidence=told.evidence,
        )

    def eased(self, last: Alert, window: WindowRef, score: Score | None, close: Score, stamp: Stamp) -> Alert:
        """The next revision, a warning: no finding, but not clearly quiet; evidence stays. close: what is close to its threshold."""
        sentence = ending.eased(self.stream, self.segment, score or close, window)
        annotations = Annotations(sentence, None)
        eased = msgspec.structs.replace(_again(last, stamp), **_measured(last, window, score), annotations=annotations)
        return msgspec.structs.replace(eased, status=AlertStatus.UPDATED, severity=Severity.WARNING)

    def still(self, last: Alert, window: WindowRef, stamp: Stamp) -> Alert:
        """The next revision of an alert on a change, of which a window brings no other; evidence stays."""
        sentence = f"still: {last.annotations.summary.removeprefix('still: ')}"
        still = msgspec.structs.replace(_again(last, stamp), **_measured(last, window, None), annotations=Annotations(sentence, None))
        return msgspec.structs.replace(still, status=AlertStatus.UPDATED)

    def lowered(self, last: Alert, window: WindowRef, score: Score, stamp: Stamp) -> Alert:
        """The next revision, with a score that is no finding any more after late events; severity and evidence stay."""
        annotations = Annotations(ending.lowered(self.stream, self.segment, score, window), None)
        lowered = msgspec.structs.replace(_again(last, stamp), **_measured(last, window, score), annotations=annotations)
        return msgspec.structs.replace(lowered, status=AlertStatus.UPDATED)

    def recovered(self, last: Alert, window: WindowRef, score: Score | None, quiet: Score, stamp: Stamp) -> Alert:
        """The end, with the quiet window that brought it. quiet: a score of that window to tell."""
        sentence = (
            ending.settled(self.stream, self.segment, quiet.key, window)
            if last.severity is Severity.INFO or (last.kind is FindingKind.CONCEPT_DRIFT and is_sequential(last.detector))
            else ending.recovered(self.stream, self.segment, score or quiet, window)
        )
        measured = msgspec.structs.replace(last, **_measured(last, window, score))
        return _resolved(measured, Reason.RECOVERED, window.end_ms, sentence, stamp)

    def closed(self, last: Alert, reason: Reason, at_ms: int, stamp: Stamp) -> Alert:
        """The end for a reason that lies not in quiet data; the last window and score stay."""
        key = Key(last.kind, last.feature, last.detector)
        return _resolved(last, reason, at_ms, ending.closed(self.stream, self.segment, key, reason), stamp)

    def _found(self, window: WindowRef, told: Raised, change_point: str | None) -> Annotations:
        sentence = summary.found(self.stream, self.segment, told.finding, told.evidence, window, change_point)
        return Annotations(sentence, None)


def says_the_same(one: Alert, other: Alert) -> bool:
    """Whether two publications differ in nothing but what may differ: revision, status, clock and sample events."""
    return _content(one) == _content(other)


def _content(alert: Alert) -> Alert:
    evidence = msgspec.structs.replace(alert.evidence, samples=())
    return msgspec.structs.replace(alert, revision=0, status=AlertStatus.UPDATED, detected_at="", evidence=evidence)


def _again(last: Alert, stamp: Stamp) -> Alert:
    """The next publication, under the config now in force."""
    return msgspec.structs.replace(last, revision=last.revision + 1, detected_at=utc(stamp.clock_ms), config_id=stamp.config_id)


def _resolved(last: Alert, reason: Reason, at_ms: int, sentence: str, stamp: Stamp) -> Alert:
    return msgspec.structs.replace(
        _again(last, stamp),
        status=AlertStatus.RESOLVED,
        resolved_at=utc(at_ms),
        reason=reason.value,
        annotations=Annotations(sentence, None),
    )


def _measured(last: Alert, window: WindowRef, score: Score | None) -> dict[str, object]:
    """The fields that say which window was judged, and how."""
    return {
        "window": Span.of(window),
        "score": None if score is None else rounded(score.score),
        "threshold": last.threshold if score is None else rounded(score.threshold),
        "p_value": None if score is None else rounded(score.p_value),
    }
