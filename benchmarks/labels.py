"""The join of labels with events at scale, without Kafka: rows straight into `Join.apply`, on one core.

Event time runs at `--rate` events/s; each event's label comes after a delay, log-uniform from a minute to a day and a half, and
is waited for two days. Once a minute of
event time the watermark passes, windows are told, and what changed is saved as a snapshot would. Printed at every tenth of the way:
resident memory, rows held, events/s (events and their labels, all of the join), bytes per row, bytes of a snapshot, and the time that
`advance` took.

With `--rare 0.02` events are of two groups of a facet, of which one is so rare, and its events are thinned less; also printed is which part
of the rows is of it. With `--rare 0.02 --no-relief` they are thinned as all are.

    python benchmarks/labels.py [--events 10000000] [--rate 20] [--rows-max 2000000] [--rare 0.02] [--json]
"""

import argparse
import json
import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stream_monitor.capture.schema import StreamKey
from stream_monitor.pipeline.join.join import Join
from stream_monitor.pipeline.join.outcomes import Outcomes
from stream_monitor.pipeline.join.plan import JoinPlan
from stream_monitor.pipeline.join.record import Captured, CaptureRows, JoinRecord, LabelRows
from stream_monitor.pipeline.join.rows import row_type
from stream_monitor.pipeline.join.sample import reliefs_of
from stream_monitor.profile.outcome import Group, OutcomeLayout
from stream_monitor.window.spec import WindowSpec

STREAM = StreamKey("loan", None)
LAYOUT = OutcomeLayout("binary", ("no", "yes"), 1, scored=True)
BATCH = 10_000
MINUTE_MS = 60_000
LATENESS_MS = 2 * 24 * 60 * MINUTE_MS
DELAYS_S = (60.0, 1.5 * 24 * 3600.0)


class Waiting(NamedTuple):
    """Labels that were not given yet, by the time at which they will be."""

    ids: np.ndarray
    time_ms: np.ndarray
    label: np.ndarray


class Spent:
    """Seconds of each part."""

    def __init__(self) -> None:
        self.by_part = dict.fromkeys(("apply", "add", "advance", "tell", "save"), 0.0)
        self.calls = dict.fromkeys(self.by_part, 0)
        self.longest = dict.fromkeys(self.by_part, 0.0)

    def __call__(self, part: str, task: Any) -> Any:
        began = time.process_time()
        found = task()
        took = time.process_time() - began
        self.by_part[part] += took
        self.calls[part] += 1
        self.longest[part] = max(self.longest[part], took)
        return found


def plan_of(rows_max: int, pane_ms: int, rare: float, *, relieved: bool) -> JoinPlan:
    spec = WindowSpec(pane_ms, pane_ms, 5_000, MINUTE_MS, 200, 24 * 60 * MINUTE_MS)
    layout = replace(LAYOUT, groups=(Group("gender", "f"), Group("gender", "m"))) if rare else LAYOUT
    relief = reliefs_of([[round(10_000 * rare), round(10_000 * (1 - rare))]]) if rare and relieved else ()
    facets: tuple[Any, ...] = (None,) if rare else ()  # only their number is asked for
    return JoinPlan("loan", layout, "layout", facets, {STREAM: "baseline"}, {STREAM: ()}, spec, LATENESS_MS, rows_max, relief=relief)


