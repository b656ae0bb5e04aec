"""How many false alerts a month of healthy traffic raises: every detector on, through the pipeline's own `step`.

`python -m benchmarks.judgement.quiet [--runs 30] [--days 30] [--scenarios NAME,…] [--jobs 2] [--out build/judgement/quiet.jsonl]`

A run is one seed: training data drawn, a baseline learned from it as `stream-monitor baseline --time` does, then panes of live traffic
(see `drawn`) and the progress that closes them. Finished runs are kept in the file, one line each, and not made again.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray
from scipy.stats import chi2

from benchmarks.judgement.drawn import Pane, Tables, count_day, draw_day
from benchmarks.judgement.healthy import (
    FEATURES,
    Day,
    Events,
    Noise,
    Pattern,
    Scenario,
    days,
    events_of,
    live_times,
    training,
    training_days,
)
from stream_monitor.alert.alert import Alert
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.capture.schema import PREDICTION, SCORE, StreamKey
from stream_monitor.config import parse_config
from stream_monitor.pipeline.learn import learn
from stream_monitor.pipeline.plan import Plan, compile_plan
from stream_monitor.pipeline.state import State
from stream_monitor.pipeline.step import step
from stream_monitor.pipeline.unit import Unit
from stream_monitor.profile.ids import SAMPLE_MAX, IdSample
from stream_monitor.profile.profile import Profile
from stream_monitor.window.progress import Progress, SourceProgress

PANE_MS: Final = 300_000
KEY: Final = StreamKey("healthy", None)
SCENARIOS: Final = {
    each.name: each
    for each in (
        *(Scenario(f"stationary {rate:g}/s {rows}", Pattern.NONE, rate, rows) for rate in (0.1, 10.0, 1000.0) for rows in (1_000, 100_000)),
        Scenario("seasons 10/s 1000", Pattern.SEASONS, 10.0, 1_000),
        Scenario("seasons 10/s 100000", Pattern.SEASONS, 10.0, 100_000),
        Scenario("autocorrelated 10/s 100000", Pattern.OU, 10.0, 100_000),
        Scenario("autocorrelated events 0.1/s 100000", Pattern.AR, 0.1, 100_000, consecutive=True),
        Scenario("three partitions 10/s 100000", Pattern.PARTITIONS, 10.0, 100_000),
    )
}
COUNTED_BELOW: Final = 1.0
"""Events per second up to which every event is made and counted by the code that production runs; beyond, counts and sums are drawn."""


def run(name: str, seed: int, days_live: int) -> dict[str, Any]:
    """One month of one scenario: what fired."""
    began = time.perf_counter()
    scenario = SCENARIOS[name]
    rng = np.random.default_rng([seed, list(SCENARIOS).index(name)])
    before = training_days(scenario)
    noise = Noise(scenario.pattern, rng)
    calendar = days(scenario, -before, days_live, rng)
    baseline = learned(training(scenario, islice(calendar, before), noise))
    monitor = Monitor(baseline)
    opened = [alert for day in calendar for pane in panes(scenario, baseline, day, noise) for alert in monitor.see(pane)]
    fired = Counter(f"{alert.severity} {alert.kind} {alert.detector}" for alert in opened)
    seen = [f"{alert.window.start} {alert.feature} {alert.detector} {alert.severity} {alert.score} > {alert.threshold}" for alert in opened]
    seconds = round(time.perf_counter() - began, 1)
    return {"scenario": name, "seed": seed, "days": days_live, "fired": fired, "seen": seen[:50], "seconds": seconds}


def learned(events: Sequence[Events]) -> Baseline:
    """The baseline of training data with times, as the command makes it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "training.parquet"
        pyarrow.parquet.write_table(pa.concat_tables([as_table(each) for each in events]), path)
        options = BuildOptions(time="time", prediction=PREDICTION, score=SCORE, window_ms=PANE_MS, task="binary")
        return learn([path], options).baseline


def as_table(events: Events) -> pa.Table:
    """Events as columns; infinities stand for values of the wrong type."""
    arrays: dict[str, pa.Array] = {"time": pa.array(events.times_ms, pa.timestamp("ms", tz="UTC"))}
    for feature, column in zip(FEATURES, events.columns, strict=True):
        if feature.family is not None:
            arrays[feature.name] = pa.array(column, mask=np.isnan(column))
        else:
            arrays[feature.name] = pa.DictionaryArray.from_arrays(pa.array(column, mask=column < 0), pa.array(feature.values)).cast(
                "string"
            )
    return pa.table(arrays)


