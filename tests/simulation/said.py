"""All that was said, by the row or alert it is about."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.publication import Stamp
from stream_monitor.detect.outcomes.bias import BIAS
from stream_monitor.detect.registry import LOSS, OUTCOMES, PAIRS, SEQUENTIAL
from stream_monitor.detect.report import WindowScore
from stream_monitor.detect.versions import ACCURACY, MAE

NOW = Stamp(0, "")
BY_LABELS = {*OUTCOMES, *SEQUENTIAL, *LOSS, ACCURACY, MAE}


RowKey = tuple[str | tuple[str, str] | None, ...]


@dataclass
class Said:
    """See the module."""

    rows: dict[RowKey, WindowScore] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)

    def tell(self, rows: Iterable[WindowScore], alerts: Iterable[Alert]) -> None:
        for row in rows:
            self.rows[row_key(row)] = row
        for alert in alerts:
            self.alerts[alert.alert_id] = alert


def family_of(row: WindowScore) -> str:
    """Rows of one family are told together: data, what labels say, whether they find events, and groups of a facet or classes, which bear a
    segment's name.
    """
    if row.detector in BIAS or "class" in row.segment:
        return "groups"
    if row.detector in PAIRS:
        return "pairs"
    return "labels" if row.feature is None and row.detector in BY_LABELS else "data"


def row_key(row: WindowScore) -> RowKey:
    return (row.model, row.version, *sorted(row.segment.items()), row.window.end, row.feature, row.detector)
