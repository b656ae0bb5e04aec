"""What the training data shows over time by itself: natural ranges of every detector, and how far its counts are from independent.

Data without structure in time gets neither: a run counts only where it differs from the other rows at a level at which, over all
runs, chance comes through in one column of a hundred.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.column import Natural
from stream_monitor.baseline.joint import Joint
from stream_monitor.baseline.parts import Parts
from stream_monitor.baseline.runs import TrainingRuns
from stream_monitor.detect.gate import more_often
from stream_monitor.detect.pair import Counts, Floats
from stream_monitor.detect.reference import reference_of
from stream_monitor.detect.registry import BY_COLUMN
from stream_monitor.detect.variation import LEVEL, inflation, joint_inflation, natural_shift
from stream_monitor.profile.profile import Profile

_DIGITS: Final = 6
"""Significant ones: what is kept is the same on every machine."""


def with_natural(baseline: Baseline, runs: TrainingRuns) -> Baseline:
    """The baseline with the `natural` of every column and its `runs`; unsigned."""
    scores = natural_scores(baseline, runs)
    columns = [
        replace(entry, natural=Natural(_over(0.0, {**scores[index], "shift": natural_shift(runs, index)}), _over(1.0, ratios)))
        for index, entry in enumerate(baseline.columns)
        for ratios in [inflation(baseline, runs, index)]
    ]
    return replace(baseline, columns=tuple(columns), runs=runs.runs, joint=_with_joint(baseline.joint, runs))


def _with_joint(joint: Joint | None, runs: TrainingRuns) -> Joint | None:
    """The same for the share of rows that are far from the training data's middle."""
    if joint is None:
        return None
    families = [_far(runs.parts, range(len(runs.parts))), *(_far(fold.parts, fold.judged) for fold in runs.folds)]
    far, rows = joint.counts[-1], sum(joint.counts)
    level = LEVEL / sum(len(part) for part, _ in families)
    excess = [
        np.where(more_often(part, of, far - part, rows - of) < level, part / np.maximum(of, 1) - far / rows, 0.0) for part, of in families
    ]
    natural = max(float(each.max(initial=0.0)) for each in excess)
    return replace(joint, natural=_rounded(natural), inflation=_rounded(joint_inflation(runs)))


def _far(parts: Parts, judged: Sequence[int]) -> tuple[Counts, Counts]:
    """The far rows of each part, and all of its rows."""
    counts = parts.joint[list(judged)]
    return counts[:, -1], counts.sum(axis=1)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _over(neutral: float, found: dict[str, float]) -> dict[str, float]:
    return {name: _rounded(value) for name, value in sorted(found.items()) if value > neutral}


def natural_scores(baseline: Baseline, runs: TrainingRuns) -> list[dict[str, float]]:
    """For each column detector -> the largest score over its base of a run or fold whose gate rejects, 0 where there is none.

    A run is scored against all rows, as a window will be; its gate compares it with the other rows, since two samples that
    share rows are too alike. It must reject at `LEVEL` / number of runs and blocks.
    """
    families = [(runs.parts, range(len(runs.parts))), *((fold.parts, fold.judged) for fold in runs.folds)]
    level = LEVEL / sum(len(judged) for _, judged in families)
    largest = {name: np.zeros(len(baseline.columns)) for name in BY_COLUMN}
    scorer = _Scorer(baseline)
    for parts, judged in families:
        for part in judged:
            for name, excess in scorer.excess(parts.profile(part), level).items():
                np.maximum(largest[name], excess, out=largest[name])
    applies = {name: [detector.applies_to(entry.column) for entry in baseline.columns] for name, detector in BY_COLUMN.items()}
    return [{name: float(largest[name][c]) for name in BY_COLUMN if applies[name][c]} for c in range(len(baseline.columns))]


class _Scorer:
    """Scores parts of the training data against the whole."""

    def __init__(self, baseline: Baseline) -> None:
        self._reference = reference_of(baseline)
        self._gates = list(dict.fromkeys(detector.gate for detector in BY_COLUMN.values()))
        self._bases = {name: detector.base(self._reference.side) for name, detector in BY_COLUMN.items()}

    def excess(self, part: Profile, level: float) -> dict[str, Floats]:
        """Detector -> float64[C], at least 0; none at all where no gate rejects."""
        whole = self._reference.profile
        others = whole.anomalies.without(part.anomalies)
        rest = Profile(whole.events - part.events, whole.counts - part.counts, whole.moments - part.moments, anomalies=others)
        apart = replace(self._reference, profile=rest, natural={}).pair(part)
        beyond = {gate: gate(apart) < level for gate in self._gates}
        if not any(flags.any() for flags in beyond.values()):
            return {}
        pair = self._reference.pair(part)
        found = {name: np.nan_to_num(detector.score(pair)) - self._bases[name] for name, detector in BY_COLUMN.items()}
        return {name: np.where(beyond[BY_COLUMN[name].gate], excess, 0.0) for name, excess in found.items()}
