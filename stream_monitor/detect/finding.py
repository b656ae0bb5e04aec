"""What detect hands on: a score per column and detector, and the findings among them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class FindingKind(StrEnum):
    """What sort of trouble; the values are those of the alert contract."""

    DATA_DRIFT = "data_drift"
    """A feature is distributed otherwise than in the training data."""
    PREDICTION_DRIFT = "prediction_drift"
    """So is what the model answers."""
    DATA_QUALITY = "data_quality"
    """Values are missing, of a wrong type, unknown, out of range, stuck or repeated; features came or went."""
    OPERATIONAL = "operational"
    """More or fewer events come than usual, or none."""


class Severity(StrEnum):
    """How much it asks for attention."""

    INFO = "info"
    """Pages nobody: a sequential detector alone has found a change."""
    WARNING = "warning"
    """Over its threshold, and more than chance."""
    CRITICAL = "critical"
    """Twice as far as its threshold from what traffic like the baseline scores."""


class ScoreStatus(StrEnum):
    """Whether a score was judged."""

    JUDGED = "judged"
    """It was, and is a finding where it is large and real."""
    TOO_FEW = "too_few"
    """There are not enough events, or no values."""
    INCOMPLETE = "incomplete"
    """Some of the window's events are known to be lacking."""


class Key(NamedTuple):
    """What a score is about. feature: None for the traffic as a whole."""

    kind: FindingKind
    feature: str | None
    detector: str


@dataclass(frozen=True, slots=True)
class Score:
    """One detector's answer on one column of one window. Floats are unrounded.

    score: None where it could not be computed (no values); threshold: as it was applied; p_value: None where score is.
    column: the column's place in the baseline's layout, -1 for the traffic as a whole. base: the score of traffic like the baseline;
    real: whether the p-value is under alpha, so that chance does not explain it.
    """

    key: Key
    column: int
    score: float | None
    threshold: float
    p_value: float | None
    status: ScoreStatus
    base: float = 0.0
    real: bool = False


class Shown(NamedTuple):
    """What moved, where it has no code of a column: its name, and its value in the baseline and in the window (None: has none)."""

    name: str
    baseline: float | None
    window: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """A judged score that is large (over its threshold) and real (p under alpha).

    value: the score; base: the score that traffic like the baseline has; moved: codes, by how much they add to the score.
    change_ms: since when, where a sequential detector says it; shown: what moved, for a finding on the whole.
    """

    score: Score
    value: float
    base: float
    severity: Severity
    moved: tuple[int, ...]
    change_ms: int | None = None
    shown: tuple[Shown, ...] = ()

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.score.key
