"""The config's rules made ready, and held against what there is: a name that nothing has is a slip of the pen."""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from fnmatch import fnmatchcase

from stream_monitor.alert.rules import Rules
from stream_monitor.alert.template import check_template
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import Config
from stream_monitor.config.rules import Rule
from stream_monitor.detect.finding import FindingKind
from stream_monitor.detect.registry import NAMES
from stream_monitor.errors import ConfigError


def named_rules(config: Config, model: str | None = None) -> list[tuple[str, Rule]]:
    """The rules that a list of the config holds, each by its name or its place. model: None for those of all models."""
    place, rules = ("rules", config.rules) if model is None else (f"models.{model}.rules", config.models[model].rules)
    return [(f"{place}.{number}" if rule.name is None else rule.name, rule) for number, rule in enumerate(rules)]


def rules_of(config: Config, model: str) -> Rules:
    """What is asked for an alert of a model: its own rules, then those of all models."""
    return Rules((*named_rules(config, model), *named_rules(config)))


def check_rules(config: Config, baselines: Mapping[StreamKey, Baseline]) -> None:
    """Errors: ConfigError naming the field, for a rule that asks for what no watched model has, or a template that cannot be filled."""
    for model in (None, *config.models):
        own = {key: baseline for key, baseline in baselines.items() if model in (None, key.model)}
        place, rules = ("rules", config.rules) if model is None else (f"models.{model}.rules", config.models[model].rules)
        for number, rule in enumerate(rules):
            _check(f"{place}.{number}", rule, config, own)


def _check(place: str, rule: Rule, config: Config, baselines: Mapping[StreamKey, Baseline]) -> None:
    models = {key.model: config.models[key.model] for key in baselines}
    _known(f"{place}.match.model", rule.match.model, models, "no model has this name")
    versions = [version for model in models.values() for version in model.versions]
    _known(f"{place}.match.version", rule.match.version, versions, "no version with a baseline of its own has this name")
    _known(f"{place}.match.kind", rule.match.kind, [kind.value for kind in FindingKind], "there is no such kind")
    features = [column.name for baseline in baselines.values() for column in baseline.schema.columns]
    _known(f"{place}.match.feature", rule.match.feature, features, "no baseline has such a feature")
    plugins = [name for model in models.values() for name in model.river]
    _known(f"{place}.match.detector", rule.match.detector, [*NAMES, *plugins], "there is no such detector")
    segments = [name for model in models.values() for name in (*model.segments, *model.facets, *(("class",) if model.task else ()))]
    _known(f"{place}.match.segment", tuple(rule.match.segment or ()), segments, "no model has such a segment or facet")
    for name in ("summary", "runbook"):
        template = getattr(rule.annotations, name)
        if template is not None:
            _checked(f"{place}.annotations.{name}", check_template, template)


def _known(place: str, patterns: tuple[str, ...] | None, known: Collection[str], problem: str) -> None:
    for pattern in patterns or ():
        if not any(fnmatchcase(name, pattern) for name in known):
            raise ConfigError(f"{place}: {pattern!r}: {problem}; {_hint(pattern, sorted(set(known)))}")


def _hint(pattern: str, known: list[str]) -> str:
    near = difflib.get_close_matches(pattern, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known[:12])}" if known else "the config names none"


def _checked(place: str, check: Callable[[str], None], value: str) -> None:
    try:
        check(value)
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from None


def shadowed(config: Config) -> Iterator[str]:
    """Rules of which nothing is ever heard: whatever they match, one before them matches and sets the same. One sentence each."""
    for model in (None, *config.models):
        rules = named_rules(config, model)
        for place, (name, rule) in enumerate(rules):
            earlier = [(other, each) for other, each in rules[:place] if _covers(each, rule)]
            if earlier and not _heard(rule) - {setting for _, each in earlier for setting in _heard(each)}:
                before = ", ".join(other for other, _ in earlier)
                yield f"{name}: is never heard: what it sets, {before} before it sets for the same alerts; move it up, or remove it"


def _covers(earlier: Rule, later: Rule) -> bool:
    """Whether one surely matches all that another matches."""
    pairs = ((getattr(earlier.match, name), getattr(later.match, name)) for name in type(earlier.match).model_fields)
    return all(wide is None or wide == narrow or _holds(wide, narrow) for wide, narrow in pairs)


def _holds(wide: object, narrow: object) -> bool:
    return (
        isinstance(wide, tuple)
        and isinstance(narrow, tuple)
        and all(any(fnmatchcase(each, pattern) for pattern in wide) for each in narrow)
    )


def _heard(rule: Rule) -> set[tuple[str, str]]:
    """What it sets, each part that can be heard or not by itself; silences are always heard."""
    found = set[tuple[str, str]]()
    for setting in rule.settings:
        value = getattr(rule, setting)
        if setting == "labels":
            found |= {(setting, name) for name in value}
        elif setting in ("hysteresis", "annotations"):
            found |= {(setting, name) for name in type(value).model_fields if getattr(value, name) is not None}
        else:
            found.add((setting, repr(value) if setting in ("silences", "maintenance") else ""))
    return found
