"""Evidently's and NannyML's defaults on the windows of one run; runs in the environment of the peers, prints JSON.

    build/peers/bin/python -m benchmarks.judgement.windowed NAME LEVEL SEED CHANGES ROWS

Windows that hold fewer than 200 events are joined with those after them until they do, as a person would with these tools.
"""

import importlib
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from benchmarks.judgement.traffic import FEATURES, LEVELS, WINDOW_MS, Floats, Run, Window

EVENTS_MIN: Final = 200
CHUNKS_MIN: Final = 10
"""NannyML takes its thresholds from as many parts of the reference by default; windows are thinned until the reference holds so many."""
SMALL_REFERENCE: Final = 1_000
"""Up to so many rows Evidently tests with Kolmogorov-Smirnov and chi-square at p < 0.05, beyond with distances over 0.1."""

Judged = dict[str, list[int]]


def joined(run: Run) -> Iterator[tuple[int, dict[str, Floats]]]:
    """(end_ms, values) of windows of at least `EVENTS_MIN` events."""
    waiting: list[Window] = []
    for window in run.windows():
        waiting.append(window)
        if sum(len(part.times_ms) for part in waiting) >= EVENTS_MIN:
            values = {f.name: np.concatenate([part.values[f.name] for part in waiting]) for f in FEATURES}
            yield window.start_ms + WINDOW_MS, values
            waiting = []


def evidently(run: Run, rows: int) -> Judged:
    """The test that `DataDriftPreset` takes for each column, at its default threshold; its report around it costs 4 s a window."""
    pandas = importlib.import_module("pandas")  # this and all below exist in the environment of the peers alone
    stattests = importlib.import_module("evidently.legacy.calculations.stattests")
    kinds = importlib.import_module("evidently.legacy.core").ColumnType
    reference = {name: pandas.Series(values).dropna() for name, values in run.training(rows).items()}
    alarms: Judged = {f.name: [] for f in FEATURES}
    for end_ms, values in joined(run):
        for feature in FEATURES:
            kind = kinds.Categorical if feature.is_category else kinds.Numerical
            current = pandas.Series(values[feature.name]).dropna()
            test = stattests.registry.get_stattest(reference[feature.name], current, kind, None)
            if test(reference[feature.name], current, kind, None).drifted:
                alarms[feature.name].append(end_ms)
    return alarms


def nannyml(run: Run, rows: int) -> Judged:
    """`UnivariateDriftCalculator` as it comes: Jensen-Shannon distance over the mean + 3 standard deviations of the reference's chunks."""
    pandas, library = importlib.import_module("pandas"), importlib.import_module("nannyml")
    names = [f.name for f in FEATURES]
    ends, parts = zip(*joined(run), strict=True)
    size = min(int(np.median([len(part[names[0]]) for part in parts])), rows // CHUNKS_MIN)
    thinned = [_first(part, size) for part in parts]

    def frame(values: dict[str, Floats], periods: Any) -> Any:
        """Periods of a day in place of windows, so that one period is one chunk."""
        return pandas.DataFrame(values | {"time": pandas.Timestamp("2020-01-01") + pandas.to_timedelta(periods, unit="D")})

    calculator = library.UnivariateDriftCalculator(
        column_names=names,
        treat_as_categorical=[f.name for f in FEATURES if f.is_category],
        timestamp_column_name="time",
        chunk_period="D",
    )
    whole = rows // size * size
    calculator.fit(frame({name: values[:whole] for name, values in run.training(rows).items()}, np.arange(whole) // size))
    counts = [len(part[names[0]]) for part in thinned]
    periods = np.repeat(np.arange(len(ends)), counts) + 10_000
    results = calculator.calculate(frame({name: np.concatenate([part[name] for part in thinned]) for name in names}, periods))
    table = results.filter(period="analysis").to_df()
    assert len(table) == len(ends)
    return {name: [end for end, on in zip(ends, table[name, "jensen_shannon", "alert"], strict=True) if on] for name in names}


def _first(values: dict[str, Floats], size: int) -> dict[str, Floats]:
    """An even sample of `size` events, where there are more than twice as many."""
    n = len(next(iter(values.values())))
    step = n // size if n >= 2 * size else 1
    return {name: column[: n // step * step : step] for name, column in values.items()}


def checksum(run: Run) -> int:
    """Of the first window's values: both environments must draw the same."""
    window = next(run.windows())
    return zlib.crc32(b"".join(window.values[f.name].tobytes() for f in FEATURES))


PEERS: Final[dict[str, Callable[[Run, int], Judged]]] = {
    "evidently": evidently,
    "evidently_small": lambda run, rows: evidently(run, SMALL_REFERENCE),
    "nannyml": nannyml,
}


def main() -> None:
    name, level, seed, changes, rows = sys.argv[1:]
    importlib.import_module("warnings").simplefilter("ignore")
    run = Run(LEVELS[level], int(seed), changes == "True")
    print(json.dumps({"checksum": checksum(run), "alarms": PEERS[name](run, int(rows))}))


if __name__ == "__main__":
    main()
