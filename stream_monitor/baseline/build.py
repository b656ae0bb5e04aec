"""Training data -> baseline.

The data is read twice: once to see what the columns are (for Parquet, a look at its types), once to count. Where it has segments or
a target, or its runs are asked for, it is read once more, to count those on the bins that were found. Numbers are kept in memory for their
quantiles: 8 bytes per value, so 5 million rows of 50 numeric columns need 2 GB. The result depends on the rows alone, not on their
order (but for runs where there are no times), nor on portions or names of files; only the columns of events stand in the order in
which they appear.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.events import EventSource
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.runs import TrainingRuns
from stream_monitor.baseline.source import Source
from stream_monitor.baseline.store import sign
from stream_monitor.baseline.tables import TableSource
from stream_monitor.baseline.training import Training
from stream_monitor.capture.files import FileKind, Progress, file_kind, silent
from stream_monitor.errors import BaselineError


@dataclass(frozen=True, slots=True)
class Built:
    """A new baseline, and what its maker should know."""

    baseline: Baseline
    notes: tuple[str, ...]


def build(paths: Sequence[Path], options: BuildOptions | None = None, progress: Progress = silent) -> Built:
    """Build the baseline of one or more files of one kind. Errors: InputError, BaselineError, each naming the file."""
    training = _training(paths, options or BuildOptions(), progress)
    return Built(sign(training.complete(training.count_again(None))), training.notes)


def build_with_runs(paths: Sequence[Path], options: BuildOptions, progress: Progress = silent) -> tuple[Built, TrainingRuns]:
    """The same baseline, and the runs of its training data. Errors: as for `build`."""
    training = _training(paths, options, progress)
    plan = training.plan_runs()
    counted = training.count_again(plan)
    return Built(sign(training.complete(counted)), training.notes), training.runs(plan, counted)


def _training(paths: Sequence[Path], options: BuildOptions, progress: Progress) -> Training:
    return Training.read(_source(paths, options, progress), options, paths)


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
