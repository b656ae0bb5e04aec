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
    """More or fewer events come than usual, or none; calls are slow, fail or use more than usual."""
    MODEL_QUALITY = "model_quality"
    """Predictions are worse than in training, or than a limit, by their labels."""
    ESTIMATED_QUALITY = "estimated_quality"
    """They probably are, by their scores, before labels come."""
    CONCEPT_DRIFT = "concept_drift"
    """The same inputs have other labels, or get other answers, than before."""
    BIAS = "bias"
    """A group of a facet is treated otherwise than the privileged one."""
    ATTRIBUTION_DRIFT = "attribution_drift"
    """Other features count for the answers than in training."""
    ANOMALY = "anomaly"
    """Some values or events are strange, though the feature as a whole is distributed as ever."""
    CAPTURE_HEALTH = "capture_health"
    """What is needed to judge does not come: labels."""


class Severity(StrEnum):
    """How much it asks for attention."""

    INFO = "info"
    """Pages nobody: a sequential detector alone has found a change, or another version took the traffic over."""
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


Judging = tuple[str | None, str]
"""A detector that is on: the feature that it judges, None for the traffic as a whole, and its name."""


class Shown(NamedTuple):
    """What moved, where it has no code of a column: its name, and its value in the baseline and in the window (None: has none)."""

    name: str
    baseline: float | None
    window: float | None


@dataclass(frozen=True, slots=True)
class Score:
    """One detector's answer on one column of one window. Floats are unrounded.

    score: None where it could not be computed (no values); threshold: as it was applied; p_value: None where score is.
    column: the column's place in the baseline's layout, -1 for the traffic as a whole. base: the score of traffic like the baseline;
    shown, measured: for scores of operations, shares of error codes, and levels in their own units; baseline: of the usual windows;
    of attributions, features' shares of the total and their ranks.
    real: whether the p-value is under alpha, so that chance does not explain it. falls: a lower score is worse, and base is over threshold.
    """

    key: Key
    column: int
    score: float | None
    threshold: float
    p_value: float | None
    status: ScoreStatus
    base: float = 0.0
    real: bool = False
    shown: tuple[Shown, ...] = ()
    measured: tuple[Shown, ...] = ()
    falls: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it is on the bad side of the threshold."""
        return self.score is not None and (self.score < self.threshold if self.falls else self.score > self.threshold)

    @property
    def excess(self) -> float:
        """How far it is from base, to the bad side."""
        assert self.score is not None
        return self.base - self.score if self.falls else self.score - self.base

    @property
    def allowance(self) -> float:
        """How far the threshold is from base; never negative."""
        return self.base - self.threshold if self.falls else self.threshold - self.base


@dataclass(frozen=True, slots=True)
class Finding:
    """A judged score that is large (over its threshold) and real (p under alpha).

    value: the score; base: the score that traffic like the baseline has; moved: codes, by how much they add to the score.
    change_ms: since when, where a sequential detector says it; shown: what moved, for a finding on the whole; interval: of a figure that
    labels or scores tell, and how many events it rests on; note: what else a person should know.
    """

    score: Score
    value: float
    base: float
    severity: Severity
    moved: tuple[int, ...]
    change_ms: int | None = None
    shown: tuple[Shown, ...] = ()
    interval: tuple[float, float] | None = None
    events: int = 0
    note: str = ""

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.score.key


def is_finding(score: Score) -> bool:
    """Whether a score is judged, large and real."""
    return score.real and score.status is ScoreStatus.JUDGED and score.is_over
