"""This project as a judge of a run: events through `summarise` and `step`, as in production, with every setting at its default.

Alarms are alerts that begin (an alert that goes on says nothing new), at the event time at which they are published. Those of the model
as a whole count too, under the name "". `paging` leaves out alerts of severity info until they become a warning.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.judgement.measure import Alarms
from benchmarks.judgement.traffic import CATEGORIES, FEATURES, START_MS, WINDOW_MS, Floats, Run, Window
from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.capture.columns import Columns, Raw
from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import parse_config
from stream_monitor.detect.finding import Severity
from stream_monitor.pipeline.learn import learn
from stream_monitor.pipeline.plan import Plan, compile_plan
from stream_monitor.pipeline.state import State
from stream_monitor.pipeline.step import step
from stream_monitor.pipeline.summarise import summarise
from stream_monitor.profile import codec
from stream_monitor.window.progress import Progress, SourceProgress

BATCH: Final = 10_000
"""Events in a micro-batch: the engine's own default."""
TRAINING_MS: Final = 28 * 86_400_000
WATERMARK_DELAY_MS: Final = 5_000
MODEL: Final = "judged"
NAMES: Final = np.array([f"category {i}" for i in range(CATEGORIES + 1)], dtype=object)


@dataclass(frozen=True, slots=True)
class Message:
    """Where an event would have been read: what its profile keeps of it as a sample."""

    place: int

    def topic(self) -> str:
        return "captures"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.place

    def key(self) -> bytes | None:
        return None

    def value(self) -> bytes | None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return (0, -1)

    def headers(self) -> list[tuple[str, bytes]] | None:
        return None


def everything(run: Run, rows: int) -> Alarms:
    """Every alert that begins."""
    return _alarms(run, rows, frozenset(Severity))


def paging(run: Run, rows: int) -> Alarms:
    """Alerts that page: warning and critical."""
    return _alarms(run, rows, frozenset({Severity.WARNING, Severity.CRITICAL}))


def _alarms(run: Run, rows: int, severities: frozenset[Severity]) -> Alarms:
    begun: dict[str, int] = {}
    times_ms: dict[str, list[int]] = {}
    for time_ms, alert in alerts(run, rows):
        if alert.status is not AlertStatus.RESOLVED and alert.severity in severities and alert.alert_id not in begun:
            begun[alert.alert_id] = time_ms
            times_ms.setdefault(alert.feature or "", []).append(time_ms)
    return Alarms(times_ms)


@lru_cache(maxsize=1)
def alerts(run: Run, rows: int) -> tuple[tuple[int, Alert], ...]:
    """Everything that is published in a run, with the event time at which it is."""
    plan = _plan(baseline(run, rows))
    state, published, offset = State.empty(plan), [], 0
    for window in run.windows():
        for columns, messages in _batches(window, plan, offset):
            offset += len(messages)
            for pane in summarise(plan, [columns], messages):
                outputs = step(state, codec.decode(codec.encode(pane)), lambda _: plan)
                assert (outputs.unreadable, outputs.dropped) == (None, [])
        time_ms = window.start_ms + WINDOW_MS + WATERMARK_DELAY_MS
        source = SourceProgress("captures", 0, offset, time_ms, False)
        outputs = step(state, Progress(time_ms, plan.revision, (source,), (("captures", 1),)), lambda _: plan)
        published += [(time_ms, alert) for alert in outputs.alerts]
    return tuple(published)


def baseline(run: Run, rows: int) -> Baseline:
    """Made of the run's training rows as a user makes it: a Parquet file with a time column that covers 28 days."""
    training = run.training(rows)
    times = START_MS - TRAINING_MS + np.arange(rows) * TRAINING_MS // rows
    columns = {"time": pa.array(times, pa.timestamp("ms", tz="UTC"))}
    for feature in FEATURES:
        values = training[feature.name]
        missing = np.isnan(values)
        known = NAMES[np.where(missing, 0, values).astype(int)] if feature.is_category else values
        columns[feature.name] = pa.array(known, mask=missing)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "training.parquet")
        pq.write_table(pa.table(columns), file)
        return learn([file], BuildOptions(time="time", window_ms=WINDOW_MS)).baseline


def _plan(baseline_: Baseline) -> Plan:
    model = {"baseline": "baseline", "window": {"size": "5m", "watermark_delay": f"{WATERMARK_DELAY_MS}ms"}}
    config = parse_config({"models": {MODEL: model}}, "judgement")
    return compile_plan(config, config.shared({"baseline": baseline_.id}), {"baseline": baseline_})


def _batches(window: Window, plan: Plan, offset: int) -> Iterator[tuple[Columns, list[Raw]]]:
    key = StreamKey(MODEL, None)
    schema = plan.streams[key].baseline.schema
    categories = {feature.name for feature in FEATURES if feature.is_category}
    for first in range(0, len(window.times_ms), BATCH):
        times_ms = window.times_ms[first : first + BATCH]
        values = tuple(
            _categories(part) if column.name in categories else part
            for column in schema.columns
            for part in [window.values[column.name][first : first + BATCH]]
        )
        places = range(offset + first, offset + first + len(times_ms))
        rows = np.arange(len(times_ms))
        yield Columns(key, schema, rows, times_ms, values, [str(place) for place in places]), [Message(place) for place in places]


def _categories(numbers: Floats) -> list[str | None]:
    missing = np.isnan(numbers)
    names = NAMES[np.where(missing, 0, numbers).astype(int)]
    names[missing] = None
    found: list[str | None] = names.tolist()
    return found
