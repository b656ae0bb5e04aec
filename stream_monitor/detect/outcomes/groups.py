"""Two sides of a facet: a group, and the privileged one that it is compared with."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from stream_monitor.detect.outcomes.confusion import Confusion
from stream_monitor.detect.outcomes.measure import counts_of
from stream_monitor.profile.outcome import Group, OutcomeLayout, Vector


class Side(NamedTuple):
    """One group's events. accepted: those predicted positive, labelled or not; counts: those with a label."""

    events: float
    accepted: float
    counts: Confusion

    @property
    def labelled(self) -> float:
        """Events with a label."""
        return sum(self.counts)

    @property
    def positive(self) -> float:
        """Events whose label is positive."""
        return self.counts.tp + self.counts.fn


class Pairing(NamedTuple):
    """A group (d, as in "disadvantaged") and what it is compared with (a, "advantaged")."""

    group: Group
    a: Side
    d: Side


def pairings(layout: OutcomeLayout, vector: Vector, privileged: Mapping[str, str]) -> Iterator[Pairing]:
    """Every group against its facet's privileged one (facet -> value); where none is named, against all others of the facet together.

    A privileged value that the layout lacks has no events, so that nothing is computable. None for a layout without groups.
    """
    if not layout.groups or layout.task != "binary":
        return
    tables = counts_of(layout, vector, "groups")
    for place, group in enumerate(layout.groups):
        chosen = privileged.get(group.facet)
        if chosen == group.value:
            continue
        against = [
            other.facet == group.facet and (other.value == chosen if chosen is not None else i != place)
            for i, other in enumerate(layout.groups)
        ]
        yield Pairing(group, _side(tables[np.array(against)].sum(axis=0)), _side(tables[place]))


def _side(table: np.typing.NDArray[np.int64]) -> Side:
    (_, (tn, fp), (fn, tp)) = table.tolist()
    return Side(float(table.sum()), float(table[:, 1].sum()), Confusion(tn, fp, fn, tp))
