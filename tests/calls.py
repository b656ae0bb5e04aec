"""Windows of calls, drawn from a seed: what the tests of operations judge."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.calls import Calls
from stream_monitor.profile.operations import CallBins
from stream_monitor.profile.profile import Profile

Floats = NDArray[np.float64]


def window_of(events: int, values: Mapping[str, Floats], failed: int = 0, code: str = "timeout") -> Profile:
    """A window of so many events, of which the first `failed` failed with this code; values: measure -> of each event."""
    statuses = ["error"] * failed + ["ok"] * (events - failed)
    calls = Calls.of(values, statuses, [code] * events, events)
    assert calls is not None
    nothing: NDArray[Any] = np.zeros(0, dtype=np.int64)
    return Profile(events, nothing, nothing.reshape(2, 0), operations=CallBins(calls).of(np.arange(events)))


def drawn(random: np.random.Generator, events: int, scale_ms: float = 40, errors: float = 0.01, cpu: float = 0.3) -> Profile:
    """Lognormal latencies around `scale_ms` (p95 is 2.3 times that), a Poisson number of events, a share of errors, a noisy processor."""
    n = max(int(random.poisson(events)), 1)
    values = {"latency_ms": scale_ms * np.exp(0.5 * random.standard_normal(n)), "cpu_ratio": np.clip(random.normal(cpu, 0.05, n), 0, 1)}
    return window_of(n, values, int(random.binomial(n, errors)))
