"""What a new baseline says about its own variation: notes, and suggested thresholds as YAML."""

from pathlib import Path
from typing import Final

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stream_monitor.baseline.baseline import Baseline, Runs
from stream_monitor.config.duration import format_duration
from stream_monitor.detect.registry import BY_COLUMN, Thresholds
from stream_monitor.errors import InputError
from stream_monitor.pipeline.constraints import Raised, raised_thresholds, suggested_overrides

RUNS_MIN: Final = 10
"""With fewer, the largest of them says little about the next."""
_SHOWN: Final = 10
"""Features named one by one; rows of the table are three times as many."""
_HEAD: Final = """\
# Suggested by baseline {id}: paste it under the model in monitor.yaml and change what you know better.
# Thresholds above the defaults are 1.2 times what the feature showed in training; lower ones need `natural_ranges: false`.
"""


def natural_notes(baseline: Baseline, thresholds: Thresholds) -> tuple[str, ...]:
    """A sentence for each feature whose thresholds rise, by the first of its detectors, and on how well that is known."""
    first: dict[str, Raised] = {}
    for raised in raised_thresholds(baseline, thresholds):
        first.setdefault(raised.column, raised)
    notes = [_sentence(raised, baseline.runs) for raised in list(first.values())[:_SHOWN]]
    if len(first) > _SHOWN:
        notes.append(f"{len(first) - _SHOWN} more features vary with time; --constraints FILE or --json names them")
    return (*notes, *_doubts(baseline.runs))


def _sentence(raised: Raised, runs: Runs | None) -> str:
    detector = BY_COLUMN.get(raised.detector)
    what = raised.detector if detector is None or detector.is_quality else detector.title
    where = "in a window" if runs and runs.by == "time" else "among runs of its rows"
    return f"`{raised.column}` varies with time: {what} up to {raised.natural:.2g} {where}; its threshold rises to {raised.effective:.2g}"


def _doubts(runs: Runs | None) -> list[str]:
    if runs is None:
        return []
    notes = ["no times: the order of the rows was taken for time; --time COL says better what varies"] if runs.by == "rows" else []
    if runs.count < RUNS_MIN:
        size = f"of {runs.rows_min} rows" if runs.window_ms is None else f"of {format_duration(runs.window_ms)} and {runs.rows_min} rows"
        notes.append(f"the data make {runs.count} runs {size} or more only: how much it varies by itself is hardly known")
    return notes


def write_constraints(path: Path, baseline: Baseline, thresholds: Thresholds) -> None:
    """Write the suggested `overrides` as YAML. Errors: InputError."""
    tree = {"overrides": suggested_overrides(baseline, thresholds)}
    text = _HEAD.format(id=baseline.id) + yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def print_constraints(path: Path, baseline: Baseline, thresholds: Thresholds) -> None:
    """The same as a short table."""
    rows = [
        (name, detector, f"{threshold:g}")
        for name, override in suggested_overrides(baseline, thresholds).items()
        for detector, threshold in override["thresholds"].items()
    ]
    table = Table("feature", "detector", "threshold", box=None, pad_edge=False)
    for name, detector, threshold in rows[: 3 * _SHOWN]:
        table.add_row(escape(name), detector, threshold)
    console = Console(highlight=False)
    if rows:
        console.print(table)
    more = f" ({len(rows) - 3 * _SHOWN} more there)" if len(rows) > 3 * _SHOWN else ""
    console.print(f"{len(rows)} suggested thresholds in {escape(str(path))}{more}", soft_wrap=True)
