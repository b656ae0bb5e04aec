"""What detect hands on: a score per column and detector, and the findings among them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class FindingKind(StrEnum):
    """What sort of trouble; the values are those of the alert contract."""

    DATA_DRIFT = "data_drift"
    PREDICTION_DRIFT = "prediction_drift"
    DATA_QUALITY = "data_quality"


class Severity(StrEnum):
    """How much it asks for attention."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class ScoreStatus(StrEnum):
    """Whether a score was judged. `too_few`: not enough events, or no values; `incomplete`: some of its events are known to be lacking."""

    JUDGED = "judged"
    TOO_FEW = "too_few"
    INCOMPLETE = "incomplete"


class Key(NamedTuple):
    """What one alert of a stream is about."""

    kind: FindingKind
    feature: str
    detector: str


@dataclass(frozen=True, slots=True)
class Score:
    """One detector's answer on one column of one window. Floats are unrounded.

    score: None where it could not be computed (no values); threshold: as it was applied; p_value: None where score is.
    column: the column's place in the baseline's layout.
    """

    key: Key
    column: int
    score: float | None
    threshold: float
    p_value: float | None
    status: ScoreStatus


@dataclass(frozen=True, slots=True)
class Finding:
    """A judged score that is large (over its threshold) and real (p under alpha).

    value: the score; base: the score that traffic like the baseline has; moved: codes, by how much they add to the score.
    """

    score: Score
    value: float
    base: float
    severity: Severity
    moved: tuple[int, ...]

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.score.key
