"""Two sides of a facet: a group, and the privileged one that it is compared with."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.outcomes.confusion import Confusion
from stream_monitor.detect.outcomes.measure import counts_of
from stream_monitor.profile.outcome import Group, OutcomeLayout, Vector
from stream_monitor.profile.weights import Floats


class Side(NamedTuple):
    """One group's events, as many as they are worth in independent ones: of a sample its rows.

    accepted: those predicted positive, labelled or not; counts: those with a label; weight >= 1: how many events each stands for.
    """

    events: float
    accepted: float
    counts: Confusion
    weight: float = 1.0

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


def pairings(layout: OutcomeLayout, vector: Vector, privileged: Mapping[str, str], weights: Floats | None = None) -> Iterator[Pairing]:
    """Every group against its facet's privileged one (facet -> value); where none is named, against all others of the facet together.

    weights: of the groups' rows, float64[G], None: each is one event. A privileged value that the layout lacks has no events, so that
    nothing is computable. None for a layout without groups.
    """
    if not layout.groups or layout.task != "binary":
        return
    tables = counts_of(layout, vector, "groups")
    worth = np.ones(len(tables)) if weights is None else weights
    for place, group in enumerate(layout.groups):
        chosen = privileged.get(group.facet)
        if chosen == group.value:
            continue
        against = [
            other.facet == group.facet and (other.value == chosen if chosen is not None else i != place)
            for i, other in enumerate(layout.groups)
        ]
        others = np.array(against)
        yield Pairing(group, _side(tables[others], worth[others]), _side(tables[place : place + 1], worth[place : place + 1]))


def _side(tables: NDArray[np.int64], weights: Floats) -> Side:
    """These groups together."""
    events = tables.sum(axis=(1, 2))
    weight = float(events @ weights / events.sum()) if events.any() else 1.0
    table = tables.sum(axis=0) / weight
    (_, (tn, fp), (fn, tp)) = table.tolist()
    return Side(float(table.sum()), float(table[:, 1].sum()), Confusion(tn, fp, fn, tp), weight)
