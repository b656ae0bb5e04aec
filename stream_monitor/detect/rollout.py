"""Whether one version's traffic is unusual because another version took it over: then the model as a whole has what it always has.

That is a rollout, and pages nobody. Where the whole's number of events is unusual too, or nobody got what one version lost, it is trouble.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from stream_monitor.detect.finding import Score, ScoreStatus, Shown, is_finding
from stream_monitor.detect.volume import Volume, VolumeState

TAKEN_MIN: Final = 0.5
"""Of what one version lost (or won) the others must have won (or lost) this part: a canary of a tenth that dies alone is no rollout."""


@dataclass(frozen=True, slots=True)
class Together:
    """One window of all versions. whole: judges their sum; others: events of each other version, by what it is called."""

    whole: Volume
    others: Mapping[str, int]

    def judge(
        self,
        scores: Sequence[Score],
        own: VolumeState,
        start_ms: int,
        end_ms: int,
        events: int,
        alpha: float,
        threshold: Callable[[str], float],
    ) -> list[Score]:
        """One version's scores of `events` in [start_ms, end_ms), told as a rollout where it is one; then the whole knows the window.

        own: what was usual of the version before. A rollout's findings hold the version that got most (`shown`: its share of all) and the
        version's own events (`measured`). What is found of both does not become the whole's new level, however long it lasts.
        """
        found, usual, total = any(map(is_finding, scores)), self.whole.to_state(), events + sum(self.others.values())
        together = self.whole.judge(start_ms, end_ms, total, alpha, threshold, is_held=found)
        is_usual = all(score.status is ScoreStatus.JUDGED and not is_finding(score) for score in together)
        if not found or not is_usual or not self.others or not _is_taken(usual.level, total, own.level, events):
            return list(scores)
        name = max(self.others, key=lambda each: (self.others[each], each))
        shown, measured = (Shown(name, None, self.others[name] / total),), (Shown("events", own.level, float(events)),)
        return [replace(score, shown=shown, measured=measured) if is_finding(score) else score for score in scores]


def _is_taken(whole: float, whole_now: float, own: float, own_now: float) -> bool:
    """Whether the whole moved by less than what one version did."""
    return abs(whole_now - whole) <= (1 - TAKEN_MIN) * abs(own_now - own)
