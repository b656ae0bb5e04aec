"""Bytes to profiles on one core, beside the naive loop, in one run; and where the time goes.

Ours is what a profile worker does with a batch: Decoder.decode, summarise, codec.encode. The naive loop is what one writes first:
per event orjson.loads, then river's ADWIN and PageHinkley on each numeric feature. Both take turns, so that a slow moment of the machine
hits both; a ratio is the median over the rounds. Times are processor seconds, so that other processes count little.

    python benchmarks/path.py [--events 50000] [--seed 7] [--rounds 7] [--json]
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np
import orjson
from river.drift import ADWIN, PageHinkley

from benchmarks import events, plans
from stream_monitor.baseline.encode import summarise_groups
from stream_monitor.capture.columns import Raw
from stream_monitor.capture.decode import Decoder
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.summarise import summarise
from stream_monitor.profile import codec, kernels

SIZES = (100, 1_000, 10_000)
"""Messages in one batch; the worker's own is the last."""
WINDOWS = {"1h": "one pane", "5s": "two panes"}
"""10,000 events stand for 10 s."""


class Naive:
    """orjson, and river's two detectors per numeric feature."""

    def __init__(self) -> None:
        self._detectors: list[tuple[str, Any, Any]] = [(name, ADWIN(), PageHinkley()) for name in events.FLOATS]  # type: ignore[no-untyped-call]
        self.drifts = 0

    def run(self, values: Sequence[bytes]) -> None:
        for value in values:
            features = orjson.loads(value)["features"]
            for name, adwin, page_hinkley in self._detectors:
                number = features[name]
                if number is not None:
                    adwin.update(number)
                    page_hinkley.update(number)
                    self.drifts += adwin.drift_detected + page_hinkley.drift_detected


def batches(messages: Sequence[Raw], size: int) -> Iterator[Sequence[Raw]]:
    for start in range(0, len(messages), size):
        yield messages[start : start + size]


def profiles(plan: Plan, decoder: Decoder, messages: Sequence[Raw], size: int) -> list[bytes]:
    """Bytes to frames of profiles."""
    frames = []
    for batch in batches(messages, size):
        columns, rejects = decoder.decode(batch, None)
        assert not rejects
        frames += [codec.encode(pane) for pane in summarise(plan, columns, batch)]
    return frames


def seconds(task: Callable[[], object]) -> float:
    begin = time.process_time()
    task()
    return time.process_time() - begin


def parts(plan: Plan, decoder: Decoder, messages: Sequence[Raw]) -> dict[str, float]:
    """Processor seconds of each part of the path, over batches of 10,000."""
    spent = dict.fromkeys(("decode", "encode", "count", "samples, rest", "codec"), 0.0)

    def timed(name: str, task: Callable[[], object]) -> None:
        spent[name] += seconds(task)

    for batch in batches(messages, SIZES[-1]):
        begin = time.process_time()
        columns, _ = decoder.decode(batch, None)
        spent["decode"] += time.process_time() - begin
        baseline = plan.streams[columns[0].stream].baseline
        coded = baseline.encode(columns[0])
        group = np.zeros(len(columns[0]), dtype=np.int32)
        encode = seconds(lambda columns=columns, baseline=baseline: baseline.encode(columns[0]))  # type: ignore[misc]
        count = seconds(lambda baseline=baseline, coded=coded, group=group: summarise_groups(baseline, coded, group, 1))  # type: ignore[misc]
        begin = time.process_time()
        panes = summarise(plan, columns, batch)
        spent["samples, rest"] += time.process_time() - begin - encode - count
        spent["encode"] += encode
        spent["count"] += count
        timed("codec", lambda panes=panes: [codec.encode(pane) for pane in panes])  # type: ignore[misc]
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="the ratios alone, as JSON")
    options = parser.parse_args()
    values = events.values(options.events, options.seed)
    messages = events.messages(values)
    baseline = plans.baseline()
    ready = {window: plans.plan(plans.config(window), baseline) for window in WINDOWS}
    decoder = ready["1h"].decoder()
    kernels.compile_kernels()
    naive = Naive()
    ours = {f"ours, {WINDOWS[window]}": (plan, SIZES[-1]) for window, plan in ready.items()}
    ours |= {f"ours, batches of {size:,}": (ready["1h"], size) for size in SIZES[:-1]}
    rounds: list[dict[str, float]] = []
    by_part: list[dict[str, float]] = []
    profiles(ready["1h"], decoder, messages[:10_000], 10_000)
    for _ in range(options.rounds):
        took = {"naive loop": seconds(lambda: naive.run(values))}
        took |= {name: seconds(lambda plan=plan, size=size: profiles(plan, decoder, messages, size)) for name, (plan, size) in ours.items()}  # type: ignore[misc]
        rounds.append(took)
        by_part.append(parts(ready["1h"], decoder, messages))
    report(options.events, sum(map(len, values)) / len(values), rounds, by_part, as_json=options.json)


def key(name: str) -> str:
    """`ours, batches of 100` as `batches_of_100`."""
    return name.removeprefix("ours, ").replace(" ", "_").replace(",", "")


def report(n: int, size: float, rounds: list[dict[str, float]], by_part: list[dict[str, float]], *, as_json: bool) -> None:
    ratios = {name: median(took["naive loop"] / took[name] for took in rounds) for name in rounds[0]}
    if as_json:
        print(json.dumps({f"path.{key(name)}": ratio for name, ratio in ratios.items()}))
        return
    print(f"{n:,} events of {size:.0f} bytes, {len(rounds)} rounds in turn, medians; processor time of one core")
    for name, ratio in ratios.items():
        each = median(took[name] for took in rounds) / n
        print(f"{name:24s} {each * 1e6:7.2f} us/event {1 / each:10,.0f} events/s  {ratio:5.2f} times the naive loop")
    print("of which, in batches of 10,000:")
    for name in by_part[0]:
        print(f"  {name:22s} {median(spent[name] for spent in by_part) / n * 1e6:7.2f} us/event")


if __name__ == "__main__":
    main()
