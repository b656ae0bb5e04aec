"""Where to look first: an alert on the whole names the segments and versions in which its score is highest."""

from collections.abc import Sequence
from random import Random

import orjson
import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.pipeline.affected import AFFECTED_MAX
from stream_monitor.pipeline.summarise import summarise
from stream_monitor.profile.codec import decode, encode
from stream_monitor.runtime.broker import Record
from stream_monitor.runtime.memory.log import MemoryMessage
from tests.property.pipeline_world import START_MS, capture
from tests.unit.test_pipeline_step import LOAN, Log, plan

NORTH = {"region": "north"}


def told(
    drifting: str, versions: tuple[str | None, ...] = (None,), segments: tuple[str, ...] = ("region",), times_ms: Sequence[int] = (50_000,)
) -> tuple[Log, list[Alert]]:
    """40 s of 1,200 events, of which those of one region (in the first of the versions) have four times the amount.

    times_ms: how far event time is told to have come, all after the last event.
    """
    log, random, messages = Log(plan(models__loan__segments=list(segments))), Random(3), []
    for number in range(1_200):
        version = versions[number % len(versions)]
        body = dict(capture(random, number, "loan", version, START_MS + number * 30, False).body)
        features = dict(body["features"])
        if features["region"] == drifting and version == versions[0] and isinstance(features["amount"], float):
            features["amount"] *= 4
        messages.append(MemoryMessage(Record("captures", orjson.dumps(body | {"features": features})), 0, number, START_MS + number * 30))
    columns, rejects = log.plans[1].decoder().decode(messages, None)
    assert not rejects
    for pane in summarise(log.plans[1], columns, messages):
        log.take(decode(encode(pane)))
    for time_ms in times_ms:
        log.time(time_ms)
    return log, [alert for alert in log.said.alerts if alert.status == "firing" and (alert.feature, alert.kind) == ("amount", "data_drift")]


def test_the_drifting_segment_is_named_first_and_alerts_itself() -> None:
    _, alerts = told("north")
    (whole,) = [alert for alert in alerts if not alert.segment and alert.version is None]
    affected = whole.evidence.affected
    assert affected[0].segment == NORTH
    scores = [one.score or 0.0 for one in affected]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 2 * (whole.score or 0.0) > 2 * max(scores[1:])
    assert "; most in region = north (" in whole.annotations.summary
    (own,) = [alert for alert in alerts if alert.segment]
    assert own.segment == NORTH
    assert own.evidence.affected == (), "a segment is not split further"
    assert own.annotations.summary.startswith("loan (region = north): amount drifted")


def test_at_most_a_few_are_named_and_each_with_its_events() -> None:
    log, alerts = told("south")
    (whole,) = [alert for alert in alerts if not alert.segment]
    assert len(whole.evidence.affected) <= AFFECTED_MAX
    held = {key[1][0][1]: sum(pane.events for pane in unit.windows.panes.values()) for key, unit in log.state.units.items() if key[1]}
    assert {one.segment["region"] for one in whole.evidence.affected} <= set(held)
    assert sum(one.events for one in whole.evidence.affected) <= whole.window.events


def test_other_versions_are_named_where_the_model_has_some() -> None:
    _, alerts = told("north", (None, "2"), ())
    (whole,) = [alert for alert in alerts if not alert.segment and alert.version is None]
    versions = [one for one in whole.evidence.affected if not one.segment]
    assert [(one.version, one.segment) for one in versions] == [("2", {})]
    assert (versions[0].score or 0.0) < (whole.score or 0.0), "the drift is in the other"


@pytest.mark.parametrize(("versions", "segments"), [((None,), ("region",)), ((None, "2"), ())])
def test_the_same_are_named_where_time_leaps_over_many_windows(versions: tuple[str | None, ...], segments: tuple[str, ...]) -> None:
    """The others pass over their windows in the same step, and forget none of them before."""
    _, slowly = told("north", versions, segments, range(36_000, 50_000, 1_000))
    log, at_once = told("north", versions, segments, (86_400_000,))
    assert all(len(unit.windows.panes) <= 1 for unit in log.state.units.values()), "they do forget"
    named = [[alert.evidence.affected for alert in each if not alert.segment and alert.version is None] for each in (slowly, at_once)]
    assert named[0] == named[1]
    assert named[0][0]


def test_traffic_like_the_baselines_alerts_nowhere() -> None:
    log, alerts = told("nowhere")
    assert alerts == []
    assert {key[1] for key in log.state.units if key[0] == LOAN} >= {(), (("region", "north"),), (("region", "east"),)}
