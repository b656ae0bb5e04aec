"""The field's own detectors as judges of a run: `JUDGES[name](run, rows) -> Alarms`.

river's detectors read the values of each feature one by one, with river's defaults: numbers as they are (mean 0, standard deviation 1),
categories by their place in the order of frequency; a missing value gives them nothing to read.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from river import drift

from benchmarks.judgement.measure import Alarms
from benchmarks.judgement.traffic import FEATURES, LEVELS, START_MS, WINDOW_MS, Change, Floats, Run
from benchmarks.judgement.windowed import checksum

ROOT: Final = Path(__file__).parents[2]
INTERPRETER: Final = ROOT / "build" / "peers" / "bin" / "python"
NO_TELEMETRY: Final = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
"""Evidently and NannyML report their use to their makers unless told not to."""
KSWIN_MEMORY: Final = 100
"""Its default: all that it remembers."""

Judge = Callable[[Run, int], Alarms]


def always(run: Run, rows: int) -> Alarms:
    """Fires on every feature of every window."""
    ends = [window.start_ms + WINDOW_MS for window in run.windows()]
    return Alarms({feature.name: ends for feature in FEATURES})


def never(run: Run, rows: int) -> Alarms:
    """Never fires."""
    return Alarms({})


def drifts(detector: Any, value: float) -> bool:
    """Whether a river detector alarms at this value."""
    detector.update(value)
    return bool(detector.drift_detected)


def each_value(make: Callable[[], Any]) -> Judge:
    """A river detector on every value of every feature."""

    def judge(run: Run, rows: int) -> Alarms:
        detectors = {feature.name: make() for feature in FEATURES}
        alarms: dict[str, list[int]] = {feature.name: [] for feature in FEATURES}
        for window in run.windows():
            for name, detector in detectors.items():
                values = window.values[name]
                present = ~np.isnan(values)
                found = [row for row, value in enumerate(values[present].tolist()) if drifts(detector, value)]
                alarms[name].extend(window.times_ms[present][found].tolist())
        return Alarms(alarms)

    return judge


def kswin(run: Run, rows: int) -> Alarms:
    """KSWIN, which costs 0.2 ms a value: each stretch of a feature is read up to its first alarm, which decides its unit.

    It remembers 100 values. So the stretch after the change begins with the last 100 before it, and its first alarm is what reading all
    would give, but where an alarm shortly before the change would have emptied that memory.
    """
    judged = {feature.name: _Kswin(run, seed) for seed, feature in enumerate(FEATURES)}
    for window in run.windows():
        for name, one in judged.items():
            present = ~np.isnan(window.values[name])
            one.read(window.times_ms[present], window.values[name][present])
    steady = {feature.name for feature in FEATURES if not run.changes or feature.change is Change.NONE}
    watched = sum(one.before.until_ms - START_MS + (one.after.until_ms - run.change_ms) * (name in steady) for name, one in judged.items())
    return Alarms({name: [*one.before.alarms, *one.after.alarms] for name, one in judged.items()}, watched)


class _Stretch:
    """KSWIN over one stretch, up to its first alarm."""

    def __init__(self, end_ms: int, seed: int) -> None:
        self._detector: Any = drift.KSWIN(seed=seed)
        self.until_ms, self.alarms = end_ms, list[int]()

    def warm(self, values: Floats) -> None:
        for value in values.tolist():
            self._detector.update(value)

    def read(self, times_ms: NDArray[np.int64], values: Floats) -> None:
        if self.alarms:
            return
        for row, value in enumerate(values.tolist()):
            if drifts(self._detector, value):
                self.until_ms = int(times_ms[row])
                self.alarms.append(self.until_ms)
                return


class _Kswin:
    """One feature: the stretch before the change, and that after it."""

    def __init__(self, run: Run, seed: int) -> None:
        self._change_ms, self._memory, self._changed = run.change_ms, np.empty(0), False
        self.before, self.after = _Stretch(run.change_ms, seed), _Stretch(run.end_ms, seed)

    def read(self, times_ms: NDArray[np.int64], values: Floats) -> None:
        old = int(np.searchsorted(times_ms, self._change_ms))
        self.before.read(times_ms[:old], values[:old])
        self._memory = np.concatenate([self._memory, values[:old]])[-KSWIN_MEMORY:]
        if old < len(values):
            if not self._changed:
                self.after.warm(self._memory)
                self._changed = True
            self.after.read(times_ms[old:], values[old:])


def separate(name: str) -> Judge:
    """A judge that runs in the environment of `setup_peers.sh`."""

    def judge(run: Run, rows: int) -> Alarms:
        level = next(key for key, level in LEVELS.items() if level is run.level)
        command = [str(INTERPRETER), "-m", "benchmarks.judgement.windowed", name, level, str(run.seed), str(run.changes), str(rows)]
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment = {**os.environ, **NO_TELEMETRY, **threads}
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        answer = json.loads(done.stdout.splitlines()[-1])
        assert answer["checksum"] == checksum(run), "the peers' numpy draws other values"
        return Alarms(answer["alarms"])

    return judge


JUDGES: Final[dict[str, Judge]] = {
    "river ADWIN": each_value(drift.ADWIN),
    "river PageHinkley": each_value(drift.PageHinkley),
    "river KSWIN": kswin,
    "Evidently": separate("evidently"),
    "Evidently, 1,000 rows": separate("evidently_small"),
    "NannyML": separate("nannyml"),
    "always": always,
    "never": never,
}
SEPARATE: Final = frozenset({"Evidently", "Evidently, 1,000 rows", "NannyML"})
SLOW: Final = SEPARATE | {"river KSWIN"}
