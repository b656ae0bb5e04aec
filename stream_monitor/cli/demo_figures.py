"""What the demonstration shows of labels: how good the model was, what it was taken for before, and whether groups fared alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import msgspec

from stream_monitor.detect.finding import FindingKind, ScoreStatus
from stream_monitor.detect.report import WindowScore

ESTIMATED, ACCURACY, IMPACT, COVERAGE = "estimated_accuracy", "accuracy", "disparate_impact", "label_coverage"
KINDS: Final[Mapping[str, FindingKind]] = MappingProxyType(
    {ESTIMATED: FindingKind.ESTIMATED_QUALITY, ACCURACY: FindingKind.MODEL_QUALITY, IMPACT: FindingKind.BIAS}
)
"""Figures that are judged, and of which kind their alerts are."""
_decoder: Final = msgspec.json.Decoder(WindowScore)


@dataclass(slots=True)
class Figures:
    """Figure -> end of a window and version -> what was last said of it."""

    rows: dict[str, dict[tuple[str, str | None], WindowScore]] = field(default_factory=lambda: {name: {} for name in (*KINDS, COVERAGE)})

    def add(self, content: bytes) -> None:
        """Take in a row of the windows topic, if it is about one of these figures."""
        row = _decoder.decode(content)
        if row.feature is None and row.detector in self.rows and row.score is not None:
            self.rows[row.detector][row.window.end, row.version] = row

    def newest(self, name: str) -> WindowScore | None:
        """Of the last window that was judged; None: there is none so far."""
        judged = [row for row in self.rows[name].values() if row.status == ScoreStatus.JUDGED]
        return max(judged, key=lambda row: row.window.end, default=None)

    def first(self, name: str, version: str, after: str) -> WindowScore | None:
        """Of the first window of this version that begins at this time or later and was judged."""
        judged = [row for row in self.rows[name].values() if row.status == ScoreStatus.JUDGED and row.version == version]
        return min((row for row in judged if row.window.start >= after), key=lambda row: row.window.end, default=None)

    def of(self, name: str, end: str) -> float | None:
        """Of the window with this end, as rows tell it, of the version with the most events; None: not known."""
        rows = [row for (at, _), row in self.rows[name].items() if at == end]
        return max(rows, key=lambda row: row.window.events).score if rows else None
