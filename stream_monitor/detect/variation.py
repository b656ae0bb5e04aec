"""How far the rows of the training data are from independent, and how far their means move: what tests and detectors must forgive."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from stream_monitor.baseline.baseline import Baseline, BaselineColumn
from stream_monitor.baseline.column import NumericColumn
from stream_monitor.baseline.parts import Parts
from stream_monitor.baseline.runs import Fold, TrainingRuns
from stream_monitor.detect.dispersion import Dispersion, count_dispersion, mean_dispersion, slow_range, spread_range
from stream_monitor.detect.pair import Floats
from stream_monitor.profile.layout import FIRST_BIN, FIRST_VALUE, INVALID, MISSING

LEVEL: Final = 0.01
"""Chance of a column to show by a detector, or by a ratio of variances, what is not there."""
LEVEL_ALIKE: Final = 0.001
"""The same for rows of one window to look alike: live windows hold more rows, and what is found by chance grows with them."""
CYCLES_MIN: Final = 4
"""Days of a season by the hour, weeks of one by the day, from which on the season is no part of the inflation: with fewer, its own
blocks would swallow too much of what varies from day to day."""
_TINY: Final = 1e-12
"""A variance of positions that rounding makes of a constant."""


def natural_shift(runs: TrainingRuns, column: int) -> float:
    """In [0, 1]: the range of the runs' or blocks' means of the position or of |2u - 1|, whichever is largest; see `slow_range`."""
    families = 2 * (1 + len(runs.folds))
    found = []
    for series in (_position, _spread):
        n, means, variance = series(runs.parts, column)
        found.append(slow_range(n, means, variance, LEVEL / families))
        noise = _beyond(mean_dispersion(n, means, variance))
        for fold in runs.folds:
            n, means, variance = series(fold.parts, column)
            judged = list(fold.judged)
            found.append(spread_range(n[judged], means[judged], variance * noise, LEVEL / families))
    return min(max(found), 1.0)


def inflation(baseline: Baseline, runs: TrainingRuns, column: int) -> dict[str, float]:
    """The ratios of variances that `Natural.inflation` names, 1 where chance explains them.

    "values": with phi = X^2 / df, the mean ratio in all K - 1 directions, 1 + (phi - 1)(K - 1): what it is where all the excess lies
    in one. A season that the folds show is no part of it, if the data spans `CYCLES_MIN` of its cycles.

    "position" and "spread" come from the same values: where one of them shows that neighbours are alike, the other is believed too. Taken
    one by one, a spread of 1.18 with p = 0.015 counted as independent, and gave 349 reports in 30 days.
    """
    entry = baseline.columns[column]
    start, end = baseline.layout.starts[column : column + 2].tolist()
    counts, folds = runs.windows.counts[:, start:end].astype(np.float64), _lasting(runs)
    blocks = [fold.parts.counts[:, start:end].astype(np.float64) for fold in folds]

    def ratio(*groups: Sequence[int]) -> float:
        grouped, *others = (np.stack([each[:, group].sum(axis=1) for group in groups], axis=1) for each in (counts, *blocks))
        expected, fitted = _expected(grouped, others, folds)
        return _beyond(count_dispersion(grouped, expected, fitted), LEVEL_ALIKE)

    codes = range(end - start)
    values = codes[FIRST_VALUE:]
    directions = int((counts[:, FIRST_VALUE:].sum(axis=0) > 0).sum()) - 1
    outside = _outside(entry, len(codes))
    position, spread = mean_dispersion(*_position(runs.parts, column)), mean_dispersion(*_spread(runs.parts, column))
    alike = min(position.p_value, spread.p_value) < LEVEL
    return {
        "values": 1 + (ratio(*([code] for code in values)) - 1) * directions,
        "missing": ratio([MISSING], codes[INVALID:]),
        "invalid": ratio([INVALID], [MISSING, *values]),
        "outside": ratio(outside, [code for code in values if code not in outside]),
        "position": max(position.ratio, 1.0) if alike else 1.0,
        "spread": max(spread.ratio, 1.0) if alike else 1.0,
    }


def joint_inflation(runs: TrainingRuns) -> float:
    """The same ratio for the rows that are far from the training data's middle, and all others."""
    (counts, *blocks), folds = (_far_and_near(parts) for parts in (runs.windows, *(fold.parts for fold in _lasting(runs)))), _lasting(runs)
    return _beyond(count_dispersion(counts, *_expected(counts, blocks, folds)), LEVEL_ALIKE)


def _far_and_near(parts: Parts) -> Floats:
    return np.stack([parts.joint[:, -1], parts.joint[:, :-1].sum(axis=1)], axis=1).astype(np.float64)


def _beyond(found: Dispersion, level: float = LEVEL) -> float:
    return max(found.ratio, 1.0) if found.p_value < level else 1.0


def _outside(entry: BaselineColumn, codes: int) -> list[int]:
    """What stands for values beyond those of the training data. For numbers the outermost bins: beyond them there is none to look at."""
    return [FIRST_VALUE, FIRST_BIN, codes - 2, codes - 1] if isinstance(entry, NumericColumn) and codes > 6 else [FIRST_VALUE]


def _lasting(runs: TrainingRuns) -> list[Fold]:
    """The folds that count as a season's shape: seen often enough, and with many more windows than blocks to fit."""
    folds = [fold for fold in runs.folds if runs.span_ms >= CYCLES_MIN * fold.period_ms]
    return folds if len(runs.windows) >= 2 * sum(len(fold.judged) for fold in folds) else []


def _expected(counts: Floats, blocks: Sequence[Floats], folds: Sequence[Fold]) -> tuple[Floats, float]:
    """The shares expected in each run, float64[R, K] or [1, K]: all rows', and the deviations of each season's blocks, added up.

    And by how many runs that lessens X^2 of independent rows: 1 for all rows' shares, and for a season the sum over runs and blocks
    of n_r w_rb^2 / N_b less 1, since a block's shares hold those rows of the run that lie in it (its N_b rows, n_r w_rb of the run).
    """
    n = counts.sum(axis=1)
    whole = counts.sum(axis=0) / max(n.sum(), 1)
    expected, fitted = whole[None, :], 1.0
    for fold, held in zip(folds, blocks, strict=True):
        rows = held.sum(axis=1, keepdims=True)
        judged = np.isin(np.arange(len(held)), fold.judged)[:, None] & (rows > 0)
        expected = expected + fold.weights @ np.where(judged, held / np.maximum(rows, 1) - whole, 0.0)
        fitted += float(n @ fold.weights**2 @ np.where(judged, 1 / np.maximum(rows, 1), 0.0)[:, 0]) - 1
    return expected, fitted


def _position(parts: Parts, column: int) -> tuple[Floats, Floats, float]:
    """Per part the number of values and the mean of u, and the variance of u within parts."""
    n, sums = parts.n[:, column].astype(np.float64), parts.sums[:, :, column]
    return _moments(n, sums[:, 0], sums[:, 1])


def _spread(parts: Parts, column: int) -> tuple[Floats, Floats, float]:
    """The same of |2u - 1|."""
    n, sums = parts.n[:, column].astype(np.float64), parts.sums[:, :, column]
    return _moments(n, sums[:, 2], 4 * sums[:, 1] - 4 * sums[:, 0] + n)


def _moments(n: Floats, sums: Floats, squares: Floats) -> tuple[Floats, Floats, float]:
    means = sums / np.maximum(n, 1)
    within = float((squares - n * means**2).sum()) / max(float(n.sum()) - float((n > 0).sum()), 1.0)
    return n, means, within if within > _TINY else 0.0
