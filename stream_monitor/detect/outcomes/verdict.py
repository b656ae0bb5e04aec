"""Is a metric bad, surely? Only when its whole interval is on the bad side of its threshold."""

from typing import NamedTuple

from stream_monitor.detect.outcomes.intervals import difference, size
from stream_monitor.detect.outcomes.measure import Estimate, Measure
from stream_monitor.detect.outcomes.metrics import METRICS, Metric


class Verdict(NamedTuple):
    """threshold: what the value is held against, None: nothing to hold it against; is_bad: the whole interval is beyond it."""

    threshold: float | None
    is_bad: bool


def judge(measure: Measure, limit: float | None = None, baseline: Measure | None = None, drop: float | None = None) -> Verdict:
    """Against `limit`, in the metric's unit; where it is None, against the baseline's value less the allowed drop.

    limit: for a metric that is best near 0, the largest |value|, >= 0. drop >= 0: replaces the default size of `metrics.Drop`, in the same
    sense (share or unit). The baseline's own interval, of the same level, counts too. A measure, or a baseline, without an interval is
    never bad. KeyError for a name that is not in `METRICS`.
    """
    row = METRICS[measure.name]
    threshold = Estimate(limit, limit, limit) if limit is not None else _allowed(row, baseline, drop)
    value = Estimate(measure.value, measure.low, measure.high)
    if row.higher_is_better is None:
        return Verdict(threshold.value, _is_over(size(value), threshold))
    over = (threshold, value) if row.higher_is_better else (value, threshold)
    return Verdict(threshold.value, _is_over(*over))


def _allowed(row: Metric, baseline: Measure | None, drop: float | None) -> Estimate:
    size = drop if drop is not None else row.drop.size if row.drop else None
    if baseline is None or size is None or row.higher_is_better is None:
        return Estimate(None)
    sign = -1 if row.higher_is_better else 1
    factor, step = (1 + sign * size, 0.0) if row.drop and row.drop.is_share else (1.0, sign * size)
    return Estimate(baseline.value, baseline.low, baseline.high).rising(lambda value: value * factor + step)


def _is_over(first: Estimate, second: Estimate) -> bool:
    """Whether the whole interval of first - second is over 0."""
    low = difference(first, second).low
    return low is not None and low > 0
