"""Whether labels find their events is told the same however records are cut and shuffled between two progresses, however often the
watermark is told, and by a state that was saved and restored.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from random import Random

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from stream_monitor.alert.publication import Stamp
from stream_monitor.baseline.store import load_baseline
from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import parse_config
from stream_monitor.detect.report import ms_of
from stream_monitor.pipeline.join.join import Join
from stream_monitor.pipeline.pairing import Pairing, PairingState
from stream_monitor.pipeline.plan import StreamPlan, compile_plan
from stream_monitor.window.spec import WindowSpec
from tests.property.test_join_laws import BINARY, Capture, Label, plan_of, record_of, spread
from tests.simulation.tasks import graded, graded_name

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
LATENESS_MS = 8 * HOUR_MS
SPEC = WindowSpec(5 * MINUTE_MS, 5 * MINUTE_MS, 0, MINUTE_MS, 40, 24 * HOUR_MS)
Arrivals = list[tuple[int, Capture | Label]]
"""When it comes, and what comes."""


@cache
def judged_by() -> StreamPlan:
    """A small model's; a tenth of labels without an event is too many."""
    model = {"baseline": "graded", "task": "binary", "positive_class": "b", "thresholds": {"unpaired_labels": 0.1}}
    config, baseline = parse_config({"models": {"loan": model}}, "test"), load_baseline(graded()[graded_name("loan", "binary")], "graded")
    return compile_plan(config, config.shared({"graded": baseline.id}), {"graded": baseline}).streams[StreamKey("loan", None)]


def arrivals(random: Random, share: float) -> Arrivals:
    """Two days of events, one a minute or two, with labels minutes to hours later, some of which come after they were given; of the second
    day's a share has no event.
    """
    found: Arrivals = []
    for number, time_ms in enumerate(range(0, 48 * HOUR_MS, random.choice((1, 2)) * MINUTE_MS), 1):
        found.append((time_ms, Capture(spread(number), time_ms, 2, 9, math.nan, 0)))
        given_ms = time_ms + random.choice((5 * MINUTE_MS, random.randrange(6 * HOUR_MS))) + number
        is_lost = time_ms > 24 * HOUR_MS and random.random() < share
        label = Label(spread(number + 10**6 * is_lost), given_ms, 1, math.nan)
        found.append((given_ms + random.choice((0, 0, random.randrange(HOUR_MS))), label))
    return found


def told(come: Arrivals, steps: Sequence[int], random: Random, *, often: bool = False, restored: bool = False) -> list[bytes]:
    """What is said when records come between watermarks. often: more of these are told; restored: from a state each time."""
    join, found = Join(replace(plan_of(BINARY, label_lateness_ms=LATENESS_MS), spec=SPEC)), list[bytes]()
    pairing = Pairing("loan", PairingState(judged_by().baseline.id))
    for before_ms, step_ms in zip([0, *steps], steps, strict=False):
        items = [item for at_ms, item in come if before_ms <= at_ms < step_ms]
        random.shuffle(items)
        at = random.randrange(len(items) + 1)
        for part in (items[:at], items[at:]):
            join.apply(record_of(part, BINARY), before_ms)
        for watermark_ms in [*(range(before_ms, step_ms, 7 * MINUTE_MS) if often else ()), step_ms]:
            for said in pairing.advance(join, watermark_ms, judged_by(), Stamp(0, "")):
                found += [*(score.to_json() for score in said.scores), *(alert.to_json() for alert in said.alerts)]
            join.advance(watermark_ms)
        if restored:
            pairing = Pairing("loan", msgspec.msgpack.decode(msgspec.msgpack.encode(pairing.to_state()), type=PairingState))
    return found


@settings(max_examples=20, phases=(Phase.explicit, Phase.generate))  # a case is too large to be made smaller in a minute
@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.0, 0.3, 1.0]))
def test_cuts_order_watermarks_on_the_way_and_restarts_change_nothing(seed: int, share: float) -> None:
    random = Random(seed)
    come = arrivals(random, share)
    steps = sorted(random.sample(range(HOUR_MS, 56 * HOUR_MS), random.choice((5, 20, 40))))
    one = told(come, steps, random)
    assert one == told(come, steps, random)
    assert one == told(come, steps, random, often=True)
    assert one == told(come, steps, random, restored=True)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_every_label_is_asked_once_and_those_without_an_event_are_counted(share: float) -> None:
    come = arrivals(Random(1), share)
    rows = [msgspec.json.decode(line) for line in told(come, range(0, 60 * HOUR_MS, 10 * MINUTE_MS), Random(1))]
    windows = [row for row in rows if "detector" in row and "alert_id" not in row]
    captured, end_ms = {each.id for _, each in come if isinstance(each, Capture)}, ms_of(windows[-1]["window"]["end"])
    labels = [each for _, each in come if isinstance(each, Label) and each.time_ms < end_ms]
    assert len(come) // 2 - len(labels) < SPEC.events_min, "too few are left for another window"
    assert sum(row["window"]["events"] for row in windows) == len(labels)
    lost = sum(round(row["score"] * row["window"]["events"]) for row in windows)
    assert lost == sum(each.id not in captured for each in labels)
    alerts = [row for row in rows if "alert_id" in row]
    assert [(row["status"], row["severity"]) for row in alerts][:1] == ([("firing", "critical")] if share else [])
