"""What a sequential detector answers: this series was at one level, and since then it has been at another."""

from dataclasses import dataclass
from enum import StrEnum


class Series(StrEnum):
    """What is followed of a column: where its values stand in the baseline's distribution, u, and how far from its middle, |2u - 1|."""

    POSITION = "position"
    SPREAD = "spread"


@dataclass(frozen=True, slots=True)
class Shift:
    """One reported change of one series of one column.

    detector: `adwin`, `page_hinkley` or a plug-in's name. detected_ms: end of the slice in which it was found.
    changed_ms: start of the first slice after the change. before, after: means of the series, in [0, 1].
    p_value: None where the detector gives none.
    """

    column: int
    series: Series
    detector: str
    detected_ms: int
    changed_ms: int
    before: float
    after: float
    p_value: float | None

    @property
    def size(self) -> float:
        """How far the mean moved, in [0, 1]."""
        return abs(self.after - self.before)
