"""How the training data is cut to see what is natural: into runs like the windows to come, and folded by hour and by day of the week.

Runs show what changes from window to window. Folds show seasons where rows are too sparse for that: 1,000 rows of two months make five
runs that each hold every hour of the day, but four blocks of the day that do not. Windows of few rows, where runs hold many of them, show
how alike rows are that came together: a sample of 12 rows of every window says little of each, and of 8,000 of them much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.baseline import Runs
from stream_monitor.baseline.parts import Parts
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.times import UNREAD

RUNS_MAX: Final = 10_000
"""More are joined evenly: a month of windows of 5 minutes has 8,640."""
WINDOW_ROWS_MIN: Final = 4
"""Rows of a window that is compared with itself: pairs are what shows that rows are alike."""
CELLS_MAX: Final = 60_000_000
"""Runs x counts of a profile: 480 MB while a baseline is built."""
HELD_MIN: Final = 0.95
"""A fold's blocks that are large enough to be judged must hold so much of the rows."""
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_THURSDAY: Final = 3
"""Of which day of the week, from Monday on, the epoch is."""


@dataclass(frozen=True, slots=True, eq=False)
class Season:
    """A cycle of time, cut into its smallest steps, and the ways to join them to equal blocks, finest first.

    period_ms, step_ms, offset_ms: a time's step is (time + offset) % period // step. span_ms: how long the data must span to show it.
    blocks: for each way int64[steps], the block of every step.
    """

    name: str
    period_ms: int
    step_ms: int
    offset_ms: int
    span_ms: int
    blocks: tuple[NDArray[np.int64], ...]

    @property
    def steps(self) -> int:
        """How many there are."""
        return self.period_ms // self.step_ms

    def step_of(self, times: NDArray[np.int64]) -> NDArray[np.int32]:
        """int32[n]: the step of each time in ms; -1 for `UNREAD`."""
        steps = (times + self.offset_ms) % self.period_ms // self.step_ms
        return np.where(times == UNREAD, -1, steps).astype(np.int32)


