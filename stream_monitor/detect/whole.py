"""Checks of a window as a whole, of no one column: repeated events, features that came or went, events whose features do not fit."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy.special import betainc

from stream_monitor.capture.schema import Role
from stream_monitor.detect.finding import FindingKind, Shown
from stream_monitor.detect.gate import more_often
from stream_monitor.detect.pair import Floats
from stream_monitor.detect.reference import Reference
from stream_monitor.profile.layout import MISSING
from stream_monitor.profile.profile import Profile

DUPLICATES_MAX: Final = 0.01
"""Producers that retry send some events twice; more than one in a hundred is a fault."""
FIELD_MIN: Final = 0.5
"""A feature belongs to the set of fields if at least this share of events holds it."""


class WholeScore(NamedTuple):
    """value: None where there is nothing to judge, and then p_value too. base: of traffic like the baseline; shown: what moved."""

    value: float | None
    base: float = 0.0
    p_value: float | None = None
    shown: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class WholeDetector:
    """One row of `WHOLE`; the fields mean what they mean for `detector.Detector`. judge: a pure function of a window and its reference."""

    name: str
    title: str
    cause: str
    default_threshold: float
    judge: Callable[[Profile, Reference], WholeScore]
    kind: FindingKind = FindingKind.DATA_QUALITY


class _Change(NamedTuple):
    """A field that came or went, and the p-value of "by chance"."""

    shown: Shown
    p_value: float


def duplicate_ratio(window: Profile, _: Reference) -> WholeScore:
    """Share of events that repeat the id of another one, in [0, 1], in the window's sample of ids; None without ids.

    p: the chance of as many repeats if the share in all traffic were `DUPLICATES_MAX`. Repeats of one id come into a sample together:
    there each repeated id counts once, among all ids. Where the sample holds every event of the window, every repeat counts.
    """
    ids = window.ids
    if ids.total == 0:
        return WholeScore(None)
    share = ids.repeated / ids.total
    is_all = ids.total == window.events
    p = at_least(ids.repeated, ids.total) if is_all else at_least(int((ids.counts > 1).sum()), ids.distinct)
    return WholeScore(share, 0.0, p, (Shown("repeated events", 0.0, share),) if ids.repeated else ())


def at_least(successes: int, trials: int) -> float:
    """P(Bin(trials, `DUPLICATES_MAX`) >= successes), exact; 1 for no successes."""
    return float(betainc(successes, trials - successes + 1, DUPLICATES_MAX)) if successes > 0 else 1.0


def extra_feature(window: Profile, reference: Reference) -> WholeScore:
    """The largest share of events that hold one and the same feature which the baseline does not know, in [0, 1]; None for no events.

    p: the chance of as many, when none of the baseline's rows has it, times the number of such names (Bonferroni).
    """
    if window.events == 0:
        return WholeScore(None)
    extra = sorted(_extra(window, reference), key=lambda item: (-item[1], item[0]))
    if not extra:
        return WholeScore(0.0, 0.0, 1.0)
    p = min(1.0, len(extra) * _by_chance(extra[0][1], window.events, 0, reference.profile.events))
    shown = tuple(Shown(name, 0.0, events / window.events) for name, events in extra)
    return WholeScore(extra[0][1] / window.events, 0.0, p, shown)


def field_set_changed(window: Profile, reference: Reference) -> WholeScore:
    """How many fields are new or gone, a whole number; None for no events.

    New: `FIELD_MIN` of the events hold a feature that the baseline does not know; gone: none holds one that `FIELD_MIN` of its rows do.
    p: the smallest of theirs, times the number of names that might have changed (Bonferroni).
    """
    if window.events == 0:
        return WholeScore(None)
    extra = sorted(_extra(window, reference))
    changes = [*_new(extra, window, reference), *_gone(window, reference)]
    names = max(len(extra) + len(reference.schema.columns), 1)
    p = min(1.0, names * min((change.p_value for change in changes), default=1.0))
    return WholeScore(float(len(changes)), 0.0, p, tuple(change.shown for change in changes))


def multivariate_outlier_ratio(window: Profile, reference: Reference) -> WholeScore:
    """Share of events further from the training data's middle than all but one in a thousand of its rows, see `baseline.Joint`, in [0, 1].

    None where the baseline has no such distances, or for no events. p: of as many, by the exact two-sample test; events that came
    together are counted as fewer, as far as those of the training data were alike.
    """
    far, whole, baseline_far, baseline_whole = (
        int(number) for side in (window, reference.profile) for number in (side.anomalies.joint[-1:].sum(), side.anomalies.joint.sum())
    )
    if reference.joint is None or whole == 0 or baseline_whole == 0:
        return WholeScore(None)
    p = _by_chance(far, whole, baseline_far, baseline_whole, reference.joint_inflation_of(window.events))
    share, base = far / whole, baseline_far / baseline_whole
    shown = (Shown("far from the training data", base, share),)
    return WholeScore(share, base, p, shown)


def _extra(window: Profile, reference: Reference) -> list[tuple[str, int]]:
    """Unknown features that the training data did not hold either: a column that was left out of the baseline is no news."""
    return [(name, events) for name, events in window.extra.items() if name not in reference.left_out]


def _new(extra: list[tuple[str, int]], window: Profile, reference: Reference) -> Iterator[_Change]:
    for name, events in extra:
        if events >= FIELD_MIN * window.events:
            p = _by_chance(events, window.events, 0, reference.profile.events)
            yield _Change(Shown(name, 0.0, events / window.events), p)


def _gone(window: Profile, reference: Reference) -> Iterator[_Change]:
    baseline = reference.profile
    for index, column in enumerate(reference.schema.columns):
        code = reference.layout.starts[index] + MISSING
        missing, baseline_held = int(window.counts[code]), baseline.events - int(baseline.counts[code])
        is_field = column.role is Role.FEATURE and baseline_held >= max(FIELD_MIN * baseline.events, 1)
        if is_field and missing == window.events:
            inflation = reference.inflation_of(window.events).missing[index : index + 1]
            p = _by_chance(missing, window.events, baseline.events - baseline_held, baseline.events, inflation)
            yield _Change(Shown(column.name, baseline_held / baseline.events, 0.0), p)


def _by_chance(part: int, whole: int, baseline_part: int, baseline_whole: int, inflation: Floats | float = 1.0) -> float:
    a, b, c, d = (np.array([count], dtype=np.int64) for count in (part, whole, baseline_part, baseline_whole))
    return float(more_often(a, b, c, d, inflation)[0])


_ROWS: Final = (
    WholeDetector("duplicate_ratio", "repeated events", "duplicates", DUPLICATES_MAX, duplicate_ratio),
    WholeDetector("extra_feature", "feature that the baseline does not know", "fields", 0.05, extra_feature),
    WholeDetector("field_set_changed", "change of the set of features", "fields", 0.5, field_set_changed),
    WholeDetector(
        "multivariate_outlier_ratio",
        "events whose features do not go together as in training",
        "joint",
        0.01,
        multivariate_outlier_ratio,
        FindingKind.ANOMALY,
    ),
)
WHOLE: Final[Mapping[str, WholeDetector]] = {row.name: row for row in _ROWS}
