"""Who has a label at all: figures of a few labelled events, or of some kinds of events alone, say little of the rest."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from stream_monitor.detect.outcomes.intervals import share
from stream_monitor.detect.outcomes.measure import NOTHING, Estimate, Measure, counts_of, measured
from stream_monitor.profile.delay import delay_of
from stream_monitor.profile.outcome import Group, OutcomeLayout, Vector

BALANCE: Final = 2.0
"""Labels are balanced while no kind of event has them more than this many times as often as another."""
BALANCE_EVENTS_MIN: Final = 30
"""Kinds with fewer events are not looked at for it."""


class Coverage(NamedTuple):
    """label_coverage: labelled / events, None of no events; by_class: the same by predicted class; by_group: by group of a facet.

    is_balanced: see `BALANCE`; label_delay_p50_s: the median delay of first labels in seconds, within 9 %, None without labels.
    """

    events: int
    labelled: int
    label_coverage: float | None
    by_class: Mapping[str, float | None]
    by_group: Mapping[Group, float | None]
    is_balanced: bool
    label_delay_p50_s: float | None


def coverage(layout: OutcomeLayout, vector: Vector) -> Coverage:
    """Of all events of the vector, with or without a label."""
    events, labelled = layout.events(vector), layout.labelled(vector)
    classes, groups = _of_classes(layout, vector), _of_groups(layout, vector)
    kinds = [n / of for n, of in (*classes.values(), *groups.values()) if of >= BALANCE_EVENTS_MIN]
    return Coverage(
        events,
        labelled,
        _share(labelled, events),
        {name: _share(*each) for name, each in classes.items()},
        {group: _share(*each) for group, each in groups.items()},
        not kinds or max(kinds) <= BALANCE * min(kinds),
        _median_delay(layout, vector),
    )


def final_coverage(layout: OutcomeLayout, vector: Vector, z: float) -> Measure:
    """Labelled / events, Wilson's interval."""
    events = layout.events(vector)
    return measured("label_coverage", share(layout.labelled(vector), events, z), events)


def final_delay(layout: OutcomeLayout, vector: Vector, z: float) -> Measure:
    """The median delay; interval: the delays at the ranks of Wilson's interval of a half (Conover 1999, Practical Nonparametric Statistics,
    sec. 3.2).
    """
    running = np.cumsum(counts_of(layout, vector, "delay"))
    n = int(running[-1])
    if n == 0:
        return measured("label_delay_p50_s", NOTHING, 0)
    ranks = [part * n for part in share(n / 2, n, z) if part is not None]
    return measured("label_delay_p50_s", Estimate(*(delay_of(int(np.searchsorted(running, rank))) for rank in ranks)), n)


def _share(n: int, of: int) -> float | None:
    return n / of if of > 0 else None


def _of_classes(layout: OutcomeLayout, vector: Vector) -> Mapping[str, tuple[int, int]]:
    """Predicted class -> (labelled, events)."""
    if layout.task == "regression":
        return {}
    joint = counts_of(layout, vector, "joint")
    return {name: (int(joint[1:, code].sum()), int(joint[:, code].sum())) for name, code in layout.codes.items()}


def _of_groups(layout: OutcomeLayout, vector: Vector) -> Mapping[Group, tuple[int, int]]:
    if "groups" not in layout.shapes:
        return {}
    tables = counts_of(layout, vector, "groups")
    return {group: (int(table[1:].sum()), int(table.sum())) for group, table in zip(layout.groups, tables, strict=True)}


def _median_delay(layout: OutcomeLayout, vector: Vector) -> float | None:
    running = np.cumsum(counts_of(layout, vector, "delay"))
    return delay_of(int(np.searchsorted(running, running[-1] / 2))) if running[-1] > 0 else None
