"""Segments: parts of the training data by a value, a band of a number or several of these at once, each with a profile of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product, repeat
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.columns import Columns
from stream_monitor.profile.profile import Profile

OTHER: Final = "other"
"""The label of all values that have no segment of their own, and of events without one."""
VALUES_MAX: Final = 20
"""Values of one segmentation that are told apart; the rest is `OTHER`."""
CROSS: Final = "*"
"""Between the names of what an intersection is of, and between its values: `gender*region`, `female*north`."""
CROSSED_MAX: Final = 3
"""So many at once: 21^3 cells are counted to find the `VALUES_MAX` largest."""


@dataclass(frozen=True)
class Segmentation:
    """One way to cut a model's events. Which values are told apart is fixed here, so that all members cut alike.

    name: a feature, or (is_metadata) a metadata field, or those of the parts with `CROSS` between; values: at most `VALUES_MAX`, by falling
    number of training rows, ties by name, never the text of `INVALID`; profiles: of the training rows of each value, and one more for
    all other rows. They add up to the baseline's profile. edges: of a numeric feature, rising: its values are the bands between them, in
    order, see `band_names`; parts: of an intersection, without profiles; a row that is other in one is other.
    """

    name: str
    is_metadata: bool
    values: tuple[str, ...]
    profiles: tuple[Profile, ...]
    edges: tuple[float, ...] = ()
    parts: tuple["Segmentation", ...] = ()

    @cached_property
    def _places(self) -> dict[str | None, int]:
        return {value: place for place, value in enumerate(self.values)}

    def index(self, values: Sequence[str | None]) -> NDArray[np.int32]:
        """int32[n]: the segment of each event, by its value of the feature or field; None and `INVALID` are other."""
        return np.fromiter(map(self._places.get, values, repeat(len(self.values))), dtype=np.int32, count=len(values))

    def band(self, values: NDArray[np.float64]) -> NDArray[np.int32]:
        """int32[n]: the band of each value, from an edge on to the next; NaN, infinity and all values where there are no edges: other."""
        bands = np.searchsorted(self.edges, values, side="right") if self.edges else len(self.values)
        return np.where(np.isfinite(values), bands, len(self.values)).astype(np.int32)

    @cached_property
    def cells(self) -> int:
        """How many combinations of its parts' segments there are, other among them."""
        return prod(len(part.values) + 1 for part in self.parts)

    @cached_property
    def texts(self) -> list[str | None]:
        """What each cell of an intersection is called, None where a part is other; see `cells_in`."""
        return [None if None in each else CROSS.join(map(str, each)) for each in product(*((*part.values, None) for part in self.parts))]

    @cached_property
    def cell_places(self) -> NDArray[np.int32]:
        """int32[cells]: the segment of each cell of an intersection."""
        return self.index(self.texts)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The metadata fields that it reads."""
        return (self.name,) if self.is_metadata else tuple(field for part in self.parts for field in part.fields)

    @cached_property
    def keys(self) -> list[tuple[tuple[str, str], ...]]:
        """Each segment's ((name, label),), the last one of all others."""
        return [((self.name, self.label(place)),) for place in range(len(self.values) + 1)]

    def label(self, index: int) -> str:
        """The segment's name: its value, in quotes where that is blank, begins with a quote or reads `other`; `other` for the last."""
        if index == len(self.values):
            return OTHER
        value = self.values[index]
        return f'"{value}"' if value == OTHER or value.startswith('"') or not value.strip() else value


def value_of(label: str) -> str:
    """The value that has this label."""
    return label[1:-1] if label.startswith('"') else label


def places_in(segmentation: Segmentation, columns: Columns) -> NDArray[np.int32]:
    """int32[n]: which segment each event is in; other where the events do not have the feature or field, or have it as another kind."""
    if segmentation.parts:
        return segmentation.cell_places[cells_in(segmentation, columns)]
    if segmentation.is_metadata:
        return segmentation.index(columns.metadata.get(segmentation.name, (None,) * len(columns)))
    names = [column.name for column in columns.schema.columns]
    found = columns.values[names.index(segmentation.name)] if segmentation.name in names else (None,) * len(columns)
    return segmentation.band(found) if isinstance(found, np.ndarray) else segmentation.index(found)


def cells_in(segmentation: Segmentation, columns: Columns) -> NDArray[np.int64]:
    """int64[n]: which combination of the parts' segments each event is in, the last part's changing first."""
    cells = np.zeros(len(columns), dtype=np.int64)
    for part in segmentation.parts:
        cells = cells * (len(part.values) + 1) + places_in(part, columns)
    return cells


def band_names(edges: Sequence[float]) -> tuple[str, ...]:
    """Of the bands between rising edges: `< 25`, `[25, 60)`, `>= 60`; edges in six digits, in all of them where these are alike."""
    short = [f"{edge:.6g}" for edge in edges]
    names = short if len(set(short)) == len(short) else [repr(edge) for edge in edges]
    return (f"< {names[0]}", *(f"[{low}, {high})" for low, high in pairwise(names)), f">= {names[-1]}")