def panes(scenario: Scenario, baseline: Baseline, day: Day, noise: Noise) -> Iterator[Pane]:
    """What phase 1 says of a day."""
    places = {feature.name: place for place, feature in enumerate(FEATURES)}
    order = np.array([places[entry.column.name] for entry in baseline.columns])
    if scenario.rate <= COUNTED_BELOW:
        return count_day(baseline, order, events_of(scenario, day, live_times(scenario, day, noise.rng), noise), PANE_MS)
    return draw_day(Tables.of(baseline, scenario), order, day, PANE_MS, noise.rng)


class Monitor:
    """One model's detect worker without Kafka."""

    def __init__(self, baseline: Baseline) -> None:
        plan = planned(baseline)
        self._stream, self._state = plan.streams[KEY], State.empty(plan)
        self._revision, self._rng = plan.revision, np.random.default_rng(0)
        self._unit = Unit.new((KEY, ()), self._stream, None)
        self._state.insert((KEY, ()), self._unit)

    def see(self, pane: Pane) -> list[Alert]:
        """Take in one pane and let the time pass its end: the alerts that open."""
        profile = Profile(pane.profile.events, pane.profile.counts, pane.profile.moments, ids=self._ids(pane.profile.events))
        self._unit.windows.add(pane.start_ms, profile)
        self._unit.sequential.add(pane.slices, self._unit.windows.watermark_ms)
        now_ms = pane.start_ms + PANE_MS + self._stream.spec.watermark_delay_ms
        progress = Progress(now_ms, self._revision, (SourceProgress("captures", 0, 0, now_ms, False),), (("captures", 1),))
        said = step(self._state, progress, self._plan_of)
        return [alert for alert in said.alerts if alert.status == "firing"]

    def _plan_of(self, revision: int) -> Plan:
        return self._state.plan

    def _ids(self, events: int) -> IdSample:
        hashes: NDArray[np.uint64] = np.unique(self._rng.integers(0, 2**63, min(events, SAMPLE_MAX), dtype=np.uint64))
        return IdSample(hashes, np.ones(len(hashes), dtype=np.int64))


def planned(baseline: Baseline) -> Plan:
    """A config of one model with 5-minute windows and the defaults."""
    config = parse_config({"instance": "quiet", "models": {KEY.model: {"baseline": "b", "window": {"size": "5m"}}}}, "quiet")
    return compile_plan(config, config.shared({"b": baseline.id}), {"b": baseline})


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """One row per scenario; rates are per 30 days, the bound is the upper 95 % one of a Poisson mean (Garwood 1936)."""
    lines = [
        "| scenario | runs | days | paging | for information | all per 30 days | at most (95 %) | by detector |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    results = list(results)
    for name in SCENARIOS:
        mine = [result for result in results if result["scenario"] == name]
        if not mine:
            continue
        months = sum(result["days"] for result in mine) / 30
        fired: Counter[str] = Counter()
        for result in mine:
            fired.update(result["fired"])
        info = sum(count for what, count in fired.items() if what.startswith("info"))
        bound = float(chi2.ppf(0.95, 2 * fired.total() + 2)) / 2 / months
        by = ", ".join(f"{what.split()[-1]} {count}" for what, count in fired.most_common()) or "-"
        head = f"| {name} | {len(mine)} | {months * 30:.0f} | {fired.total() - info} | {info} |"
        lines.append(f"{head} {fired.total() / months:.2f} | {bound:.2f} | {by} |")
    return "\n".join(lines)


def main() -> None:
    """Make the runs that are not in the file, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/judgement/quiet.jsonl"))
    args = parser.parse_args()
    names = args.scenarios.split(",")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    done = [orjson.loads(line) for line in args.out.read_bytes().splitlines()] if args.out.exists() else []
    known = {(result["scenario"], result["seed"], result["days"]) for result in done}
    wanted = [(name, seed, args.days) for seed in range(args.runs) for name in names if (name, seed, args.days) not in known]
    with ProcessPoolExecutor(args.jobs) as pool, args.out.open("ab") as file:
        for future in as_completed([pool.submit(run, *each) for each in wanted]):
            done.append(future.result())
            file.write(orjson.dumps(done[-1]) + b"\n")
            file.flush()
            print(f"{done[-1]['scenario']}, seed {done[-1]['seed']}: {done[-1]['fired'] or 'quiet'} in {done[-1]['seconds']} s", flush=True)
    print(table(done))


if __name__ == "__main__":
    main()
