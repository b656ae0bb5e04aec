"""What a run said of its models as a whole: how good they were, whether groups fared alike, how calls went, what a canary did otherwise."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from stream_monitor.detect.outcomes.bias import BIAS
from stream_monitor.detect.outcomes.estimated import ESTIMATED
from stream_monitor.detect.outcomes.metrics import METRICS
from stream_monitor.detect.registry import OPERATIONS, VERSIONS, title_of
from stream_monitor.detect.report import WindowScore
from stream_monitor.export.pictures import Point

CHARTED: Final = frozenset({"accuracy", "rmse", f"{ESTIMATED}accuracy", *OPERATIONS})
"""Told of every window; of the other figures the last that was judged is."""
GROUPS_MAX: Final = 200
"""Figures of bias that are kept, in the order in which they came."""


@dataclass(slots=True)
class Told:
    """One figure. about: a facet's group, or empty; end: of the last window that was judged; points: by end, of those that are charted."""

    detector: str
    about: str
    end: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    points: dict[int, Point] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is called."""
        return title_of(self.detector)

    @property
    def series(self) -> list[Point]:
        """In the order of time."""
        return [self.points[end] for end in sorted(self.points)]


@dataclass(slots=True)
class ModelFigures:
    """All of one model's. A later revision of a window replaces what it said before."""

    by: dict[tuple[str, str], Told] = field(default_factory=dict)

    def add(self, row: WindowScore, end_ms: int) -> None:
        """Take in a row of the whole, or of a facet's group within it."""
        about = ", ".join(f"{name} = {value}" for name, value in row.segment.items())
        is_ours = row.detector in BIAS if about else any(row.detector in table for table in (METRICS, OPERATIONS, VERSIONS))
        if row.feature is not None or not is_ours or len(row.segment) > 1 or row.score is None:
            return
        told = self.by.get((about, row.detector))
        if told is None:
            if len(self.by) >= GROUPS_MAX and about:
                return
            told = self.by[about, row.detector] = Told(row.detector, about)
        is_level = row.detector in OPERATIONS
        if (row.status == "judged" or is_level) and row.window.end >= told.end:
            told.end, told.value, told.threshold = row.window.end, row.score, row.threshold
            told.low, told.high = row.low, row.high
        if row.detector in CHARTED and (row.status == "judged" or is_level):
            told.points[end_ms] = Point(end_ms, row.score, row.threshold)

    def of(self, kind: str) -> Sequence[Told]:
        """Those that were judged: `quality`, `bias`, `operations` or `versions`."""
        tables: dict[str, Collection[str]] = {"quality": METRICS, "bias": BIAS, "operations": OPERATIONS, "versions": VERSIONS}
        return [told for told in self.by.values() if told.detector in tables[kind] and told.end]

    @property
    def truth(self) -> list[Point]:
        """Accuracy, or RMSE, by labels."""
        return next((self.by["", name].series for name in ("accuracy", "rmse") if ("", name) in self.by), [])

    @property
    def estimate(self) -> list[Point]:
        """Accuracy, as estimated from scores."""
        told = self.by.get(("", f"{ESTIMATED}accuracy"))
        return told.series if told is not None else []
