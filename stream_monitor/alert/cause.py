"""Which findings are one alert: those of one kind, feature and cause; anomalies share those of what explains them."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from stream_monitor.alert.alert import Agreeing
from stream_monitor.alert.publication import Raised
from stream_monitor.detect.anomalies import shared_with
from stream_monitor.detect.decide import cause_of
from stream_monitor.detect.finding import FindingKind, Key, Score, ScoreStatus, Severity
from stream_monitor.detect.registry import is_sequential
from stream_monitor.detect.report import rounded


class Cause(NamedTuple):
    """What at most one alert fires on. feature: None for the traffic as a whole; name: such as `distribution`."""

    kind: FindingKind
    feature: str | None
    name: str

    @classmethod
    def of(cls, key: Key) -> "Cause":
        """What a detector's finding on a feature points to."""
        cause = cause_of(key.detector)
        return cls(shared_with(key.kind, cause), key.feature, cause)


@dataclass(frozen=True, slots=True)
class Heard:
    """What one window says of one cause: its judged scores, at least one, and the findings among them, both in the scores' order."""

    cause: Cause
    scores: tuple[Score, ...]
    raised: tuple[Raised, ...]

    @property
    def paging(self) -> tuple[Raised, ...]:
        """The findings that may page."""
        return tuple(item for item in self.raised if item.finding.severity is not Severity.INFO)

    @property
    def levels(self) -> tuple[Score, ...]:
        """The scores that say how things stand; a sequential detector's says only whether they changed."""
        return tuple(score for score in self.scores if not is_sequential(score.key.detector))

    @property
    def changed_ms(self) -> int | None:
        """The newest change point that a finding tells."""
        return max((item.finding.change_ms for item in self.raised if item.finding.change_ms is not None), default=None)

    def score_of(self, detector: str) -> Score | None:
        """One detector's score, None where it was not judged."""
        return next((score for score in self.scores if score.key.detector == detector), None)

    def raised_by(self, detector: str) -> Raised | None:
        """One detector's finding, None where it has none."""
        return next((item for item in self.raised if item.finding.key.detector == detector), None)

    def told(self, raised: Raised) -> Raised:
        """One of the findings, its evidence with all detectors that agree and where it is strongest."""
        evidence = msgspec.structs.replace(raised.evidence, detectors=tuple(self._agreeing()), affected=raised.affected)
        return raised._replace(evidence=evidence)

    def _agreeing(self) -> Iterator[Agreeing]:
        for score in (item.finding.score for item in self.raised):
            value, threshold = rounded(score.score), rounded(score.threshold)
            assert value is not None
            assert threshold is not None
            yield Agreeing(score.key.detector, value, threshold, rounded(score.p_value))


def listen(scores: Sequence[Score], raised: Sequence[Raised], known: Set[Cause] = frozenset()) -> list[Heard]:
    """What a window says of each cause that has a finding or is known already, and was judged, in the order of the scores."""
    found = {item.finding.key: item for item in raised}
    judged = [score for score in scores if score.status is ScoreStatus.JUDGED]
    assert len(found) == len(raised), "two findings on one kind, feature and detector"
    lacking = found.keys() - {score.key for score in judged}
    assert not lacking, f"findings that were not judged: {lacking}"
    wanted = {*known, *(Cause.of(key) for key in found)}
    features = {cause.feature for cause in wanted}  # most windows say nothing of most columns
    by_cause = dict[Cause, list[Score]]()
    for score in judged:
        if score.key.feature in features and (cause := Cause.of(score.key)) in wanted:
            by_cause.setdefault(cause, []).append(score)
    return [Heard(cause, tuple(each), tuple(found[score.key] for score in each if score.key in found)) for cause, each in by_cause.items()]
