"""What looking costs: profiling with one scrape of /metrics and one page view a second beside it, and without, in turn, in one run.

Profiling is what a profile worker does to a batch (decode, summarise, encode), as fast as it can; beside it stands what a worker that
has run for a day has: a board of 288 windows and alerts, and the store of its metrics. Another process looks. One interpreter runs
one thread at a time, so what looking takes of the processor is what profiling loses. Seconds are the processor's, also those from one
look to the next: on a machine that does nothing else they are the clock's.

    python benchmarks/pages.py [--rounds 20] [--seconds 1] [--json]
"""

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import IO

from benchmarks import events, plans
from benchmarks.live import Traffic
from benchmarks.path import profiles
from stream_monitor.export.board import Board, Site
from stream_monitor.export.http import MetricsServer
from stream_monitor.export.metrics import MetricStore
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.state import Outputs, State
from stream_monitor.pipeline.step import step
from stream_monitor.profile import codec
from stream_monitor.profile.kernels import compile_kernels
from stream_monitor.runtime.detect_meter import DetectMeter
from stream_monitor.window.progress import Progress, SourceProgress

BATCH = 10_000
POOL = 50_000
"""Events that are profiled again and again."""
WINDOWS = 288
EVENTS = 300
"""In each window that the board has seen."""
START_MS = 1_795_327_200_000
LOOK_S = 1.0
LOOKED_AT = ("/metrics", "/models/fraud/features/f00")
"""The page is the dearest: sixteen pictures of 288 windows. The others take less than a millisecond."""


def seen(plan: Plan) -> tuple[Board, MetricStore]:
    """After `WINDOWS` windows of a minute; `f00` moves in every other twenty, so that alerts come and go."""
    clock_ms = START_MS
    board, store, state, decoder = Board(plan.config, lambda: clock_ms), MetricStore(), State.empty(plan), plan.decoder()
    meter, (usual, shifted) = DetectMeter(store, lambda: clock_ms), (Traffic(7), Traffic(8, shift=1.0))
    for number in range(WINDOWS):
        traffic = shifted if number // 20 % 2 else usual
        bodies = [traffic.body(number * EVENTS + i, clock_ms + i * 60_000 // EVENTS) for i in range(EVENTS)]
        clock_ms += 60_000
        outputs = Outputs()
        for frame in profiles(plan, decoder, events.messages(bodies), BATCH):
            outputs.extend(step(state, codec.decode(frame), lambda _: plan))
        source = SourceProgress("captures", 0, (number + 1) * EVENTS, clock_ms - 1, idle=False)
        outputs.extend(step(state, Progress(clock_ms, plan.revision, (source,), (("captures", 1),)), lambda _: plan))
        meter.committed(outputs, [state])
        board.committed(outputs, [state])
    return board, store


def look(base: str) -> None:
    """Run as a process of its own: at each line that comes, a scrape and a page; how long both took goes back."""
    for _ in sys.stdin:
        begin = time.perf_counter()
        for path in LOOKED_AT:
            with urllib.request.urlopen(base + path, timeout=30) as answer:
                answer.read()
        print(time.perf_counter() - begin, flush=True)


@contextmanager
def looker(base: str) -> Iterator["subprocess.Popen[str]"]:
    """That process."""
    process = subprocess.Popen([sys.executable, __file__, "--look", base], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        yield process


@dataclass(frozen=True, slots=True)
class Span:
    """Events profiled in wall seconds, and this process's processor seconds meanwhile."""

    events: int
    wall_s: float
    processor_s: float


def profile(plan: Plan, messages: list[object], seconds: float, asks: IO[str] | None) -> tuple[Span, int]:
    """Profile for so many processor seconds; asks: where to tell the looker once in `LOOK_S` of them. Also how often that was."""
    decoder, n, looks = plan.decoder(), 0, 0
    begin, processor = time.perf_counter(), time.process_time()
    while (passed := time.process_time() - processor) < seconds:
        if asks is not None and passed >= looks * LOOK_S:
            asks.write("\n")
            asks.flush()
            looks += 1
        start = n % POOL
        profiles(plan, decoder, messages[start : start + BATCH], BATCH)  # type: ignore[arg-type]
        n += BATCH
    return Span(n, time.perf_counter() - begin, time.process_time() - processor), looks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--json", action="store_true", help="end with the figures as one line of JSON")
    parser.add_argument("--look", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look:
        look(options.look)
        return
    compile_kernels()
    plan = plans.plan(plans.config("1m"), plans.baseline())
    board, store = seen(plan)
    messages: list[object] = [*events.messages(events.values(POOL, 7))]
    site = Site(board)
    with MetricsServer(store.registry(), port=0, site=site) as server, looker(f"http://127.0.0.1:{server.port}") as process:
        pairs, delays = [], list[float]()
        assert process.stdin is not None
        assert process.stdout is not None
        profile(plan, messages, 1.0, None)
        for _ in range(options.rounds):
            alone, _ = profile(plan, messages, options.seconds, None)
            watched, looks = profile(plan, messages, options.seconds, process.stdin)
            delays += [float(process.stdout.readline()) for _ in range(looks)]
            pairs.append((alone, watched))
        process.stdin.close()
    report(pairs, delays, as_json=options.json)


def report(pairs: list[tuple[Span, Span]], delays: list[float], *, as_json: bool) -> None:
    rates = [median(one.events / one.processor_s for one in spans) for spans in zip(*pairs, strict=True)]
    processor = median(alone.processor_s / alone.events / (watched.processor_s / watched.events) for alone, watched in pairs)
    wall = median(watched.events / watched.wall_s / (alone.events / alone.wall_s) for alone, watched in pairs)
    print(f"profiling, {len(pairs)} rounds in turn, medians; events per processor second")
    print(f"  alone {rates[0]:,.0f}, with a scrape and a page a second {rates[1]:,.0f}: {processor:.3f} of it (by the clock {wall:.3f})")
    print(f"  a scrape and a page together answered in {median(delays) * 1000:.0f} ms (worst {max(delays) * 1000:.0f})")
    if as_json:
        print(json.dumps({"pages.watched_of_alone": processor}))


if __name__ == "__main__":
    main()
