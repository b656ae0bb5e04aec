"""What a detect worker tells the meter: numbers of its own models only, after each commit."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from stream_monitor.alert.notification import is_held_back, notification_of
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.outcomes.bias import BIAS
from stream_monitor.detect.outcomes.judge import COVERAGE
from stream_monitor.detect.registry import OUTCOMES, VOLUME
from stream_monitor.detect.report import WindowScore
from stream_monitor.pipeline.state import Joined, Outputs, State
from stream_monitor.profile.profile import Profile
from stream_monitor.runtime.hush import Hush, segment_label
from stream_monitor.runtime.observe import Meter

_OWNED_GAUGES: Final = (
    "drift_score",
    "quality",
    "bias",
    "missing_ratio",
    "alerts_firing",
    "window_end_timestamp_seconds",
    "data_end_timestamp_seconds",
    "quality_end_timestamp_seconds",
    "watermark_delay_seconds",
)


@dataclass(slots=True)
class DetectMeter:
    """Translates outputs and states into series."""

    meter: Meter
    clock: Callable[[], int]
    started_ms: int = 0
    seen_firing: set[tuple[str, str, str]] = field(default_factory=set)
    """Series of `alerts_firing` that stand at the meter: they go to 0, not away, when their last alert resolves."""
    hush: Hush = field(init=False)

    def __post_init__(self) -> None:
        """What silence takes away it takes from the same meter."""
        self.hush = Hush(self.meter)

    def committed(self, outputs: Outputs, states: Iterable[State]) -> None:
        """Tell what one transaction said, and how the owned models stand."""
        self._scores(outputs)
        for dropped in outputs.dropped:
            metric, more = ("late_events_total", {}) if dropped.reason == "late" else ("dropped_events_total", {"reason": dropped.reason})
            self.meter.add(metric, {"model": dropped.stream.model, **more}, dropped.events)
            if dropped.reason == "panes_full":
                self.meter.add("limit_hits_total", {"limit": "panes"}, dropped.events)
        for stream, values in outputs.late_values:
            self.meter.add("late_slice_values_total", {"model": stream.model}, values)
        if outputs.refused_values:
            self.meter.add("limit_hits_total", {"limit": "pending_slices"}, outputs.refused_values)
        for alert in outputs.alerts:
            if alert.status == "firing":
                self.meter.add("alerts_total", {"model": alert.model, "kind": alert.kind, "severity": alert.severity})
                end_s = datetime.fromisoformat(alert.window.end).timestamp()
                self.meter.observe("event_to_alert_seconds", {}, max(0.0, self.clock() / 1000 - end_s))
            notification = notification_of(alert)
            if notification is not None and notification.held is not None:
                self.meter.add("alerts_held_total", {"model": alert.model, "reason": notification.held.value})
        for joined in outputs.joined:
            self._joined(joined)
        states = list(states)
        self.hush.committed(outputs, states)
        for score in outputs.scores:
            if score.detector in VOLUME:  # of windows without an event, too
                self._score(score)
        self._drop({stream.model for stream, _ in outputs.removed} - {stream.model for state in states for stream, _ in state.units})
        firing: Counter[tuple[str, str, str]] = Counter(dict.fromkeys(self.seen_firing, 0))
        for state in states:
            self._state(state, firing)
        self.seen_firing.update(firing)
        for (model, kind, severity), count in firing.items():
            self.meter.set("alerts_firing", {"model": model, "kind": kind, "severity": severity}, count)

    def _joined(self, joined: Joined) -> None:
        counts = {"labels_total": joined.labels, "label_orphans_total": joined.orphans, "label_late_events_total": joined.late}
        for metric, count in counts.items():
            if count:
                self.meter.add(metric, {"model": joined.model}, count)
        if joined.narrowed:
            self.meter.add("limit_hits_total", {"limit": "label_join_rows"}, joined.narrowed)

    def tick(self, state: State, streams: Iterable[StreamKey]) -> None:
        """Tell how far behind the watermarks of these streams are, whether or not anything came: nobody may be left to send anything.

        Before the first watermark it is the time since this worker began.
        """
        for key in streams:
            reached_ms = state.watermark_ms(state.plan.streams[key])
            since_ms = self.started_ms if reached_ms is None else reached_ms
            self.meter.set("watermark_delay_seconds", {"model": key.model}, max(0.0, (self.clock() - since_ms) / 1000))

    def lost(self, state: State, streams: Iterable[StreamKey]) -> None:
        """These models are another member's now."""
        self._drop({stream.model for stream, _ in state.units} | {key.model for key in streams})

    def _drop(self, gone: set[str]) -> None:
        self.seen_firing = {key for key in self.seen_firing if key[0] not in gone}
        self.hush.lost(gone)
        for model in gone:
            for metric in _OWNED_GAUGES:
                self.meter.drop(metric, {"model": model})

    def _score(self, score: WindowScore) -> None:
        """One without a value is gone from the window, and not what it was before."""
        segment = segment_label(score.version, tuple(score.segment.items()))
        column = {"model": score.model, "feature": score.feature or ""}
        self._show(score, "drift_score", {**column, "segment": segment, "detector": score.detector})
        if score.detector == "missing_ratio" and not segment:
            self._show(score, "missing_ratio", column)

    def _scores(self, outputs: Outputs) -> None:
        for score in outputs.scores:
            if score.detector == COVERAGE:
                self._coverage(score, outputs)
            elif score.detector in OUTCOMES:
                self._outcome(score)
            else:
                self._score(score)
        for (stream, part), window in outputs.closed:
            if not window.revised and not part:
                self.meter.set("window_end_timestamp_seconds", {"model": stream.model}, window.end_ms / 1000)
                self.meter.add("capture_duplicates_total", {"model": stream.model}, _duplicates(window.fresh))

    def _outcome(self, score: WindowScore) -> None:
        segment = segment_label(score.version, tuple(score.segment.items()))
        if score.detector in BIAS:
            *within, (facet, group) = score.segment.items()
            if within:  # a group within a segment: in the window scores
                return
            self._show(score, "bias", {"model": score.model, "facet": facet, "group": group, "metric": score.detector})
        elif score.score is not None:
            self._show(score, "quality", {"model": score.model, "segment": segment, "metric": score.detector})

    def _coverage(self, score: WindowScore, outputs: Outputs) -> None:
        """Of the newest window whose labels had time to come: the one that was told of last has none yet."""
        newest = outputs.newest.get((StreamKey(score.model, score.version), tuple(score.segment.items())))
        if newest is not None and newest.covered is not None:
            self._outcome(replace(score, score=newest.covered))

    def _show(self, score: WindowScore, metric: str, labels: dict[str, str]) -> None:
        if score.score is None:
            self.meter.drop(metric, labels)
        else:
            self.meter.set(metric, labels, score.score)
            if metric in ("quality", "bias"):
                self.hush.shown(score, metric, labels)

    def _state(self, state: State, firing: Counter[tuple[str, str, str]]) -> None:
        said = (alert for alert in state.firing() if not is_held_back(alert))
        firing.update((alert.model, alert.kind.value, alert.severity.value) for alert in said)


def _duplicates(profile: Profile) -> int:
    """How many of the events repeat another's id, by the sample of ids."""
    ids = profile.ids
    return round(profile.events * ids.repeated / ids.total) if ids.repeated else 0
