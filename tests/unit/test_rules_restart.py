"""Rules through `step`, and over a restart: groups across segments, and a snapshot from before there were rules."""

import msgspec
import numpy as np
import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.life import BookState
from stream_monitor.alert.notification import notification_of, notifies
from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import parse_config
from stream_monitor.pipeline.saved import Manifest, load_unit, save_unit
from stream_monitor.pipeline.state import State
from stream_monitor.pipeline.step import step
from stream_monitor.profile.codec import PaneProfile, decode, encode
from stream_monitor.profile.profile import Profile
from stream_monitor.profile.slices import Slices
from stream_monitor.window.progress import Progress, SourceProgress
from tests.property.pipeline_world import START_MS, config_tree, plan_of

TREE = config_tree({"events_min": 1}, ("region",))
PLAN = plan_of(parse_config({**TREE, "rules": [{"group_by": [], "repeat_every": "60s"}]}, "test"))
LOAN = StreamKey("loan", None)
SEGMENTS = ((), (("region", "north"),))


def traffic(state: State, window: int) -> list[Alert]:
    """A window of wild traffic, in the whole and a segment of it."""
    stream = PLAN.streams[LOAN]
    layout, spec = stream.baseline.layout, stream.spec
    random = np.random.default_rng(7)
    for segment in SEGMENTS:
        counts = random.integers(0, 2**20, layout.total)
        profile = Profile(2**22, counts, np.zeros((2, layout.columns), dtype=np.int64))
        start = START_MS + window * spec.size_ms
        pane = PaneProfile(LOAN, segment, start, spec.pane_ms, stream.baseline.id, PLAN.revision, profile, Slices.empty(layout.columns))
        step(state, decode(encode(pane)), lambda revision: PLAN)
    end_ms = START_MS + (window + 1) * spec.size_ms + spec.watermark_delay_ms
    sources = (SourceProgress("captures", 0, window + 1, end_ms, False),)
    return step(state, Progress(end_ms, PLAN.revision, sources, (("captures", 1),)), lambda revision: PLAN).alerts


def restarted(state: State) -> State:
    manifest, units = Manifest.of(state, 0, {}, {}), [save_unit(state, key) for key in state.units]
    again = manifest.state(PLAN)
    for unit in units:
        load_unit(again, unit)
    return again


def told(alerts: list[Alert]) -> list[Alert]:
    return [alert for alert in alerts if notifies(alert)]


def test_alerts_of_a_model_in_one_window_are_told_once_whatever_their_segment() -> None:
    alerts = traffic(State.empty(PLAN), 0)
    assert {len(alert.segment) for alert in alerts} == {0, 1}
    (lead,) = told(alerts)
    notification = notification_of(lead)
    assert notification is not None
    assert notification.firing == len(alerts) > 2


@pytest.mark.parametrize("windows", [1, 2, 3])
def test_a_restart_after_any_window_changes_nothing(windows: int) -> None:
    """Reminders come at the third window; they list all that fires, whether it began before the restart or after."""
    stayed, other = State.empty(PLAN), State.empty(PLAN)
    for window in range(windows):
        traffic(stayed, window)
        traffic(other, window)
    again = restarted(other)
    for window in range(windows, 7):
        assert traffic(again, window) == traffic(stayed, window)
    assert again.groups._members == stayed.groups._members


def test_reminders_of_a_group_are_one_reminder() -> None:
    state = State.empty(PLAN)
    counts = [len(told(traffic(state, window))) for window in range(7)]
    assert counts == [1, 0, 0, 1, 0, 0, 1]


def test_a_snapshot_from_before_there_were_rules_can_be_read() -> None:
    old = {"last_end_ms": 5, "firing": [], "changes": []}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=BookState) == BookState(5)
