"""Training data -> baseline.

The data is read twice: once to see what the columns are (for Parquet, a look at its types), once to count. Numbers are kept in memory
for their quantiles: 8 bytes per value, so 5 million rows of 50 numeric columns need 2 GB. The result depends on the rows alone,
not on their order, nor on portions or names of files; only the columns of events stand in the order in which they appear.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stream_monitor.baseline.baseline import Baseline, TimeSpan
from stream_monitor.baseline.collect import collector
from stream_monitor.baseline.events import EventSource
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.source import Source, Survey
from stream_monitor.baseline.store import sign
from stream_monitor.baseline.tables import TableSource
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.files import FileKind, Progress, file_kind, silent
from stream_monitor.capture.times import UNREAD
from stream_monitor.errors import BaselineError


@dataclass(frozen=True, slots=True)
class Built:
    """A new baseline, and what its maker should know."""

    baseline: Baseline
    notes: tuple[str, ...]


def build(paths: Sequence[Path], options: BuildOptions | None = None, progress: Progress = silent) -> Built:
    """Build the baseline of one or more files of one kind. Errors: InputError, BaselineError, each naming the file."""
    options = options or BuildOptions()
    source = _source(paths, options, progress)
    survey = source.survey()
    return _finish(source, survey, options, paths)


def _source(paths: Sequence[Path], options: BuildOptions, progress: Progress) -> Source:
    kinds = {path: file_kind(path) for path in paths}
    if not kinds:
        raise BaselineError("no file of training data is named")
    for path, kind in kinds.items():
        if kind is not kinds[paths[0]]:
            raise BaselineError(
                f"{path}: is {kind.value}, but {paths[0]} is {kinds[paths[0]].value}; files of one baseline must be of one kind"
            )
    return (EventSource if kinds[paths[0]] is FileKind.EVENTS else TableSource)(paths, options, progress)


def _finish(source: Source, survey: Survey, options: BuildOptions, paths: Sequence[Path]) -> Built:
    collectors = [collector(column, options) for column in survey.schema.columns]
    rows, span = 0, _Span()
    for columns in source.chunks(survey):
        rows += len(columns)
        span.add(columns)
        for each, values in zip(collectors, columns.values, strict=True):
            each.add(values)
    if rows == 0:
        raise BaselineError(f"{paths[0]}: holds no rows" + (f" of the model {options.model}" if options.model else ""))
    finished = [each.finish() for each in collectors]
    baseline = Baseline(
        id="",
        rows=rows,
        columns=tuple(column for column, _ in finished),
        source=tuple(path.name for path in paths),
        target=options.target,
        time=None if survey.time is None else TimeSpan(survey.time, span.first, span.last),
    )
    return Built(sign(baseline), (*survey.notes, *(note for _, notes in finished for note in notes)))


class _Span:
    """First and last readable time."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.last: int | None = None

    def add(self, columns: Columns) -> None:
        times = columns.time_ms[columns.time_ms != UNREAD]
        if len(times):
            low, high = int(np.min(times)), int(np.max(times))
            self.first = low if self.first is None else min(self.first, low)
            self.last = high if self.last is None else max(self.last, high)
