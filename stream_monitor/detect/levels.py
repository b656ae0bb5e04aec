"""What a window tells of its calls, in numbers: the levels, from which on one is large, and the tests of whether it is real."""

from collections.abc import Iterator, Mapping, Sequence
from math import log
from typing import Final

import numpy as np
from scipy.special import betainc, stdtr

from stream_monitor.capture.calls import LATENCY
from stream_monitor.profile.profile import Profile

FACTOR: Final = 1.5
"""A latency, or bytes, of so many times the largest usual one is large."""
ERROR_RISE: Final = 0.01
"""So is one failed call more in a hundred."""
RATIO_RISE: Final = 0.1
"""And a utilisation of 1.5 times the largest usual one and a tenth, or that takes half of what was left to 1."""
BYTES_RISE: Final = 2.0**20
"""A megabyte more is never large."""
SPREAD_MIN: Final = 0.02
"""Windows that look more alike than a histogram's bins are wide are not known to be."""
QUANTILES: Final[Mapping[str, float]] = {"latency_p95_ms": 0.95, "latency_p50_ms": 0.5, "latency_p99_ms": 0.99}
"""The one that leads an alert first: a median hides a bad tail, a 99th percentile of few calls is one call."""
P95, THROUGHPUT, ERRORS = "latency_p95_ms", "throughput_per_s", "error_ratio"
_MEANS: Final = ("cpu_ratio", "memory_bytes", "gpu_ratio", "gpu_memory_bytes")


def levels_of(window: Profile, seconds: float) -> Iterator[tuple[str, float]]:
    """Score -> its value in a window of at least one event, of those that its events tell, in the order in which scores are given."""
    measures = window.operations.measures
    if LATENCY in measures:
        yield from ((name, measures[LATENCY].quantile(q)) for name, q in QUANTILES.items())
    yield THROUGHPUT, window.events / seconds
    yield ERRORS, window.operations.failed / window.events
    yield from ((name, measures[name].sum() / measures[name].n) for name in _MEANS if name in measures)
    if "network_bytes" in measures:
        yield "network_bytes_per_s", measures["network_bytes"].sum() / seconds


def limit_of(name: str, largest: float) -> float:
    """From which on a level is large, by the largest usual one."""
    if name == ERRORS:
        return largest + ERROR_RISE
    if name in QUANTILES:
        return FACTOR * largest
    if not name.endswith("_ratio"):
        return FACTOR * largest + BYTES_RISE
    rise = FACTOR * largest + RATIO_RISE
    return rise if largest >= 1 else min(rise, (1 + largest) / 2)


def at_least(successes: int, trials: int, chance: float) -> float:
    """P(Bin(trials, chance) >= successes), exact; 1 for no successes."""
    return float(betainc(successes, trials - successes + 1, min(max(chance, 0.0), 1.0))) if successes > 0 else 1.0


def p_rise(value: float, usual: Sequence[float]) -> float:
    """Student's p of "one more of these is as high as value", on logarithms; usual: at least 2 values >= 0. 1 where all are 0."""
    floor = 0.01 * max(value, *usual)
    if floor == 0:
        return 1.0
    logs = np.log(np.array(usual) + floor)
    spread = max(float(logs.std(ddof=1)), SPREAD_MIN)
    t = (log(value + floor) - float(logs.mean())) / (spread * (1 + 1 / len(usual)) ** 0.5)
    return float(stdtr(len(usual) - 1, -t))
