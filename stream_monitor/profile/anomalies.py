"""Which of some events are strange: a mergeable part of a profile."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

WORST_MAX: Final = 8
"""Events kept of those furthest from the training data: enough to see what they share, 0.5 KB at most."""
DISTANCE_SCALE: Final = 2**16
"""Squared distances are whole multiples of 2^-16."""


class Far(NamedTuple):
    """An event beyond all but one in a thousand of the training rows: its squared distance in 2^-16, and where its message is."""

    squared: int
    topic: str
    partition: int
    offset: int

    @property
    def distance(self) -> float:
        """From the training data's middle, in standard deviations."""
        return sqrt(self.squared / DISTANCE_SCALE)


@dataclass(frozen=True, slots=True, eq=False)
class Anomalies:
    """outliers: int64[C], by column the values beyond the baseline's fences, 0 where it has none.

    joint: int64[K], the events by their distance from the training data's middle, all columns together, on the bins of `baseline.Joint`.
    worst: of those in the last bin the `WORST_MAX` furthest, furthest first, ties by topic, partition and offset.

    They form a commutative monoid under `merge`, exactly. Where nothing was counted, both arrays have length 0.
    """

    outliers: NDArray[np.int64]
    joint: NDArray[np.int64]
    worst: tuple[Far, ...] = ()

    @classmethod
    def empty(cls) -> Self:
        """Of no event: the zero of `merge`."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))

    @classmethod
    def of(cls, outliers: NDArray[np.int64], joint: NDArray[np.int64], worst: Iterable[Far] = ()) -> Self:
        """Such counts; all 0: the empty ones."""
        return cls(outliers, joint, worst_of(worst)) if outliers.any() or joint.any() else cls.empty()

    def merge(self, other: "Anomalies") -> "Anomalies":
        """Of both sides' events. Both must be of one baseline."""
        if self.is_empty or other.is_empty:
            return other if self.is_empty else self
        return Anomalies(self.outliers + other.outliers, self.joint + other.joint, worst_of(self.worst + other.worst))

    def without(self, part: "Anomalies") -> "Anomalies":
        """The counts of those events that `part` does not hold, which must be some of these; no worst ones."""
        return self if part.is_empty else Anomalies.of(self.outliers - part.outliers, self.joint - part.joint)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted."""
        return not len(self.outliers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Anomalies) and (
            np.array_equal(self.outliers, other.outliers) and np.array_equal(self.joint, other.joint) and self.worst == other.worst
        )

    __hash__ = None  # type: ignore[assignment]  # arrays inside


def worst_of(events: Iterable[Far]) -> tuple[Far, ...]:
    """The furthest `WORST_MAX`, in their order."""
    return tuple(sorted(events, key=lambda far: (-far.squared, *far[1:]))[:WORST_MAX])
