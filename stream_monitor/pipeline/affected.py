"""Which segments and versions a finding on a stream's whole is strongest in: where to look first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

from stream_monitor.alert.alert import Affected
from stream_monitor.detect.finding import Finding, Score
from stream_monitor.detect.report import rounded
from stream_monitor.pipeline.unit import Unit, UnitKey
from stream_monitor.window.windows import Window

AFFECTED_MAX: Final = 5
"""Shown; who needs all of them reads the window scores."""


class _Judged(NamedTuple):
    """One unit's part of a window. scores: by feature and detector."""

    events: int
    scores: Mapping[tuple[str | None, str], Score]


def affected_by(units: Mapping[UnitKey, Unit], key: UnitKey, window: Window) -> Callable[[Finding], Sequence[Affected]]:
    """Told of a finding: the segments and other versions by falling score of the same detector on the same feature and window.

    Empty for a segment's own finding, for one on the traffic as a whole, and where nothing is split.
    """
    related = [] if key[1] else [other for other in units if other != key and _is_related(other, key)]

    @cache
    def judged(other: UnitKey) -> _Judged:
        return _judge(units[other], other, window)

    def affected(finding: Finding) -> list[Affected]:
        found = list(_found(finding, related, judged))
        return sorted(found, key=lambda one: -(one.score or 0.0))[:AFFECTED_MAX]

    return affected


def _is_related(other: UnitKey, key: UnitKey) -> bool:
    """A segment of the same stream, or the whole of another version of the model."""
    (stream, segment), (of, _) = other, key
    return stream == of if segment else stream.model == of.model


def _found(finding: Finding, related: Sequence[UnitKey], judged: Callable[[UnitKey], _Judged]) -> Iterator[Affected]:
    if finding.key.feature is None:
        return
    for other in related:
        events, scores = judged(other)
        score = scores.get((finding.key.feature, finding.key.detector))
        if score is not None and score.score is not None:
            yield Affected(dict(other[1]), other[0].version, rounded(score.score), events)


def _judge(unit: Unit, key: UnitKey, window: Window) -> _Judged:
    profile = unit.windows.held(window.start_ms, window.end_ms)
    scores = unit.plan.judges[key[1]].judge(profile, unit.shifts_of(window.end_ms)) if profile.events else []
    return _Judged(profile.events, {(score.key.feature, score.key.detector): score for score in scores})
