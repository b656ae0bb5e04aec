"""The demonstration, played once a process: a board, alerts and windows of traffic that drifts."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from stream_monitor.cli.demo_acts import ACTS, SPAN_MS, START_MS
from stream_monitor.cli.demo_stage import Stage, demo_config
from stream_monitor.cli.demo_traffic import Live, Loan, Service, Traffic


@cache
def played(acts: int = 2) -> Stage:
    """Its first acts, the last of them until the end: by default the applicants change. Whoever takes it only looks."""
    stage = Stage(Traffic.seeded(3, 8_000, ACTS[:acts]))
    for _ in stage.play():
        pass
    return stage


@dataclass(frozen=True, slots=True)
class Called(Service):
    """A service that tells how its calls went: in the end it becomes slow, and some calls time out."""

    def event(self, number: int, loan: Loan, time_ms: int, malus: float = 0.0, version: str | None = None) -> dict[str, Any]:
        """With what calls tell."""
        body = Service.event(self, number, loan, time_ms, malus, version)
        is_slow = time_ms >= START_MS + SPAN_MS * 4 // 5
        body |= {"latency_ms": (160 if is_slow else 40) * (1 + number % 7 / 10), "resources": {"cpu_ratio": 0.3}}
        if is_slow and number % 5 == 0:
            body |= {"status": "error", "error": "timeout"}
        return body


@cache
def called(acts: int = 2) -> Stage:
    """The same with calls, and a segment by region."""
    traffic = Traffic.seeded(3, 8_000, ACTS[:acts])
    stage = Stage(replace(traffic, live=Live(Called(traffic.live.service.model))), config=demo_config(segments=["region"]))
    for _ in stage.play():
        pass
    return stage