def batches(events: int, rate: float, rare: float) -> Iterator[JoinRecord]:
    """Events in order of their time, and with each batch the labels that are due by then."""
    random = np.random.default_rng(7)
    waiting = Waiting(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.uint16))
    for first in range(0, events, BATCH):
        numbers = np.arange(first + 1, first + BATCH + 1, dtype=np.uint64)
        ids, time_ms = numbers * np.uint64(0x9E3779B97F4A7C15), (numbers.astype(np.float64) * 1000 / rate).astype(np.int64)
        score = random.integers(1, 65_536, BATCH).astype(np.uint16)
        predicted = np.where(score > 32_768, 2, 1).astype(np.uint16)
        label = np.where(random.random(BATCH) < 0.1, 3 - predicted, predicted).astype(np.uint16)
        delays_ms = np.exp(random.uniform(math.log(DELAYS_S[0]), math.log(DELAYS_S[1]), BATCH)) * 1000
        came = Waiting(ids, time_ms + delays_ms.astype(np.int64), label)
        waiting = Waiting(*(np.concatenate(both) for both in zip(waiting, came, strict=True)))
        is_due = waiting.time_ms <= time_ms[-1]
        due, waiting = Waiting(*(part[is_due] for part in waiting)), Waiting(*(part[~is_due] for part in waiting))
        groups = (random.random((1, BATCH)) >= rare).astype(np.uint16)[: int(rare > 0)]
        rows = CaptureRows(ids, time_ms, predicted, score, np.full(BATCH, np.nan), groups, np.zeros((0, BATCH), np.uint16))
        labels = LabelRows(due.ids, due.time_ms, due.label, np.full(len(due.ids), np.nan))
        yield JoinRecord("loan", 1, "layout", (Captured(STREAM, "baseline", rows),), labels)


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def run(options: argparse.Namespace) -> dict[str, float]:
    events, rate, quiet = options.events, options.rate, options.json
    join, spent = Join(plan_of(options.rows_max, options.pane * 1000, options.rare, relieved=options.relief)), Spent()
    outcomes = Outcomes(join.plan.layout, join.plan.spec, LATENESS_MS, join.plan.reliefs)
    step, told, saved, snapshots, labels = events // 10, 0, 0, 0, 0
    minute, peak_mb, half_mb, done = 0, 0.0, 0.0, 0
    for record in batches(events, rate, options.rare):
        assert record.labels is not None
        now_ms = int(record.captures[0].rows.time_ms[-1])
        answer = spent("apply", lambda record=record, now_ms=now_ms: join.apply(record, now_ms))
        spent("add", lambda answer=answer: deque(map(outcomes.add, answer.changes), maxlen=0))
        done, labels = done + BATCH, labels + len(record.labels.ids)
        while minute < now_ms // MINUTE_MS:
            minute += 1
            watermark_ms = minute * MINUTE_MS
            spent("advance", lambda watermark_ms=watermark_ms: join.advance(watermark_ms))
            told += len(spent("tell", lambda watermark_ms=watermark_ms: list(outcomes.advance(watermark_ms, join.sample.rates))))
            saved += spent("save", lambda: save(join))
            snapshots += 1
        peak_mb = max(peak_mb, resident_mb())
        half_mb = peak_mb if done <= events // 2 else half_mb
        if done % step < BATCH and not quiet:
            print(
                f"{done:>11,} events {now_ms / 86_400_000:5.2f} days  {resident_mb():7.0f} MB"
                f"  {len(join):>9,} rows at 1 in {1 << join.sample.rate}"
                f"  {len(outcomes.panes):>6,} panes  {done / sum(spent.by_part.values()):9,.0f} events/s"
                f"  {saved / max(snapshots, 1) / 2**20:6.2f} MB/snapshot  {told / max(minute, 1):5.1f} tellings/min"
            )
            for part in spent.by_part:
                calls = max(spent.calls[part], 1)
                print(
                    f"{'':11} {part:8} {spent.by_part[part]:7.1f} s  {spent.by_part[part] / calls * 1000:9.3f} ms each"
                    f"  longest {spent.longest[part] * 1000:8.1f} ms"
                )
    return {
        "events": done,
        "labels": labels,
        "events_per_s": done / sum(spent.by_part.values()),
        "peak_mb": peak_mb,
        "peak_mb_first_half": half_mb,
        "rows": len(join),
        "rare_rows": rare_part(join),
        "row_bytes": float(row_type(0, 0).itemsize),
        "snapshot_mb": saved / max(snapshots, 1) / 2**20,
        "advance_ms": spent.by_part["advance"] / max(spent.calls["advance"], 1) * 1000,
    }


def rare_part(join: Join) -> float:
    """Of the captured rows; 0 without a facet."""
    if not join.plan.facets:
        return 0.0
    rows = join.store.rows
    seen = rows["time_ms"] >= 0
    return float((rows["groups"][seen, 0] == 0).mean()) if seen.any() else 0.0


def save(join: Join) -> int:
    pages = join.store.pages()
    size = sum(len(join.store.save(page)) for page in sorted(join.store.changed & pages))
    join.store.saved()
    return size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rate", type=float, default=20.0, help="events per second of event time")
    parser.add_argument("--rows-max", type=int, default=2_000_000)
    parser.add_argument("--pane", type=int, default=600, help="seconds")
    parser.add_argument("--rare", type=float, default=0.0, help="the share of a facet's rare group; 0: no facet")
    parser.add_argument("--no-relief", dest="relief", action="store_false", help="thin the rare group as all are")
    parser.add_argument("--json", action="store_true", help="the figures alone, as JSON")
    options = parser.parse_args()
    print(json.dumps(run(options)))


if __name__ == "__main__":
    main()
