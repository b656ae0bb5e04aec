"""What an alarm is worth: hits, misses and false alarms of a judge over runs.

A unit is one feature over one stretch of a run: every feature before the change (a negative), every changed feature after it (a positive),
every steady one after it (a negative). A unit is flagged when an alarm falls into it; so F1 = 2 hits / (2 hits + false + misses).
The delay is from the beginning of the change to the first alarm after it, in event time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Final

from benchmarks.judgement.traffic import FEATURES, START_MS, WINDOW_MS, Change, Feature, Run

DAY_MS: Final = 86_400_000
EPISODE_MS: Final = 3 * WINDOW_MS // 2
"""Alarms of one feature that follow each other within a window and a half are one false alarm: who looks at windows repeats himself."""


@dataclass(frozen=True, slots=True)
class Alarms:
    """What a judge said of one run. times_ms: feature -> event times of its alarms, rising; "" is the model as a whole.

    watched_ms: how much of the stretches without change it looked at, over all features, where that is not all of them.
    """

    times_ms: Mapping[str, Sequence[int]]
    watched_ms: int | None = None


@dataclass(slots=True)
class Tally:
    """Hits (with their delays) and misses by feature, units falsely flagged, false alarms and the time in which they came."""

    delays_ms: dict[str, list[int]] = field(default_factory=dict)
    misses: dict[str, int] = field(default_factory=dict)
    false_units: int = 0
    units: int = 0
    """Without change."""
    false_alarms: int = 0
    watched_ms: int = 0

    def add(self, run: Run, alarms: Alarms) -> None:
        """Take in one run."""
        watched = 0
        for feature in (*FEATURES, Feature("")):
            times = alarms.times_ms.get(feature.name, ())
            change_ms = run.change_ms if run.changes and feature.change is not Change.NONE else None
            for begin, end in _steady(run, change_ms):
                inside = [time for time in times if begin <= time < end]
                self.units += feature.name != ""
                self.false_units += bool(inside)
                self.false_alarms += episodes(inside)
                watched += (end - begin) * (feature.name != "")
            if change_ms is not None:
                self._changed(feature.name, change_ms, times)
        self.watched_ms += watched if alarms.watched_ms is None else alarms.watched_ms

    def _changed(self, name: str, change_ms: int, times: Sequence[int]) -> None:
        after = [time for time in times if time >= change_ms]
        if after:
            self.delays_ms.setdefault(name, []).append(min(after) - change_ms)
        else:
            self.misses[name] = self.misses.get(name, 0) + 1

    def hits(self, without: frozenset[str] = frozenset()) -> int:
        """Changes found; `without`: features left out."""
        return sum(len(delays) for name, delays in self.delays_ms.items() if name not in without)

    def f1(self, without: frozenset[str] = frozenset()) -> float:
        """2 hits / (2 hits + false units + misses), 0 where nothing was found."""
        hits, missed = self.hits(without), sum(count for name, count in self.misses.items() if name not in without)
        return 2 * hits / (2 * hits + self.false_units + missed) if hits else 0.0

    def false_per_day(self) -> float:
        """False alarms per 1,000 features and day."""
        return 1000 * self.false_alarms * DAY_MS / self.watched_ms if self.watched_ms else 0.0

    def delay_minutes(self, name: str | None = None) -> float | None:
        """Median over the changes that were found (of one feature, or of all); None where none was."""
        delays = self.delays_ms.get(name, []) if name is not None else [delay for found in self.delays_ms.values() for delay in found]
        return median(delays) / 60_000 if delays else None


def _steady(run: Run, change_ms: int | None) -> list[tuple[int, int]]:
    """The stretches in which a feature does not change: before the change of the others, and after it where it is steady itself."""
    late = run.end_ms + WINDOW_MS  # what is said of the last window comes after its end
    return [(START_MS, run.change_ms)] if change_ms is not None else [(START_MS, run.change_ms), (run.change_ms, late)]


def episodes(times_ms: Sequence[int]) -> int:
    """How many groups of alarms that lie close together; times rise."""
    return sum(later - earlier > EPISODE_MS for earlier, later in pairwise(times_ms)) + bool(times_ms)
