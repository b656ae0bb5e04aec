"""The demonstration, played once a process: a board, alerts and windows of traffic that drifts."""

from functools import cache

from stream_monitor.cli.demo_acts import ACTS
from stream_monitor.cli.demo_stage import Stage
from stream_monitor.cli.demo_traffic import Traffic


@cache
def played(acts: int = 2) -> Stage:
    """Its first acts, the last of them until the end: by default the applicants change. Whoever takes it only looks."""
    stage = Stage(Traffic.seeded(3, 8_000, ACTS[:acts]))
    for _ in stage.play():
        pass
    return stage
