"""Segments: parts of the training data by the value of one feature or metadata field, each with a profile of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.columns import Columns
from stream_monitor.profile.profile import Profile

OTHER: Final = "other"
"""The label of all values that have no segment of their own, and of events without one."""
VALUES_MAX: Final = 20
"""Values of one segmentation that are told apart; the rest is `OTHER`."""


@dataclass(frozen=True)
class Segmentation:
    """One way to cut a model's events. Which values are told apart is fixed here, so that all members cut alike.

    name: a categorical or boolean feature, or (is_metadata) a metadata field; values: at most `VALUES_MAX`, by falling number of
    training rows, ties by name, never the text of `INVALID`; profiles: of the training rows of each value, and one more for all
    other rows. They add up to the baseline's profile.
    """

    name: str
    is_metadata: bool
    values: tuple[str, ...]
    profiles: tuple[Profile, ...]

    @cached_property
    def _places(self) -> dict[str | None, int]:
        return {value: place for place, value in enumerate(self.values)}

    def index(self, values: Sequence[str | None]) -> NDArray[np.int32]:
        """int32[n]: the segment of each event, by its value of the feature or field; None and `INVALID` are other."""
        return np.fromiter(map(self._places.get, values, repeat(len(self.values))), dtype=np.int32, count=len(values))

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


def places_in(segmentation: Segmentation, columns: Columns) -> NDArray[np.int32]:
    """int32[n]: which segment each event is in."""
    if segmentation.is_metadata:
        values = columns.metadata.get(segmentation.name, (None,) * len(columns))
    else:
        names = [column.name for column in columns.schema.columns]
        found = columns.values[names.index(segmentation.name)] if segmentation.name in names else (None,) * len(columns)
        assert not isinstance(found, np.ndarray), "segments are by category"
        values = found
    return segmentation.index(values)
