"""What a finding rests on: the bins that moved, the mean before and after, and where example events are."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from stream_monitor.alert.alert import Evidence, Mean, Moved, SampleEvent
from stream_monitor.detect.finding import Finding, FindingKind
from stream_monitor.detect.report import rounded
from stream_monitor.profile.layout import FIRST_VALUE, Layout
from stream_monitor.profile.profile import MOMENT_SCALE, Profile, Sample

MOVED_MAX: Final = 5
"""Bins shown."""
EVENTS_MAX: Final = 5
"""Example events shown."""

Label = Callable[[int, int], str]
"""(column, code) -> what people call that bin, e.g. `[10, 20)`."""


class Scale(NamedTuple):
    """The mean and standard deviation by which a numeric column's moments are standardised."""

    mean: float
    sd: float


def gather(finding: Finding, window: Profile, baseline: Profile, layout: Layout, label: Label, scale: Scale | None) -> Evidence:
    """The evidence for one finding. scale: None for a column without a mean.

    Shares of values are of the present values, shares of missing or invalid ones of all events.
    """
    column = finding.score.column
    now, before = _shares(window, layout, column), _shares(baseline, layout, column)
    codes = finding.moved[:MOVED_MAX]
    moved = tuple(Moved(label(column, code), rounded(before[code]), rounded(now[code])) for code in codes)
    gained = {code for code in codes if (now[code] or 0) > (before[code] or 0)}
    mean = None if scale is None else _mean(window, layout, column, scale)
    return Evidence(moved, _samples(window.samples, column, gained), mean)


def gather_whole(finding: Finding, window: Profile | None = None) -> Evidence:
    """The evidence for a finding on the traffic as a whole: what the detector shows, the first few; of an anomaly the worst events."""
    worst = window.anomalies.worst if window is not None and finding.key.kind is FindingKind.ANOMALY else ()
    samples = tuple(SampleEvent(far.topic, far.partition, far.offset, rounded(far.distance)) for far in worst)
    return Evidence(tuple(Moved(name, rounded(before), rounded(now)) for name, before, now in finding.shown[:MOVED_MAX]), samples)


def _shares(profile: Profile, layout: Layout, column: int) -> Sequence[float | None]:
    """Each code's share, None where there is nothing to share."""
    counts = profile.counts[layout.starts[column] : layout.starts[column + 1]].tolist()
    present = sum(counts[FIRST_VALUE:])
    wholes = [profile.events] * FIRST_VALUE + [present] * (len(counts) - FIRST_VALUE)
    return [count / whole if whole else None for count, whole in zip(counts, wholes, strict=True)]


def _samples(samples: Sequence[Sample], column: int, gained: set[int]) -> tuple[SampleEvent, ...]:
    """The first few of the sample events that fell into a bin that gained."""
    chosen = [sample for sample in samples if int(np.frombuffer(sample.codes, "<u2")[column]) in gained]
    return tuple(SampleEvent(sample.topic, sample.partition, sample.offset) for sample in chosen[:EVENTS_MAX])


def _mean(window: Profile, layout: Layout, column: int, scale: Scale) -> Mean:
    """Means in the column's own unit; the window's is of values clipped as the profile clips them."""
    present = int(window.counts[layout.starts[column] + FIRST_VALUE : layout.starts[column + 1]].sum())
    baseline = rounded(scale.mean)
    assert baseline is not None
    if present == 0:
        return Mean(baseline, None)
    standardised = int(window.moments[0, column]) / MOMENT_SCALE / present
    return Mean(baseline, rounded(scale.mean + scale.sd * standardised))
