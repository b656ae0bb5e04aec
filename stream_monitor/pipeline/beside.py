"""What a model's other versions held before time passed: what one version's windows are compared with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.finding import Score
from stream_monitor.detect.outcomes.measure import Measure
from stream_monitor.pipeline.join.outcomes import Outcomes
from stream_monitor.pipeline.join.packed import Packed
from stream_monitor.pipeline.unit import Unit, UnitKey
from stream_monitor.profile.profile import Profile
from stream_monitor.profile.weights import Weighed


@dataclass(frozen=True)
class Beside:
    """panes: of each unit, by start; none forgets any before all have judged. outcomes: of each current version; copies, for what
    labels told is forgotten unit by unit.
    """

    panes: Mapping[UnitKey, Mapping[int, Profile]] = field(default_factory=dict)
    outcomes: Mapping[StreamKey, Mapping[int, Packed]] = field(default_factory=dict)

    @classmethod
    def of(cls, units: Mapping[UnitKey, Unit]) -> Self:
        """As things stand."""
        plans = [unit.plan for (_, segment), unit in units.items() if not segment]
        wanted = {StreamKey(plan.key.model, plan.versus.current) for plan in plans if plan.versus}
        found = {key: units[key, ()] for key in wanted if (key, ()) in units}
        panes = {key: unit.windows.panes for key, unit in units.items()}
        return cls(panes, {key: dict(unit.labelled.outcomes.panes) for key, unit in found.items() if unit.labelled})

    def scores(self, unit: Unit, key: UnitKey, start_ms: int, end_ms: int) -> list[Score]:
        """Of one window of a version, [start_ms, end_ms) of both sides; none for a unit that is not compared."""
        versus = unit.plan.versus
        if versus is None or key[1]:
            return []
        panes = self.panes.get((StreamKey(key[0].model, versus.current), ()), {})
        current = _merged(versus.current_baseline.layout.total, (panes[start] for start in sorted(panes) if start_ms <= start < end_ms))
        found = [] if current is None else versus.judge(unit.windows.held(start_ms, end_ms), current)
        return [score for score in found if _is_on(unit, score)]

    def others(self, key: UnitKey, start_ms: int, end_ms: int) -> dict[str, int]:
        """How many events each other version of the unit's model has in [start_ms, end_ms), by what it is called."""
        (stream, segment), found = key, dict[str, int]()
        for (other, where), panes in self.panes.items():
            if other != stream and (other.model, where) == (stream.model, segment):
                name = f"version {other.version}" if other.version else "the model without a version"
                found[name] = sum(pane.events for start, pane in panes.items() if start_ms <= start < end_ms)
        return found

    def outcome_scores(self, unit: Unit, key: UnitKey, rates: Mapping[int, int], start_ms: int, end_ms: int) -> list[tuple[Score, Measure]]:
        """The same of what labels told of the window, with intervals. rates: see `Outcomes.advance`."""
        versus, labelled = unit.plan.versus, unit.labelled
        if versus is None or labelled is None or key[1]:
            return []
        mine, panes = labelled.outcomes, self.outcomes.get(StreamKey(key[0].model, versus.current), {})
        sides = [_summed(mine, side, rates, start_ms, end_ms) for side in (mine.panes, panes)]
        weights = (sides[0].weights.whole, sides[1].weights.whole)
        found = versus.judge_outcome(mine.layout, sides[0].vector, sides[1].vector, weights)
        return [(score, measure) for score, measure in found if _is_on(unit, score)]


def _is_on(unit: Unit, score: Score) -> bool:
    """Whether the config names its detector, or none."""
    named = unit.plan.judge.detectors
    return named is None or score.key.detector in named


def _merged(total: int, panes: Iterable[Profile]) -> Profile | None:
    """None of no pane."""
    merged: Profile | None = None
    for pane in panes:
        assert len(pane.counts) == total, "a pane of another baseline"
        merged = pane if merged is None else merged.merge(pane)
    return merged


def _summed(outcomes: Outcomes, panes: Mapping[int, Packed], rates: Mapping[int, int], start_ms: int, end_ms: int) -> Weighed:
    """Of panes as those of `outcomes` are."""
    found = Weighed(outcomes.layout)
    for start, packed in panes.items():
        if start_ms <= start < end_ms:
            outcomes.weigh(packed, rates.get(start, 0), found)
    return found
