"""From training data to all that is known of it: the baseline, with what varies by itself."""

from collections.abc import Sequence
from pathlib import Path

from stream_monitor.baseline.build import Built, build_with_runs
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.store import sign
from stream_monitor.capture.files import Progress, silent
from stream_monitor.detect.natural import with_natural


def learn(paths: Sequence[Path], options: BuildOptions, progress: Progress = silent) -> Built:
    """`baseline.build` and the natural ranges of its columns. Errors: InputError, BaselineError, each naming the file."""
    built, runs = build_with_runs(paths, options, progress)
    return Built(sign(with_natural(built.baseline, runs)), built.notes)
