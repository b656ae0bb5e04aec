"""`step` by hand: late and revised windows, and what a newer config does to a running state, to the event."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import parse_config
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.state import Outputs, State
from stream_monitor.pipeline.step import step
from stream_monitor.pipeline.summarise import summarise
from stream_monitor.pipeline.unit import Unit
from stream_monitor.profile.codec import PaneProfile, Segment, decode, encode
from stream_monitor.profile.slices import SLICE_MS
from stream_monitor.runtime.broker import Record
from stream_monitor.runtime.memory.log import MemoryMessage
from stream_monitor.window.progress import Progress, SourceProgress
from tests.property.pipeline_world import START_MS, config_tree, plan_of, traffic
from tests.property.test_profile_laws import panes

LOAN, LOAN_2, FRAUD = StreamKey("loan", None), StreamKey("loan", "2"), StreamKey("fraud", None)
WINDOW = {"size": "20s", "watermark_delay": "5s", "lateness": "30s", "events_min": 1}


def plan(revision: int = 1, **changes: Any) -> Plan:
    """A config of this revision; changes: `models__loan__baseline="other"`, None to remove."""
    tree: dict[str, Any] = {**config_tree(WINDOW), "revision": revision}
    for path, value in changes.items():
        *parents, last = path.split("__")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        if value is None:
            del node[last]
        else:
            node[last] = value
    return plan_of(parse_config(tree, "test"))


class Log:
    """A profiles partition: what is written to it is stepped over at once."""

    def __init__(self, *plans: Plan) -> None:
        self.plans = {each.revision: each for each in plans}
        self.state, self.said = State.empty(plans[0]), Outputs()

    def take(self, record: Any) -> Outputs:
        """One record of the topic."""
        outputs = step(self.state, record, self.plans.__getitem__)
        self.said.extend(outputs)
        return outputs

    def events(self, seed: int, count: int, revision: int = 1, span_ms: int = 100_000) -> Counter[StreamKey]:
        """Profiles of so many events, as a phase-1 worker of this revision makes them; gives the events by stream."""
        made = self.plans[revision]
        batch = traffic(seed, count, span_ms)
        messages = [MemoryMessage(Record("captures", event.value), 0, n, START_MS) for n, event in enumerate(batch)]
        counts: Counter[StreamKey] = Counter()
        columns, _ = made.decoder().decode(messages, None)
        for pane in summarise(made, columns, messages):
            counts[pane.stream] += pane.profile.events
            self.take(decode(encode(pane)))
        return counts

    def one(self, stream: StreamKey, time_ms: int, revision: int = 1, segment: Segment = ()) -> Outputs:
        """The profile of a single event at this time."""
        made = self.plans[revision].streams[stream]
        batch = [event for event in traffic(1, 200, 1_000) if (event.model, event.version) == stream][:1]
        message = MemoryMessage(Record("captures", batch[0].value), 0, 0, START_MS)
        ((profile, slices),) = panes([message]).values()
        start = START_MS + time_ms - (START_MS + time_ms) % made.spec.pane_ms
        slices = replace(slices, starts=np.array([(START_MS + time_ms) // SLICE_MS]))
        return self.take(
            decode(encode(PaneProfile(stream, segment, start, made.spec.pane_ms, made.baseline.id, revision, profile, slices)))
        )

    def time(self, time_ms: int, revision: int = 1, topic: str = "captures") -> Outputs:
        """Progress: event time has reached START_MS + time_ms."""
        source = SourceProgress(topic, 0, 1, START_MS + time_ms, False)
        return self.take(Progress(START_MS + time_ms, revision, (source,), ((topic, 1),)))

    def dropped(self) -> Counter[tuple[StreamKey, str]]:
        counts: Counter[tuple[StreamKey, str]] = Counter()
        for each in self.said.dropped:
            counts[each.stream, each.reason] += each.events
        return counts

    def closed(self) -> Counter[StreamKey]:
        """Events of closed windows, each window as last reported."""
        last = {(key, window.end_ms): window.profile.events for key, window in self.said.closed}
        counts: Counter[StreamKey] = Counter()
        for (key, _), events in last.items():
            counts[key[0]] += events
        return counts


def revisions(outputs: Outputs) -> list[tuple[str, int, int]]:
    """(end, revision, events) of each window that was reported."""
    return [
        (score.window.end[14:19], score.revision, score.window.events)
        for score in outputs.scores
        if (score.feature, score.detector) == ("amount", "psi")
    ]


# ---- late events


def test_a_window_closes_once_its_end_and_the_delay_have_passed() -> None:
    log = Log(plan())
    log.one(LOAN, 1_000)
    assert revisions(log.time(24_999)) == []
    assert revisions(log.time(25_000)) == [("00:20", 1, 1)]
    assert revisions(log.time(99_000)) == []


def test_within_the_lateness_a_window_is_revised() -> None:
    log = Log(plan())
    log.one(LOAN, 1_000)
    log.time(25_000)
    log.one(LOAN, 2_000)
    log.one(LOAN, 3_000)
    assert revisions(log.time(26_000)) == [("00:20", 2, 3)], "one revision for all that came since"
    assert revisions(log.time(27_000)) == []
    log.one(LOAN, 4_000)
    assert revisions(log.time(54_999)) == [("00:20", 3, 4)]
    assert log.dropped() == {}


def test_after_the_lateness_an_event_is_counted_and_dropped() -> None:
    log = Log(plan())
    log.one(LOAN, 1_000)
    log.time(55_000)
    (dropped,) = log.one(LOAN, 2_000).dropped
    assert (dropped.stream, dropped.reason, dropped.events) == (LOAN, "late", 1)
    assert revisions(log.time(56_000)) == []
    assert log.closed() == {LOAN: 1}


def test_a_window_whose_first_events_are_late_is_reported_when_they_come() -> None:
    """Nothing of it was there when it closed, and none behind it was reported: it advances the life of alerts as any other."""
    log = Log(plan())
    log.one(FRAUD, 1_000)
    log.time(25_000)
    log.one(LOAN, 1_000)
    said = log.time(26_000)
    assert revisions(said) == [("00:20", 1, 1)]
    assert [window.revised for _, window in said.closed] == [True]


def test_after_a_new_baseline_a_late_event_makes_the_next_revision_of_a_reported_window() -> None:
    """Not a second first one: (window, revision) names one row, whatever the baseline."""
    log = Log(plan(), plan(2, models__loan__baseline="other"))
    log.one(LOAN, 1_000)
    assert revisions(log.time(25_000)) == [("00:20", 1, 1)]
    log.time(26_000, revision=2)
    log.one(LOAN, 2_000, revision=2)
    assert revisions(log.time(28_000, revision=2)) == [("00:20", 2, 1)]


SEGMENTED: dict[str, Any] = {"models__loan__segments": ["region"]}


def test_segments_are_units_of_their_own() -> None:
    log = Log(plan(**SEGMENTED))
    log.one(LOAN, 1_000)
    log.one(LOAN, 1_000, segment=(("region", "south"),))
    assert len(log.state.units) == 2
    scores = [score for score in log.time(25_000).scores if (score.feature, score.detector) == ("amount", "psi")]
    assert [(score.segment, score.window.events) for score in scores] == [({"region": "south"}, 1), ({}, 1)]


def test_a_segment_that_the_config_does_not_ask_for_is_left_out() -> None:
    """Of a worker that reads an older config; its events are the whole's, and counted there."""
    log = Log(plan())
    log.one(LOAN, 1_000, segment=(("region", "south"),))
    assert (log.state.units, log.dropped()) == ({}, {})


