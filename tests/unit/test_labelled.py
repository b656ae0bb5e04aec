"""What labels add to a unit: a change of the loss is told once, by whoever finds it first and whoever agrees."""

import numpy as np
import pytest

from stream_monitor.alert.publication import Stamp
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.outcomes.judge import OutcomeJudge
from stream_monitor.detect.sequential.dispersion import Clustering
from stream_monitor.detect.sequential.shift import Series, Shift
from stream_monitor.detect.sequential.watch import SequentialSpec
from stream_monitor.pipeline.join.labelled import Labelled, LabelPlan
from stream_monitor.pipeline.join.outcomes import Outcomes
from stream_monitor.profile.outcome import OutcomeLayout
from stream_monitor.window.spec import WindowSpec

LAYOUT = OutcomeLayout("binary", ("no", "yes"), 1)
SPEC = WindowSpec(60_000, 60_000, 0, 0, 1, 60_000)
LOSS = SequentialSpec(1, np.array([0.05]), Clustering(np.ones(2)), 1e-6, 60_000, errors=True)
FIRST = Shift(0, Series.POSITION, "adwin", 1_000_000, 900_000, 0.1, 0.4, 1e-9)


def labelled() -> Labelled:
    plan = LabelPlan(OutcomeJudge(LAYOUT, 1e-6, 1, 0.5), LOSS, 600_000)
    return Labelled.new(plan, StreamKey("loan", None), (), "baseline", Outcomes(LAYOUT, SPEC, 600_000))


@pytest.mark.parametrize(
    ("detected_ms", "changed_ms", "is_told"),
    [(1_050_000, 905_000, True), (1_800_000, 905_000, False), (1_800_000, 1_000_000, True)],
    ids=["agrees within a window", "found later", "a change after that one was found"],
)
def test_a_change_that_is_known_is_not_told_again(
    monkeypatch: pytest.MonkeyPatch, detected_ms: int, changed_ms: int, is_told: bool
) -> None:
    one = labelled()
    found = [FIRST, Shift(0, Series.POSITION, "eddm", detected_ms, changed_ms, 0.1, 0.4, 1e-9)]
    monkeypatch.setattr(one.concept, "advance", lambda _: found)
    assert list(one.advance(detected_ms, {}, Stamp(detected_ms, "config"), [])) == []
    told = [shift for shift in found[1:] if shift in one.shifts]
    assert bool(told) == is_told
    assert one.known_ms == (detected_ms if changed_ms >= 1_000_000 else 1_000_000)
