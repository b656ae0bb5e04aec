"""The demonstration, played once a process: a board, alerts and windows of traffic that drifts."""

from functools import cache

from stream_monitor.cli.demo_stage import Stage
from stream_monitor.cli.demo_traffic import Traffic


@cache
def played() -> Stage:
    """Whoever takes it only looks."""
    stage = Stage(Traffic.seeded(3, 8_000))
    for _ in stage.play():
        pass
    return stage
