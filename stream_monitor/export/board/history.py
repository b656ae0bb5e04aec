"""The scores of the last windows of a stream or a segment, in bounded memory."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.registry import is_sequential
from stream_monitor.detect.report import WindowScore, ms_of
from stream_monitor.export.pictures import Point

WINDOWS_MAX: Final = 288
"""A day of five-minute windows."""
CELLS_MAX: Final = 1_000_000
"""Scores kept per stream, 8 MB: where there are many columns, fewer windows are."""
WINDOWS_MIN: Final = 12

SeriesKey = tuple[str | None, str]
"""Column (None: the whole) and detector."""


@dataclass(slots=True)
class History:
    """The windows with the latest ends. values: float64[2, S, N], scores and thresholds by series and place; NaN where there is none.

    cells_max: see `CELLS_MAX`.
    """

    cells_max: int = CELLS_MAX

    series: dict[SeriesKey, int] = field(default_factory=dict)
    ends_ms: list[int] = field(default_factory=list)
    """By place; the one with the earliest end is overwritten. Labels may tell of a window when hundreds came after it."""
    values: NDArray[np.float64] = field(default_factory=lambda: np.full((2, 0, 0), np.nan, dtype=np.float64))
    _keys: list[SeriesKey] = field(default_factory=list)
    _columns: dict[str, int] = field(default_factory=dict)
    _owners: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """The column of each series, numbered by `_columns`; -1 for the whole."""

    def add(self, rows: list[WindowScore]) -> None:
        """The rows of one window; a revision replaces what it said before. Of the whole, what was not judged is kept too: levels of calls
        are shown before it is known what is usual. A change of the loss that was found stays found.
        """
        if not rows:
            return
        for row in rows:
            self.series.setdefault((row.feature, row.detector), len(self.series))
        self._make_room()
        place = self._place(ms_of(rows[0].window.end))
        if place is None:
            return
        for row in rows:
            cell = self.values[:, self.series[row.feature, row.detector], place]
            score = row.score if row.score is not None and (row.status == "judged" or row.feature is None) else np.nan
            if row.feature is None and is_sequential(row.detector):
                score = np.fmax(cell[0], score)
            cell[:] = (score, np.nan if row.threshold is None else row.threshold)

    def of(self, key: SeriesKey) -> list[Point]:
        """One series in the order of time."""
        row = self.series.get(key)
        if row is None:
            return []
        found = zip(self.ends_ms, self.values[:, row].T.tolist(), strict=False)
        return [Point(end, *(None if value != value else value for value in pair)) for end, pair in sorted(found)]

    def furthest(self) -> dict[str, tuple[str, Point]]:
        """By column, the detector of the newest window whose score is the most of its threshold, and what it saw; where there is one.

        In arrays: ten thousand columns of sixteen series each take 20 ms, in which a worker waits to tell what it committed.
        """
        if not self.ends_ms:
            return {}
        place = max(range(len(self.ends_ms)), key=self.ends_ms.__getitem__)
        scores, thresholds = self.values[:, : len(self.series), place]
        rows = np.flatnonzero((self._owners >= 0) & ~np.isnan(scores) & (thresholds > 0))
        rows = rows[np.argsort(scores[rows] / thresholds[rows], kind="stable")]
        best = np.full(len(self._columns), -1, dtype=np.int64)
        best[self._owners[rows]] = rows  # of several places that are one the last value stays: the highest
        best = best[best >= 0]
        found = zip((self._keys[row] for row in best.tolist()), scores[best].tolist(), thresholds[best].tolist(), strict=True)
        return {str(column): (detector, Point(self.ends_ms[place], *pair)) for (column, detector), *pair in found}

    def _make_room(self) -> None:
        """Series are known after the first window; later ones are rare."""
        rows, places = len(self.series), max(self.values.shape[2], self._windows())
        if rows > self.values.shape[1]:
            grown = np.full((2, rows, places), np.nan, dtype=np.float64)
            grown[:, : self.values.shape[1], : self.values.shape[2]] = self.values
            self.values, self._keys = grown, list(self.series)
            numbers = (-1 if column is None else self._columns.setdefault(column, len(self._columns)) for column, _ in self._keys)
            self._owners = np.fromiter(numbers, dtype=np.int64, count=rows)

    def _place(self, end_ms: int) -> int | None:
        """None: it is too old."""
        if end_ms in self.ends_ms:
            return self.ends_ms.index(end_ms)
        if len(self.ends_ms) < self.values.shape[2]:
            self.ends_ms.append(end_ms)
            return len(self.ends_ms) - 1
        place = min(range(len(self.ends_ms)), key=self.ends_ms.__getitem__)
        if end_ms < self.ends_ms[place]:
            return None
        self.ends_ms[place] = end_ms
        self.values[:, :, place] = np.nan
        return place

    def _windows(self) -> int:
        return min(max(self.cells_max // max(2 * len(self.series), 1), WINDOWS_MIN), WINDOWS_MAX)
