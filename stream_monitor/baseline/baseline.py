"""The baseline: the profile of the training data, on bins of its own making."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from stream_monitor.baseline.answers import Answers
from stream_monitor.baseline.attribution import Attribution
from stream_monitor.baseline.column import BaselineColumn, CategoricalColumn, Natural, NumericColumn
from stream_monitor.baseline.joint import Joint
from stream_monitor.baseline.segments import Segmentation
from stream_monitor.baseline.truth import Truth
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.schema import PRODUCER, Kind, Role, Schema
from stream_monitor.profile.anomalies import Anomalies
from stream_monitor.profile.attributions import Attributions
from stream_monitor.profile.layout import Layout
from stream_monitor.profile.profile import Profile

if TYPE_CHECKING:
    from stream_monitor.baseline.encode import Coded

__all__ = ["Baseline", "BaselineColumn", "CategoricalColumn", "Natural", "NumericColumn", "Runs", "Segmentation", "TimeSpan", "Truth"]


@dataclass(frozen=True)
class TimeSpan:
    """The training data's column of event times, with the first and last of them in ms since the epoch (None: none could be read)."""

    column: str
    first_ms: int | None
    last_ms: int | None


@dataclass(frozen=True)
class Runs:
    """How the training data was cut to find natural ranges; see `runs.RunPlan`.

    by: "time" (windows of `window_ms`, joined until they hold `rows_min` rows) or "rows" (consecutive rows in their order);
    count: how many runs; folds: further cuts, such as "hour of day", with the number of their blocks; windows: into how many windows that
    hold few rows it was cut besides, to see how alike rows are that came together, 0: into none.
    """

    by: Literal["time", "rows"]
    window_ms: int | None
    rows_min: int
    count: int
    folds: tuple[tuple[str, int], ...] = ()
    windows: int = 0


@dataclass(frozen=True)
class Baseline:
    """What is normal for a model. `id` is made from all the rest but `source` (the names of the files it was built from).

    left_out: features that training data had and that are not judged, by name; segments: the parts of its traffic that can be judged by
    themselves; runs: None where natural ranges were not looked for; truth: None where no row had a label to compare with a prediction;
    attribution: None where no row says how much its features counted; joint: None where fewer than two columns have an order and vary;
    answers: None where there are no predictions, or no feature tells of them.
    """

    id: str
    rows: int
    columns: tuple[BaselineColumn, ...]
    source: tuple[str, ...] = ()
    target: str | None = None
    time: TimeSpan | None = None
    left_out: tuple[str, ...] = ()
    segments: tuple[Segmentation, ...] = ()
    runs: Runs | None = None
    truth: Truth | None = None
    attribution: Attribution | None = None
    joint: Joint | None = None
    answers: Answers | None = None

    @property
    def run_rows(self) -> float | None:
        """How many rows a run of event time has, on average; None where there are no such, or one row each."""
        return self.rows / self.runs.count if self.runs and self.runs.by == "time" and self.rows > self.runs.count else None

    @property
    def window_rows(self) -> float | None:
        """How many rows one of the `windows` has, on average; None where there are no such, or one row each."""
        return self.rows / self.runs.windows if self.runs and self.runs.windows and self.rows > self.runs.windows else None

    @property
    def run_ms(self) -> float:
        """How long such a run is, on average; 0 where there are none."""
        if self.run_rows is None or self.runs is None or self.time is None or self.time.first_ms is None or self.time.last_ms is None:
            return 0.0
        return (self.time.last_ms - self.time.first_ms) / self.runs.count

    @cached_property
    def schema(self) -> Schema:
        """What to read from events."""
        columns = tuple(entry.column for entry in self.columns)
        attributed = tuple(column.name for column in columns if self.attribution and column.role is Role.FEATURE)
        named = [field for each in self.segments for field in each.fields]
        return Schema(columns, tuple(dict.fromkeys([*named, PRODUCER])), attributed)

    @cached_property
    def layout(self) -> Layout:
        """The shape of profiles on this baseline."""
        return Layout(
            names=tuple(entry.column.name for entry in self.columns),
            sizes=tuple(len(entry.counts) for entry in self.columns),
            ordered=tuple(entry.column.kind is Kind.NUMERIC for entry in self.columns),
            joint=len(self.joint.counts) if self.joint else 0,
        )

    @cached_property
    def profile(self) -> Profile:
        """The training data's profile (without samples): the same as encoding and summarising every row of it, but for `Joint.counts`."""
        counts = np.array([count for entry in self.columns for count in entry.counts], dtype=np.int64)
        moments = [entry.moments if isinstance(entry, NumericColumn) else (0, 0) for entry in self.columns]
        attributions = self.attribution.whole if self.attribution else Attributions.empty()
        outliers = [entry.outliers if isinstance(entry, NumericColumn) else 0 for entry in self.columns]
        joint = np.array(self.joint.counts if self.joint else (), dtype=np.int64)
        anomalies, sums = Anomalies.of(np.array(outliers, dtype=np.int64), joint), np.array(moments, dtype=np.int64).reshape(-1, 2).T.copy()
        return Profile(self.rows, counts, sums, attributions=attributions, anomalies=anomalies)

    def label(self, column: int, code: int) -> str:
        """A code of a column in words."""
        return self.columns[column].label(code)

    def encode(self, columns: Columns) -> "Coded":
        """Events of this baseline's schema on its bins."""
        from stream_monitor.baseline.encode import encode  # numba is loaded only where events are counted

        return encode(self, columns)
