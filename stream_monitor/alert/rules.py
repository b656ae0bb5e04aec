"""What the config's rules say of one alert.

All rules that match count, the model's own before those of all models. Of a setting that several give, the first is heard; silences
and maintenance windows of all hold, and labels are joined.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from stream_monitor.config.rules import LEVELS, Maintenance, Match, Rule, Silence
from stream_monitor.detect.finding import FindingKind, Severity
from stream_monitor.profile.codec import Segment

_KNOWN_MAX: Final = 10_000
"""Answers that are kept at hand."""


class Facts(NamedTuple):
    """What rules may ask of an alert. severity: the worst that was found."""

    model: str
    version: str | None
    segment: Segment
    kind: FindingKind
    feature: str | None
    detector: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for an alert; the default is what holds without rules. rules: the names of those that match."""

    rules: tuple[str, ...] = ()
    firing: int = 1
    of: int = 1
    quiet: int | None = None
    under: float | None = None
    at_least: Severity = Severity.INFO
    at_most: Severity = Severity.CRITICAL
    cool_down_ms: int = 0
    repeat_ms: int | None = None
    group_by: tuple[str, ...] | None = None
    silences: tuple[Silence | Maintenance, ...] = ()
    recipients: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    summary: str | None = None
    runbook: str | None = None

    def severity_of(self, found: Severity) -> Severity:
        """What is published for what was found."""
        return max(self.at_least, min(found, self.at_most, key=rank), key=rank)

    def silence_at(self, time_ms: int) -> Silence | Maintenance | None:
        """The first silence that holds at an event time."""
        moment = datetime.fromtimestamp(time_ms / 1000, UTC)
        return next((each for each in self.silences if each.end_at(moment) is not None), None)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a model, in their order, each with its name."""

    named: tuple[tuple[str, Rule], ...] = ()
    _known: dict[Facts, Policy] = field(default_factory=dict, compare=False, repr=False)

    def policy(self, facts: Facts) -> Policy:
        """What holds for such an alert."""
        known = self._known.get(facts)
        if known is None:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            known = self._known[facts] = _merged([(name, rule) for name, rule in self.named if matches(rule.match, facts)])
        return known

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return not self.named

    @property
    def longest(self) -> int:
        """How many windows back any rule looks."""
        return max((rule.windows.of for _, rule in self.named if rule.windows is not None), default=1)

    @property
    def longest_cool_down_ms(self) -> int:
        """How long an end may have to be remembered."""
        return max((rule.cool_down for _, rule in self.named if rule.cool_down is not None), default=0)


def rank(severity: Severity) -> int:
    """0 for info, 2 for critical."""
    return LEVELS.index(severity.value)


def matches(match: Match, facts: Facts) -> bool:
    """Whether all that a rule asks holds."""
    asked = (
        (match.model, facts.model),
        (match.version, facts.version),
        (match.kind, facts.kind.value),
        (match.feature, facts.feature),
        (match.detector, facts.detector),
        (match.severity, facts.severity.value),
    )
    return all(patterns is None or like(value, patterns) for patterns, value in asked) and _is_in(match.segment, dict(facts.segment))


def like(value: str | None, patterns: tuple[str, ...]) -> bool:
    """Whether any pattern stands for it; none stands for None."""
    return value is not None and any(fnmatchcase(value, pattern) for pattern in patterns)


def _is_in(wanted: dict[str, str] | None, segment: dict[str, str]) -> bool:
    if wanted is None:
        return True
    return bool(wanted) == bool(segment) and all(like(segment.get(name), (pattern,)) for name, pattern in wanted.items())


def _merged(named: list[tuple[str, Rule]]) -> Policy:
    rules = [rule for _, rule in named]
    windows, severity = _first(rules, "windows"), _first(rules, "severity")
    hysteresis = [rule.hysteresis for rule in rules if rule.hysteresis is not None]
    annotations = [rule.annotations for rule in rules]
    labels: dict[str, str] = {}
    for rule in rules:
        labels = rule.labels | labels
    return Policy(
        rules=tuple(name for name, _ in named),
        firing=windows.firing if windows else 1,
        of=windows.of if windows else 1,
        quiet=_first(hysteresis, "windows"),
        under=_first(hysteresis, "under"),
        at_least=Severity(severity.at_least) if severity else Severity.INFO,
        at_most=Severity(severity.at_most) if severity else Severity.CRITICAL,
        cool_down_ms=_first(rules, "cool_down") or 0,
        repeat_ms=_first(rules, "repeat_every"),
        group_by=_first(rules, "group_by"),
        silences=tuple(_silences(rules)),
        recipients=_first(rules, "recipients") or (),
        labels=tuple(sorted(labels.items())),
        summary=_first(annotations, "summary"),
        runbook=_first(annotations, "runbook"),
    )


def _first(sections: list[Any], name: str) -> Any:
    return next((value for each in sections if (value := getattr(each, name)) is not None), None)


def _silences(rules: list[Rule]) -> Iterator[Silence | Maintenance]:
    for rule in rules:
        yield from rule.silences
        yield from rule.maintenance
