"""Whether a group is rejected more often than accepted among like people: demographic disparity, stratum by stratum of another variable.

Definitions as in SageMaker Clarify's "Conditional Demographic Disparity" (Wachter, Mittelstadt & Russell 2021, Why Fairness Cannot Be
Automated): in a stratum DD is the group's share of the rejected less its share of the accepted, an outcome that nobody had counting as a
share of 0; CDD is the mean of DD, weighted by the events of each stratum. From -1 to 1; over 0: against the group.
"""

from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.segments import CROSS, OTHER, value_of
from stream_monitor.detect.outcomes.intervals import difference, share
from stream_monitor.detect.outcomes.measure import NOTHING, Estimate, counts_of
from stream_monitor.profile.outcome import Group, OutcomeLayout, Vector

Strata = Mapping[str, str]
"""Facet -> the facet of its intersections with the variable that makes the strata: `gender` -> `gender*region`."""
_ABSENT: Final = Estimate(0.0, 0.0, 1.0)
"""The share of an outcome that nobody in a stratum had: as Clarify takes it, and nothing is known of it."""


class Cells(NamedTuple):
    """A group's strata. own, all: float64[S, 2], rejected and accepted events of the group, and of all groups. Events that are other in
    facet or stratum, or in a combination that the baseline does not tell apart, are in none.
    """

    group: Group
    own: NDArray[np.float64]
    all: NDArray[np.float64]

    @property
    def smaller(self) -> float:
        """The events of the group or of all others, whichever are fewer."""
        return float(min(self.own.sum(), self.all.sum() - self.own.sum()))


def stratified(layout: OutcomeLayout, vector: Vector, strata: Strata, privileged: Mapping[str, str], axis: int) -> Iterator[Cells]:
    """Every group of these facets but the privileged one. axis: 0 the label says who is accepted, 1 the prediction."""
    if not strata or not layout.groups or layout.task != "binary":
        return
    tables = counts_of(layout, vector, "groups")
    outcomes = tables[:, 1:].sum(axis=2) if axis == 0 else tables.sum(axis=1)
    crossed = {(group.facet, value_of(group.value)): outcomes[place] for place, group in enumerate(layout.groups)}
    for facet, crossing in strata.items():
        values = [value_of(group.value) for group in layout.groups if group.facet == facet and group.value != OTHER]
        cells = {value: _strata(crossed, crossing, value + CROSS) for value in values}
        names = sorted({name for found in cells.values() for name in found})
        held = np.array([[cells[value].get(name, (0, 0)) for name in names] for value in values], dtype=np.float64)
        for group in layout.groups:
            if group.facet == facet and group.value not in (OTHER, privileged.get(facet)):
                whole = held.reshape(len(values), len(names), 2)
                yield Cells(group, whole[values.index(value_of(group.value))], whole.sum(axis=0))


def _strata(crossed: Mapping[tuple[str, str], NDArray[np.int64]], crossing: str, start: str) -> dict[str, NDArray[np.int64]]:
    return {value[len(start) :]: counts for (facet, value), counts in crossed.items() if facet == crossing and value.startswith(start)}


def disparity(cells: Cells, z: float) -> Estimate:
    """CDD; nothing where nobody was rejected, or nobody accepted. Interval: Newcombe's of each DD, joined as by Zou & Donner 2008."""
    rejected, accepted = cells.all.sum(axis=0).tolist()
    if rejected <= 0 or accepted <= 0:
        return NOTHING
    value = below = above = 0.0
    for own, whole in zip(cells.own.tolist(), cells.all.tolist(), strict=True):
        weight = sum(whole) / (rejected + accepted)
        found = difference(*(share(n, of, z) if of > 0 else _ABSENT for n, of in zip(own, whole, strict=True)))
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        value += weight * found.value
        below, above = below + (weight * (found.value - found.low)) ** 2, above + (weight * (found.high - found.value)) ** 2
    return Estimate(value, max(value - sqrt(below), -1.0), min(value + sqrt(above), 1.0))