def test_values_of_seconds_that_were_read_already_are_counted_and_left_out() -> None:
    log = Log(plan())
    log.one(LOAN, 21_000)
    log.time(30_000)
    late = log.one(LOAN, 22_000).late_values
    assert [stream for stream, _ in late] == [LOAN]
    assert late[0][1] > 0
    assert log.dropped() == {}, "its window counts it"
    assert log.one(LOAN, 26_000).late_values == []


# ---- a newer config


def settled(log: Log) -> None:
    log.time(100_000 + 10_000)


def begun(*plans: Plan) -> tuple[Log, Counter[StreamKey]]:
    """Drifting traffic of 100 s, closed up to 85 s: alerts are firing, one window is open."""
    log = Log(*plans)
    counts = log.events(seed=1, count=900)
    log.time(86_000)
    assert all(unit.book.firing() for (_, segment), unit in log.state.units.items() if not segment)
    return log, counts


def resolved(outputs: Outputs) -> set[tuple[str, str | None, str | None]]:
    return {(alert.model, alert.version, alert.reason) for alert in outputs.alerts if alert.status == "resolved"}


@pytest.mark.parametrize(
    ("changes", "stream", "reason"),
    [
        ({"models__loan__baseline": "other"}, LOAN, "baseline_replaced"),
        ({"models__loan__versions__2": {"baseline": "other"}}, LOAN_2, "baseline_replaced"),
        ({"models__loan__versions": None}, LOAN_2, "model_removed"),
        ({"models__fraud": None}, FRAUD, "model_removed"),
        ({"models__fraud__window": {**WINDOW, "size": "10s"}}, FRAUD, "window_changed"),
        ({"models__fraud__window": {**WINDOW, "lateness": "40s"}}, FRAUD, "window_changed"),
    ],
)
def test_what_loses_its_ground_is_resolved_and_accounted_for(changes: dict[str, Any], stream: StreamKey, reason: str) -> None:
    """Only the one stream is touched: its alerts end with the reason, its open events are dropped and counted, to the event."""
    log, counts = begun(plan(), plan(2, **changes))
    firing = len([alert for key, unit in log.state.units.items() if key[0] == stream for alert in unit.book.firing()])
    said = log.time(87_000, revision=2)
    assert resolved(said) == {(stream.model, stream.version, reason)}
    assert len(said.alerts) == firing > 0
    assert {alert.config_id for alert in said.alerts} == {log.plans[2].config_id}
    assert said.removed == [(stream, ())]
    settled(log)
    for key, events in counts.items():
        assert log.closed()[key] + log.dropped()[key, reason] == events
        assert (log.dropped()[key, reason] > 0) == (key == stream)


