"""What a replay found, as a short table: alerts by kind and feature, and how many windows were judged."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.detect.finding import ScoreStatus, Severity
from stream_monitor.detect.registry import PAIRS
from stream_monitor.detect.report import WindowScore
from stream_monitor.pipeline.replay import Chunk
from stream_monitor.pipeline.state import Outputs

EMPTY: Final = "empty"
"""A window without events: its silence alone is judged."""
_RANK: Final = (EMPTY, ScoreStatus.INCOMPLETE, ScoreStatus.TOO_FEW, ScoreStatus.JUDGED)

Subject = tuple[str, str, str, str]
"""(model and version, segment, feature, kind), as text."""


class Tally:
    """Counts over one run."""

    def __init__(self) -> None:
        self.events = 0
        self.rejects: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self._windows: dict[tuple[str, str | None, str], str] = {}
        self._alerts: dict[Subject, dict[str, list[Alert]]] = {}

    def add(self, chunk: Chunk, outputs: Outputs) -> None:
        """Take in what one chunk said."""
        self.events += sum(len(part) for part in chunk.columns)
        self.rejects.update(reject.reason.value for reject in chunk.rejects)
        for dropped in outputs.dropped:
            self.dropped[dropped.reason] += dropped.events
        for score in outputs.scores:
            if score.revision == 1 and not score.segment and score.detector not in PAIRS:  # its windows are of labels
                self._window(score)
        for alert in outputs.alerts:
            if alert.status is AlertStatus.FIRING:
                self._alerts.setdefault(subject_of(alert), {}).setdefault(alert.detector, []).append(alert)

    def _window(self, score: WindowScore) -> None:
        """A window is judged where any of its columns is."""
        key = (score.model, score.version, score.window.end)
        status = score.status if score.feature is not None else EMPTY
        self._windows[key] = max(self._windows.get(key, EMPTY), status, key=_RANK.index)

    @property
    def windows(self) -> Counter[str]:
        """How many windows of whole streams were judged, held too few events, or none."""
        return Counter(self._windows.values())

    def lines(self) -> list[str]:
        """What was read and judged, in one sentence."""
        windows = ", ".join(f"{count:,} {status}" for status, count in sorted(self.windows.items())) or "none"
        return [
            f"{self.events:,} events; windows: {windows}; rejected: {sum(self.rejects.values()):,}; dropped: {said(self.dropped)}",
        ]

    def table(self) -> Table | None:
        """A row per feature and kind: which detectors raised how many alerts, and when the first and the last; None: no alert."""
        if not self._alerts:
            return None
        segmented = any(segment for _, segment, _, _ in self._alerts)
        table = Table()
        for name in ("model", *(["segment"] if segmented else []), "feature", "kind", "alerts", "worst", "first window", "last"):
            table.add_column(name, no_wrap=name != "alerts")
        for (model, segment, feature, kind), found in sorted(self._alerts.items()):
            together = [alert for alerts in found.values() for alert in alerts]
            counts = ", ".join(f"{detector} {len(alerts)}" for detector, alerts in sorted(found.items()))
            worst = worst_of(alert.severity for alert in together)
            starts = sorted(alert.started_at[5:16].replace("T", " ") for alert in together)
            names = [escape(model), *([escape(segment)] if segmented else []), escape(feature) or "(all)"]
            table.add_row(*names, kind, counts, worst, starts[0], starts[-1])
        return table

    def tree(self) -> dict[str, Any]:
        """All of it, for `--json`."""
        return {
            "events": self.events,
            "rejects": dict(self.rejects),
            "dropped": dict(self.dropped),
            "windows": dict(self.windows),
            "alerts": [_row(detector, found) for _, by in sorted(self._alerts.items()) for detector, found in sorted(by.items())],
        }


def subject_of(alert: Alert) -> Subject:
    """What an alert is about, as text to sort by."""
    model = alert.model if alert.version is None else f"{alert.model}@{alert.version}"
    return model, ", ".join(f"{name}={value}" for name, value in alert.segment.items()), alert.feature or "", alert.kind.value


def worst_of(severities: Iterable[Severity]) -> Severity:
    """The most severe."""
    return max(severities, key=list(Severity).index)


def said(counts: Counter[str]) -> str:
    """`3 late, 1 panes_full`, or `0`."""
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common()) or "0"


def _row(detector: str, found: Sequence[Alert]) -> dict[str, Any]:
    first = found[0]
    return {
        "model": first.model,
        "version": first.version,
        "segment": first.segment,
        "kind": first.kind.value,
        "feature": first.feature or "",
        "detector": detector,
        "alerts": len(found),
        "first": first.started_at,
        "last": found[-1].started_at,
    }
