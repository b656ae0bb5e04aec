"""What `check` says about rules that can be, but do nothing."""

from collections.abc import Iterator
from datetime import datetime

from stream_monitor.config import Config
from stream_monitor.pipeline.rules import named_rules, shadowed


def rule_warnings(config: Config, now: datetime) -> list[str]:
    """One sentence each. now: an aware time."""
    return [*shadowed(config), *_over(config, now)]


def _over(config: Config, now: datetime) -> Iterator[str]:
    for model in (None, *config.models):
        for name, rule in named_rules(config, model):
            for number, silence in enumerate(rule.silences):
                if silence.end <= now:
                    yield f"{name}: silences.{number} is over since {silence.end.isoformat()}; remove it"
