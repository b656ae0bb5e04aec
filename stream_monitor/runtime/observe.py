"""What workers tell the outside: numbers for metrics and readiness. Counters move after the commit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import structlog

if TYPE_CHECKING:  # for what they say, not do: a responder has no use for the pipeline, which is 100 MB
    from stream_monitor.capture.reject import Reject
    from stream_monitor.capture.schema import StreamKey
    from stream_monitor.pipeline.state import Outputs, State

_log = structlog.get_logger(__name__)

ABORTS_MAX: Final = 10
"""So many aborted transactions in a row are no hiccup: the worker is made anew, after a pause, a bounded number of times."""


REFUSALS_EVERY_MS: Final = 60_000
"""A producer with a mistake makes it in every message: a line a minute says so, the metric how often."""


class Meter(Protocol):
    """Where numbers go; `export.MetricStore` is one. Names are those of the metric table, without the prefix."""

    def add(self, metric: str, labels: Mapping[str, str], amount: float = 1.0) -> None:
        """Count."""
        ...

    def set(self, metric: str, labels: Mapping[str, str], value: float) -> None:
        """Set a gauge."""
        ...

    def observe(self, metric: str, labels: Mapping[str, str], value: float) -> None:
        """Add to a histogram."""
        ...

    def drop(self, metric: str, labels: Mapping[str, str]) -> None:
        """Remove all series of the metric that carry these labels."""
        ...


class Audience(Protocol):
    """Who wants to know what was committed, beyond numbers; `export.Board` is one. Called on the worker's thread; must be quick."""

    def committed(self, outputs: "Outputs", states: "Iterable[State]") -> None:
        """What one transaction said, and how the owned models stand; the states may not be kept."""
        ...

    def follows(self, state: "State", streams: "Iterable[StreamKey]") -> None:
        """These are this member's, by this state, which may not be kept; said after every turn, whether or not anything came."""
        ...

    def lost(self, streams: "Iterable[StreamKey]") -> None:
        """These are another member's now."""
        ...


class Nobody:
    """An audience that is not there."""

    def committed(self, outputs: "Outputs", states: "Iterable[State]") -> None:
        """Nothing is kept."""

    def follows(self, state: "State", streams: "Iterable[StreamKey]") -> None:
        """Nothing is noted."""

    def lost(self, streams: "Iterable[StreamKey]") -> None:
        """Nothing is forgotten."""


@dataclass(slots=True)
class Pending:
    """Numbers of an open transaction: told to the meter after its commit, forgotten at its abort."""

    meter: Meter
    counts: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)
    values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)
    observations: list[tuple[str, float]] = field(default_factory=list)

    def add(self, metric: str, amount: float = 1.0, **labels: str) -> None:
        """Count."""
        key = (metric, tuple(sorted(labels.items())))
        self.counts[key] = self.counts.get(key, 0.0) + amount

    def set(self, metric: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        self.values[metric, tuple(sorted(labels.items()))] = value

    def observe(self, metric: str, value: float) -> None:
        """Add to a histogram without labels."""
        self.observations.append((metric, value))

    def committed(self) -> None:
        """Tell the meter, and begin anew."""
        for (metric, labels), amount in self.counts.items():
            self.meter.add(metric, dict(labels), amount)
        for (metric, labels), value in self.values.items():
            self.meter.set(metric, dict(labels), value)
        for metric, value in self.observations:
            self.meter.observe(metric, {}, value)
        self.aborted()

    def aborted(self) -> None:
        """Forget."""
        self.counts.clear()
        self.values.clear()
        self.observations.clear()


@dataclass(slots=True)
class Refusals:
    """Tells the log of refused messages whose dead letters were committed: how many since the last time, and one of them."""

    count: int = 0
    said_ms: int | None = None

    def committed(self, rejects: "Sequence[Reject]", now_ms: int) -> None:
        """What one transaction refused."""
        self.count += len(rejects)
        if rejects and (self.said_ms is None or now_ms - self.said_ms >= REFUSALS_EVERY_MS):
            _log.warning("dead_letters", messages=self.count, reason=rejects[-1].reason.value, detail=rejects[-1].detail)
            self.count, self.said_ms = 0, now_ms