def test_profiles_of_the_old_config_that_come_after_the_new_are_counted_by_reason() -> None:
    """A phase-1 worker that has not read the new config yet."""
    changes = {"models__loan__baseline": "other", "models__loan__versions": None, "models__fraud__window": {**WINDOW, "size": "15s"}}
    log = Log(plan(), plan(2, **changes))
    log.time(0, revision=2)
    counts = log.events(seed=2, count=200, revision=1)
    assert log.dropped() == {
        (LOAN, "baseline_replaced"): counts[LOAN],
        (LOAN_2, "model_removed"): counts[LOAN_2],
        (FRAUD, "window_changed"): counts[FRAUD],
    }
    new = log.events(seed=2, count=200, revision=2)
    assert sum(log.dropped().values()) == sum(counts.values()), "the same events under the new config are taken"
    log.time(200_000, revision=2)
    assert log.closed() == new


def test_a_removed_feature_resolves_its_own_alerts_alone() -> None:
    log, counts = begun(plan(), plan(2, models__fraud__features={"exclude": ["amount"]}))
    before = {alert.alert_id: alert.feature for key, unit in log.state.units.items() if key[0] == FRAUD for alert in unit.book.firing()}
    assert {"amount", "region"} <= set(before.values())
    said = log.time(87_000, revision=2)
    assert {(alert.feature, alert.reason, alert.status) for alert in said.alerts} == {("amount", "feature_removed", "resolved")}
    still = {alert.alert_id for alert in log.state.units[FRAUD, ()].book.firing()}
    assert still == {alert_id for alert_id, feature in before.items() if feature != "amount"}
    settled(log)
    assert log.closed() == counts
    assert not any(score.feature == "amount" and score.model == "fraud" for score in log.time(120_000, revision=2).scores)


