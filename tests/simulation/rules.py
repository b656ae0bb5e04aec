"""How alerts are told in a seed: rules that silence, wait, repeat and group, on the time scale of a run."""

from random import Random
from typing import Any

from stream_monitor.detect.report import utc
from tests.property.pipeline_world import START_MS


def random_rules(random: Random) -> list[dict[str, Any]]:
    """None in most seeds; else a few, in any order."""
    if random.random() < 0.6:
        return []
    start_ms = START_MS + 1000 * random.randrange(60)
    quiet = {"start": utc(start_ms), "end": utc(start_ms + 1000 * random.randrange(1, 60))}
    every = {"start": "10:00", "length": "30s", "timezone": "UTC"}
    rules: list[dict[str, Any]] = [
        {"windows": {"firing": random.choice((1, 2)), "of": random.choice((2, 3, 5))}},
        {"hysteresis": {"windows": random.choice((1, 3)), "under": random.choice((0.5, 1.0))}},
        {"cool_down": random.choice(("20s", "60s"))},
        {"repeat_every": random.choice(("10s", "30s"))},
        {"silences": [quiet]},
        {"match": {"kind": "data_drift"}, "maintenance": [every]},
        {"match": {"feature": "a*"}, "severity": "info"},
        {"match": {"model": "loan"}, "group_by": random.choice(([], ["kind"], ["segment"])), "labels": {"team": "risk"}},
        {"match": {"severity": "critical"}, "recipients": ["pager"]},
    ]
    return random.sample(rules, random.randint(1, 6))
