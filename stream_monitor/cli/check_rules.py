"""What `check` says about rules and actions that can be, but do nothing."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from stream_monitor.cli.load import Loaded
from stream_monitor.config import Config
from stream_monitor.config.mistakes import near
from stream_monitor.pipeline.rules import named_rules, shadowed

_FOR_PEOPLE: Final = ("slack", "pagerduty", "opsgenie", "email", "notify")


def rule_warnings(config: Config, now: datetime) -> list[str]:
    """One sentence each. now: an aware time."""
    return [*shadowed(config), *_over(config, now)]


def _over(config: Config, now: datetime) -> Iterator[str]:
    for model in (None, *config.models):
        for name, rule in named_rules(config, model):
            for number, silence in enumerate(rule.silences):
                if silence.end <= now:
                    yield f"{name}: silences.{number} is over since {silence.end.isoformat()}; remove it"


def action_warnings(loaded: Loaded) -> Iterator[str]:
    """Actions that ask for what no alert will be about, or wake somebody and say not where to look."""
    features = sorted({column.name for stream in loaded.plan.streams.values() for column in stream.baseline.schema.columns})
    for name, entry in loaded.config.actions.items():
        if entry.use in _FOR_PEOPLE and "link" not in entry.settings:
            yield f"actions.{name}.with.link: whoever this wakes is told no place to look; write for example https://MONITOR/models/{{model}}"
        for field, wanted, known in (("model", entry.on.model, list(loaded.config.models)), ("feature", entry.on.feature, features)):
            yield from _unknown(f"actions.{name}.on.{field}", wanted or (), known)


def _unknown(place: str, wanted: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    for each in wanted:
        if each not in known:
            yield f"{place}: no alert is about {each!r}{near(each, known)}"