@pytest.mark.parametrize(
    ("detectors", "still"),
    [
        (["psi", "missing_ratio"], {("amount", "psi"), ("region", "psi"), ("amount", "missing_ratio")}),
        (["tvd"], {("amount", "psi"), ("region", "psi")}),
        (["ks"], {("amount", "psi")}),
        (["adwin"], set()),
        ([], set()),
    ],
    ids=["those that found them", "another of the cause", "another, for numbers alone", "a sequential one calls no level quiet", "none"],
)
def test_an_alert_that_no_detector_judges_any_more_ends_and_others_go_on(detectors: list[str], still: set[tuple[str, str]]) -> None:
    log, _ = begun(plan(), plan(2, models__fraud__detectors=detectors))
    book = log.state.units[FRAUD, ()].book
    before = {(alert.feature, alert.detector) for alert in book.firing()}
    assert {("amount", "psi"), ("region", "psi"), ("amount", "missing_ratio"), (None, "clock_skew_ms")} <= before
    said = [alert for alert in log.time(87_000, revision=2).alerts if alert.model == "fraud"]
    assert {(alert.feature, alert.detector) for alert in said} == before - still
    assert {(alert.reason, alert.status, alert.config_id) for alert in said} == {("detector_removed", "resolved", log.plans[2].config_id)}
    assert {(alert.feature, alert.detector) for alert in book.firing()} == still


def test_other_changes_go_on_with_what_is_there() -> None:
    """Thresholds, budget, engine: no alert is resolved, no event dropped."""
    log, counts = begun(plan(), plan(2, models__fraud__thresholds={"psi": 5.0}, engine__idle_lease="7s"))
    assert log.time(87_000, revision=2).alerts == []
    settled(log)
    assert log.closed() == counts
    assert log.dropped() == {}
    assert log.state.tracker.lease_ms == 7_000


def test_an_older_record_never_takes_the_config_back() -> None:
    log = Log(plan(1), plan(2))
    log.time(0, revision=2)
    log.time(1_000, revision=1)
    assert log.state.plan.revision == 2


def test_a_revision_may_be_skipped() -> None:
    log = Log(plan(1), plan(3))
    log.time(0, revision=3)
    assert log.state.plan.revision == 3


def test_a_capture_topic_that_is_gone_does_not_stop_time() -> None:
    two = {"captures": ["captures", "old"]}
    log = Log(plan(1, topics=two), plan(2))
    log.one(LOAN, 1_000)
    log.time(2_000, topic="old")
    assert revisions(log.time(90_000)) == []
    assert revisions(log.time(91_000, revision=2)) == [("00:20", 1, 1)]


def test_a_segment_that_is_removed_resolves_its_alerts() -> None:
    log, _ = begun(plan(**SEGMENTED), plan(2))
    units = [key for key in log.state.units if key[1]]
    assert units
    said = log.time(87_000, revision=2)
    assert {alert.reason for alert in said.alerts if alert.segment} == {"segment_removed"}
    assert set(said.removed) == set(units)
    assert not [alert for alert in said.alerts if not alert.segment], "the whole goes on"


def test_a_new_baseline_begins_new_sequential_detectors_and_other_thresholds_do_not() -> None:
    log, _ = begun(plan(), plan(2, models__loan__baseline="other", models__fraud__thresholds={"psi": 5.0}))
    before = {key: unit.sequential.encode() for key, unit in log.state.units.items()}
    log.time(86_000, revision=2)
    fresh = Unit.new((LOAN, ()), log.plans[2].streams[LOAN], None).sequential
    fresh.advance(START_MS + 81_000)
    assert log.state.units[LOAN, ()].sequential.encode() == fresh.encode() != before[LOAN, ()]
    assert log.state.units[FRAUD, ()].sequential.encode() == before[FRAUD, ()]
