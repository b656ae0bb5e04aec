"""How good the models of a replay were, and whether groups fared alike, as a short table: where labels tell it."""

from collections.abc import Iterable
from typing import Final

from rich.markup import escape
from rich.table import Table

from stream_monitor.detect.finding import ScoreStatus
from stream_monitor.detect.registry import falls, title_of
from stream_monitor.detect.report import WindowScore

SHOWN: Final = (
    "accuracy",
    "estimated_accuracy",
    "f1",
    "roc_auc",
    "rmse",
    "estimated_rmse",
    "disparate_impact",
    "equal_opportunity_difference",
)
"""Of more than thirty; the others are in windows.jsonl and in the report."""
ROWS_MAX: Final = 40


class ReplayFigures:
    """By model, group and figure, what was last said of each window of the whole."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], dict[str, WindowScore]] = {}

    def add(self, scores: Iterable[WindowScore]) -> None:
        """Take in rows."""
        for row in scores:
            if row.detector in SHOWN and row.status == ScoreStatus.JUDGED and row.score is not None and len(row.segment) <= 1:
                model = row.model if row.version is None else f"{row.model}@{row.version}"
                about = ", ".join(f"{name}={value}" for name, value in row.segment.items())
                self._rows.setdefault((model, about, row.detector), {})[row.window.end] = row

    def table(self) -> Table | None:
        """The last value and the worst, the threshold and how many windows; None where no label told anything."""
        if all(name.startswith("estimated") for _, _, name in self._rows):
            return None
        table = Table(title="Quality and bias", title_justify="left")
        for name in ("model", "figure", "about", "last", "worst", "threshold", "windows"):
            table.add_column(name, no_wrap=name != "figure", justify="left" if name in ("model", "figure", "about") else "right")
        for (model, about, detector), rows in sorted(
            self._rows.items(), key=lambda item: (item[0][0], item[0][1], SHOWN.index(item[0][2]))
        )[:ROWS_MAX]:
            last = rows[max(rows)]
            side = "under" if falls(detector) or detector == "disparate_impact" else "over"
            values = [row.score for row in rows.values() if row.score is not None]
            worst = min(values) if side == "under" else max(values, key=abs)
            limit = "" if last.threshold is None else f"{side} {last.threshold:.2f}"
            cells = (f"{last.score:.2f}", f"{worst:.2f}", limit, f"{len(rows):,}")
            table.add_row(escape(model), title_of(detector), escape(about), *cells)
        return table