SEASONS: Final = (
    Season("hour of day", _DAY_MS, _HOUR_MS, 0, 2 * _DAY_MS, tuple(np.arange(24) * blocks // 24 for blocks in (24, 12, 8, 6, 4, 3, 2))),
    Season("day of week", 7 * _DAY_MS, _DAY_MS, _THURSDAY * _DAY_MS, 14 * _DAY_MS, (np.arange(7), np.array([0, 0, 0, 0, 0, 1, 1]))),
)
"""In UTC; days of the week, else working days and week-ends."""


@dataclass(frozen=True, slots=True, eq=False)
class RunPlan:
    """Which run and which steps of the seasons each row belongs to.

    starts: int64[R], rising: the first time in ms of each run, or where there are no times the number of its first row.
    windows: int64[W], the same for windows, none where there are no times. seasons: those that the data is long enough to show;
    held: for each int64[W, steps], the rows of every window by step.
    """

    runs: Runs
    starts: NDArray[np.int64]
    span_ms: int
    windows: NDArray[np.int64]
    seasons: tuple[Season, ...] = ()
    held: tuple[NDArray[np.int64], ...] = ()

    def run_of(self, columns: Columns, first_row: int) -> NDArray[np.int32]:
        """int32[n]; -1 for rows whose time cannot be read. first_row: how many rows came before these."""
        if self.runs.by == "rows":
            return _place(self.starts, np.arange(first_row, first_row + len(columns), dtype=np.int64))
        return _by_time(self.starts, columns)

    def window_of(self, columns: Columns) -> NDArray[np.int32]:
        """int32[n]; -1 for rows whose time cannot be read."""
        return _by_time(self.windows, columns)


def plan_by_time(times: NDArray[np.int64], window_ms: int, rows_min: int, cells: int) -> RunPlan:
    """Runs of event time: windows at multiples of `window_ms`, joined with those that follow until they hold `rows_min` rows.

    times: int64[n] ms, n >= 1, in any order, all read; cells: counts of one profile. What is left at the end joins the last run.
    """
    numbers, rows = np.unique(times // window_ms, return_counts=True)
    starts, windows = (numbers[_joined(rows, least, _runs_max(cells))] * window_ms for least in (rows_min, min(rows_min, WINDOW_ROWS_MIN)))
    span_ms = int(times.max() - times.min())
    seasons = tuple(season for season in SEASONS if span_ms > season.span_ms)
    place = _place(windows, times)
    held = tuple(_crossed(place, len(windows), season.step_of(times), season.steps) for season in seasons)
    return RunPlan(Runs("time", window_ms, rows_min, len(starts), windows=len(windows)), starts, span_ms, windows, seasons, held)


def plan_by_rows(rows: int, rows_min: int, cells: int) -> RunPlan:
    """Consecutive rows in their order, `rows_min` to a run or more; rows >= 1. What is left at the end joins the last run."""
    length = max(rows_min, -(-rows // _runs_max(cells)))
    count = max(rows // length, 1)
    none = np.zeros(0, dtype=np.int64)
    return RunPlan(Runs("rows", None, rows_min, count), np.arange(count, dtype=np.int64) * length, 0, none)


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """The rows by block of a season. parts: P blocks; judged: the numbers of those that hold rows enough.

    weights: float64[W, P], the part of every window's rows that lies in each block.
    """

    name: str
    period_ms: int
    parts: Parts
    judged: tuple[int, ...]
    weights: NDArray[np.float64]


def fold(season: Season, steps: Parts, held: NDArray[np.int64], rows_min: int) -> Fold | None:
    """The finest blocks of which those with `rows_min` rows hold nearly all (`HELD_MIN`); None where there are no two such.

    steps: the rows by step of the season; held: int64[W, steps], as in `RunPlan`.
    """
    for into in season.blocks:
        blocks = int(into.max()) + 1
        events = np.bincount(into, steps.events, blocks)
        judged = np.flatnonzero(events >= rows_min)
        if len(judged) >= 2 and events[judged].sum() >= HELD_MIN * events.sum():
            within = held @ np.eye(blocks)[into]
            weights = within / np.maximum(within.sum(axis=1, keepdims=True), 1)
            return Fold(season.name, season.period_ms, steps.joined(into, blocks), tuple(judged.tolist()), weights)
    return None


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRuns:
    """What the runs, windows (the runs, where there are no times) and folds of the training data hold.

    span_ms: from the first time to the last, 0 without times.
    """

    runs: Runs
    parts: Parts
    windows: Parts
    folds: tuple[Fold, ...]
    span_ms: int


def _runs_max(cells: int) -> int:
    return max(1, min(RUNS_MAX, CELLS_MAX // max(cells, 1)))


def _joined(rows: NDArray[np.int64], rows_min: int, runs_max: int) -> list[int]:
    """The first window of each run."""
    starts, held = [0], 0
    for window, n in enumerate(rows.tolist()):
        if held >= rows_min:
            starts.append(window)
            held = 0
        held += n
    if held < rows_min and len(starts) > 1:
        starts.pop()
    return starts[:: -(-len(starts) // runs_max)]


def _by_time(starts: NDArray[np.int64], columns: Columns) -> NDArray[np.int32]:
    return np.where(columns.time_ms == UNREAD, -1, _place(starts, columns.time_ms)).astype(np.int32)


def _place(starts: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int32]:
    return (np.searchsorted(starts, at, side="right") - 1).astype(np.int32)


def _crossed(rows: Sequence[int] | NDArray[np.int32], height: int, columns: NDArray[np.int32], width: int) -> NDArray[np.int64]:
    """int64[height, width]: how often each pair comes."""
    flat = np.asarray(rows, dtype=np.int64) * width + columns
    return np.bincount(flat, minlength=height * width).reshape(height, width)
